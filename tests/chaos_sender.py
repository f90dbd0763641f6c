"""A sender without a recorder: posts events and writes down what was answered with 200.

    python chaos_sender.py HOME ENDPOINT

It sends nothing again, so what was not acknowledged may be in the lake or not, but never twice.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import httpx

from locard.schema import event_json
from making import event


def main() -> None:
    """Send until killed."""
    home, endpoint = Path(sys.argv[1]), sys.argv[2]
    headers = {
        "Authorization": f"Bearer {os.environ['LOCARD_TOKEN']}",
        "Content-Type": "application/x-ndjson",
    }
    ledger = os.open(home / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client = httpx.Client(headers=headers, timeout=20, trust_env=False)
    while True:
        batch = [
            event("lifecycle", {"change": "sent"}, session_id="sender", workflow_id="chaos")
            for _ in range(20)
        ]
        try:
            answer = client.post(
                f"{endpoint}/v1/events", content=b"\n".join(event_json(one) for one in batch)
            )
        except httpx.HTTPError:
            time.sleep(0.1)
            continue
        if answer.status_code == 200 and answer.json()["accepted"] == len(batch):
            os.write(ledger, b"".join(b"%s\n" % str(one.event_id).encode() for one in batch))
        time.sleep(0.05)


if __name__ == "__main__":
    main()
