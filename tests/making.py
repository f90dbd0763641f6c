"""Short ways to make the events that tests are about."""

from __future__ import annotations

from typing import Any

from locard.evidence import SigningKey
from locard.evidence.custody import Custodian
from locard.redaction import RedactedEvent
from locard.schema import (
    Event,
    RedactionRecord,
    event_json,
    new_event_id,
    parse_event,
    validate_event,
)

RECORD = RedactionRecord(policy="test/1", engine="test")


def event(kind: str = "tool_call", body: dict[str, Any] | None = None, **core: Any) -> Event:
    """Return an event of this kind; fields of the core by name."""
    defaults: dict[str, dict[str, Any]] = {
        "tool_call": {
            "tool_name": "send_money",
            "sighting": "executed",
            "arguments": {"amount": 1},
        },
        "tool_result": {"tool_name": "send_money", "outcome": "ok", "result": "sent"},
        "prompt": {"messages": []},
        "model_output": {"messages": []},
        "lifecycle": {"change": "session_start"},
        "decision": {"decided_by": "policy", "verdict": "allow"},
    }
    return validate_event(
        {
            "kind": kind,
            "event_id": str(new_event_id()),
            "schema_version": "1.0",
            "occurred_at": "2026-05-04T09:32:00Z",
            "observed_at": "2026-05-04T09:32:01Z",
            "lane": "recorder",
            "session_id": "s1",
            "body": body if body is not None else defaults[kind],
            **core,
        }
    )


def said(text: str, role: str = "user", trust: str = "user") -> dict[str, Any]:
    """Return a message of one text part."""
    return {"role": role, "parts": [{"type": "text", "trust": trust, "content": text}]}


def redacted(plain: Event) -> RedactedEvent:
    """Return an event as redaction hands it on, for tests of what comes after."""
    return RedactedEvent(plain, RECORD)


def without_seal(value: bytes) -> bytes:
    """Return the JSON of an event as it was before it was sealed."""
    return event_json(parse_event(value).model_copy(update={"seal": None}))


def custodian() -> Custodian:
    """Return somebody who may take something out of the record."""
    return Custodian(SigningKey.generate(), "tester")
