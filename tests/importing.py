"""Short ways to write runs in the form that `openai-messages` imports, and to convert them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locard.ingest.eventlog import EventLogWriter, OutgoingRecord
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.importers.conversion import Converted, Surroundings
from locard.ingest.importers.files import CONVERTERS, ImportReport, Ledger, import_file
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_messages import run_events
from locard.schema import Event, RetryableError, parse_event
from making import without_seal

START = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)
OBSERVED = datetime(2026, 5, 5, tzinfo=UTC)


def line(data: bytes, number: int = 1) -> Line:
    """Return a line with these bytes."""
    return Line(number, data, hashlib.sha256(data).hexdigest())


def converted(messages: Sequence[Any], **run: Any) -> Converted:
    """Convert a run with these messages; other fields of the run by name."""
    data = json.dumps({"run_id": "r", "messages": messages, **run}).encode()
    return run_events(line(data), Surroundings(START, OBSERVED))


def send(
    home: Path,
    path: Path,
    format_name: str = "openai-messages",
    *,
    on_progress: Callable[[ImportReport], None] = lambda _: None,
    interrupt: Callable[[EventLogWriter], EventLogWriter] | None = None,
) -> ImportReport:
    """Import a file into the log of this home; `interrupt` may put something around the log."""
    with (
        closing(EmbeddedWriter(home / "log.sqlite")) as writer,
        closing(Ledger(home / "imports.sqlite", writer.topic_id)) as ledger,
    ):
        log = interrupt(writer) if interrupt else writer
        converter = CONVERTERS[format_name]()
        return import_file(
            path, converter, log, ledger, observed_at=OBSERVED, on_progress=on_progress
        )


class Interrupted:
    """A log that fails once, before or after the append that has this number."""

    def __init__(self, writer: EventLogWriter, number: int, *, is_appended: bool) -> None:
        self._writer = writer
        self._number = number
        self._is_appended = is_appended
        self.appends = 0

    @property
    def topic_id(self) -> str:
        """Return the log's."""
        return self._writer.topic_id

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Append, but for the one time."""
        number = self.appends
        self.appends += 1
        if number == self._number and not self._is_appended:
            raise RetryableError("the log is away")
        self._writer.append(records)
        if number == self._number:
            raise RetryableError("the log is away; the records may have arrived")

    def close(self) -> None:
        """Close the log."""
        self._writer.close()


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
    return [parse_event(without_seal(record.value)) for record in records]
