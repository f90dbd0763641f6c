"""Redactors that misbehave on demand, for tests; at module level, so that workers can load them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from locard.schema import Finding, RedactionRecord


class FaultyRedactor:
    """Blanks every `result` and `arguments`; events that ask for it raise, hang or crash."""

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Do what the event's `call_id` says, and otherwise blank its content."""
        match event.get("call_id"):
            case "raise":
                raise ValueError(f"cannot redact {event}")
            case "hang":
                threading.Event().wait()
            case "crash":
                os._exit(3)
            case "print":
                print(event, flush=True)
        body = {**event["body"]}
        found = {}
        for name in ("result", "arguments"):
            if body.pop(name, None) is not None:
                finding = Finding(entity_type="ALL", count=1, lowest_score=1.0, highest_score=1.0)
                found[name] = (finding,)
        record = RedactionRecord(policy="test/1", engine="test", key_id="k1", fields=found)
        return {**event, "body": body}, record


def broken_factory() -> FaultyRedactor:
    """Fail the way a damaged installation does."""
    raise ImportError("no engine here")
