"""The event log: where accepted events wait, durably and in order, until they are in the lake.

One protocol, two implementations: Kafka (`kafka.py`) and one SQLite file (`embedded.py`). A log
has partitions; within one, offsets only grow. Events of one session share a key and so a
partition, and stay in order.

The log says what there is, never what was done: a reader starts where the lake says it stopped.
Committed positions are a signal of lag for people and tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from locard.evidence import sealed_json
from locard.schema import Event, EvidenceGap, RejectedRecord

LARGEST_RECORD: Final = 16 * 1024 * 1024
"""The most bytes that one record's value may have, on every log."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """What goes into the log. Records with the same key stay in order."""

    key: bytes = field(repr=False)
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """Bytes and their position. Nobody has looked at them yet: they are raw and may be anything."""

    topic_id: str
    partition: int
    offset: int
    appended_at: datetime
    value: bytes = field(repr=False)

    @property
    def place(self) -> str:
        """Where the record stands, as text: topic id, partition and offset."""
        return f"{self.topic_id}/{self.partition}/{self.offset}"


class RecordsMissing(EvidenceGap):
    """Records `first_offset` to `next_offset - 1` of a partition have left the log unread."""

    def __init__(self, partition: int, first_offset: int, next_offset: int) -> None:
        super().__init__(
            f"records {first_offset} to {next_offset - 1} of partition {partition} left the event "
            "log before they were read; the gap is recorded. Keep the log's retention longer than "
            "the consumer is ever away"
        )
        self.partition = partition
        self.first_offset = first_offset
        self.next_offset = next_offset


class EventLogWriter(Protocol):
    """Appends records."""

    @property
    def topic_id(self) -> str:
        """What this log is called for ever: a log that is made again has another id."""
        ...

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Return when all records are durable in the log.

        Raises:
            RejectedRecord: one of them is larger than `LARGEST_RECORD`; none was appended.
            RetryableError: the log cannot be reached; some may have been appended, and appending
                all of them again is right, since events are told apart by their id.
            CannotContinue: the log refuses for good.
        """
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...


class EventLogReader(Protocol):
    """Reads the partitions that are assigned to this process."""

    @property
    def topic_id(self) -> str:
        """What this log is called for ever: a log that is made again has another id."""
        ...

    def start(
        self,
        positions: Callable[[Sequence[int]], Mapping[int, int]],
        on_revoked: Callable[[], None],
    ) -> None:
        """Begin to read.

        Args:
            positions: asked, when partitions are assigned, for the next offset of each of them;
                a partition that it does not name starts at offset 0.
            on_revoked: called before partitions are taken away; everything that was read and is
                not published yet has to be forgotten.
        """
        ...

    def poll(self, most_records: int, timeout: float) -> list[RawRecord]:
        """Return up to `most_records`, waiting at most `timeout` seconds for the first.

        With `most_records` 0 it returns none and only tells the log that this reader is alive.

        Raises:
            RecordsMissing: the next offset is no longer in the log; `seek` goes on behind the gap.
            EvidenceGap: the log ends before the next offset: it was cut or restored.
            RetryableError: the log cannot be reached.
        """
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Go on at this offset of an assigned partition."""
        ...

    def assignment_held(self) -> AbstractContextManager[bool]:
        """Hold on to the partitions while publishing; false where one was taken away already."""
        ...

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the log which offset comes next in each partition. Only a signal; may be lost."""
        ...

    def end_offsets(self) -> Mapping[int, int]:
        """Return for each assigned partition the offset that the next record will get."""
        ...

    def close(self) -> None:
        """Leave the log."""
        ...


def outgoing(event: Event, value: bytes, added: Mapping[str, str] | None = None) -> OutgoingRecord:
    """Return the record of an event whose JSON is `value`; the session decides the partition.

    Here an event is sealed that was not before: whoever makes its record is the first to hold it.

    Args:
        added: fields of the core that stand in the JSON and not in `event`.
    """
    if event.seal is None:
        value = sealed_json(event, value, added or {})
    source = event.session_id or event.collector_id or str(event.event_id)
    return OutgoingRecord(source.encode(), value)


def record_key(session_id: str | None, collector_id: str | None, event_id: str) -> bytes:
    """Return the key of an event's record: what has the same one stays in order."""
    return (session_id or collector_id or event_id).encode()


def check_sizes(records: Sequence[OutgoingRecord]) -> None:
    """Return if every record may go into a log.

    Raises:
        RejectedRecord: one is larger than `LARGEST_RECORD`.
    """
    for record in records:
        if len(record.value) > LARGEST_RECORD:
            raise RejectedRecord(
                f"an event of {len(record.value):,} bytes is over the limit of "
                f"{LARGEST_RECORD:,}; split what it holds",
                "event_too_large",
            )
