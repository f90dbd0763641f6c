"""An agent that a chaos run kills: records without end, and writes down what it recorded.

    python chaos_agent.py HOME NAME ENDPOINT

A line of its ledger is written after `record` returned, so it is what the agent may count on. The
file is written to without a buffer: what the process wrote is there after it was killed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from locard.ingest.recorder import Recorder, RecorderSettings


def agent_settings(home: Path, name: str, endpoint: str) -> RecorderSettings:
    """Return the settings that every start of this agent has."""
    token = os.environ["LOCARD_TOKEN"]
    return RecorderSettings(
        endpoint=endpoint,
        token=token,
        workflow_id="chaos",
        agent_name=name,
        collector_id=f"machine/{name}",
        spool=home / "spools",
        accounting_seconds=0.5,
    )


def main() -> None:
    """Record until killed."""
    home, name, endpoint = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    recorder = Recorder(agent_settings(home, name, endpoint))
    chance = random.Random(name)  # noqa: S311 - to be repeated, not to be secret
    ledger = os.open(
        home / f"ledger-{name}-{recorder.incarnation}",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
        0o600,
    )
    session = recorder.session(f"{name}-{recorder.incarnation}")
    for number in range(sys.maxsize):
        text = "x" * chance.choice((10, 200, 200, 2_000))
        made = session.lifecycle("step", {"number": number, "text": text})
        os.write(ledger, f"{made.event_id} {made.seq}\n".encode())
        if number % 10 == 0:
            time.sleep(0.02)


if __name__ == "__main__":
    main()
