"""Sending events to a collector, and finding in the log what became of them."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from eventlogs import LogUnderTest
from locard.ingest.eventlog import OutgoingRecord
from locard.schema import Event, event_json, parse_event
from making import event, without_seal

ARRAY = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


def array(*items: bytes) -> bytes:
    """Return a JSON array of these texts."""
    return b"[" + b", ".join(items) + b"]"


def some(count: int) -> list[bytes]:
    """Return that many events of one session as JSON."""
    return [event_json(event(seq=number)) for number in range(count)]


def shared(*sent: bytes) -> list[bytes]:
    """Return what is stored of events that came with the installation's one token."""
    stamp = {"principal": "shared-token"}
    return [event_json(parse_event(value).model_copy(update=stamp)) for value in sent]


def values(log: LogUnderTest) -> list[bytes]:
    """Return what is in the log, in order of its one session; without seals."""
    found: list[bytes] = []
    with log.reader() as reader:
        reader.start(lambda _: {}, lambda: None)
        while records := reader.poll(1_000, 0):
            found += [without_seal(record.value) for record in records]
    return found


def stored(log: LogUnderTest, kind: str | None = None) -> list[Event]:
    """Return the events in the log, or those of one kind."""
    events = [parse_event(value) for value in values(log)]
    return [found for found in events if kind in (None, found.kind)]


def is_one_line(response: httpx.Response) -> bool:
    """Say whether the answer is an error as all of them are: one line, and nothing beside it."""
    answer = response.json()
    return answer.keys() == {"error"} and answer["error"] and "\n" not in answer["error"]


class BrokenWriter:
    """A log that fails in the way a test asks for."""

    topic_id = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Fail."""
        raise self.error

    def close(self) -> None:
        """Do nothing."""
