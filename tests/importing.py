"""Short ways to write runs in the form that `openai-messages` imports, and to convert them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locard.ingest.eventlog.embedded import EmbeddedReader
from locard.ingest.importers.conversion import Converted
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_messages import run_events
from locard.schema import Event, parse_event

START = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)
OBSERVED = datetime(2026, 5, 5, tzinfo=UTC)


def line(data: bytes, number: int = 1) -> Line:
    """Return a line with these bytes."""
    return Line(number, data, hashlib.sha256(data).hexdigest())


def converted(messages: Sequence[Any], **run: Any) -> Converted:
    """Convert a run with these messages; other fields of the run by name."""
    data = json.dumps({"run_id": "r", "messages": messages, **run}).encode()
    return run_events(line(data), START, OBSERVED)


def of_kind(result: Converted, *kinds: str) -> list[Any]:
    """Return the events of these kinds, in order."""
    return [event for event in result.events if event.kind in kinds]


def user(content: Any = "do it") -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "user", "content": content}


def call(call_id: Any, name: str = "f", arguments: Any = None) -> dict[str, Any]:
    """Return a tool call as it stands in an assistant message."""
    function = {"name": name, "arguments": {} if arguments is None else arguments}
    return {"id": call_id, "type": "function", "function": function}


def asks(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    """Return an assistant message with these calls."""
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def tells(call_id: Any, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a tool message that answers the call with this id, or without id if it is `None`."""
    named = {} if name is None else {"name": name}
    given = {} if call_id is None else {"tool_call_id": call_id}
    return {"role": "tool", "content": "done", **given, **named, **fields}


def events_in_log(path: Path) -> list[Event]:
    """Return every event in an embedded log, by partition and offset."""
    reader = EmbeddedReader(path)
    try:
        reader.start(lambda _: {}, lambda: None)
        records = []
        while found := reader.poll(1_000, 0):
            records += found
        assert len(records) == sum(reader.end_offsets().values())
    finally:
        reader.close()
    records.sort(key=lambda record: (record.partition, record.offset))
    return [parse_event(record.value) for record in records]
