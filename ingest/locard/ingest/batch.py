"""Batching: collect outcomes until publishing them is worth a commit. Pure; time is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from locard.ingest.eventlog import RawRecord
from locard.ingest.segments import Position, Row, Segment
from locard.redaction import RedactedEvent


@dataclass(frozen=True)
class BatchLimits:
    """When a batch is published: at whichever comes first.

    Args:
        rows: records, quarantined ones included.
        bytes: of their values in the log.
        age: seconds since the batch's first record.
    """

    rows: int = 20_000
    bytes: int = 64 * 1024 * 1024
    age: float = 1.0


DEFAULT_LIMITS: Final = BatchLimits()


class Batch:
    """What will be published next: one segment for each partition.

    Args:
        limits: when it is due.
        starts: the offset at which each partition continues in the lake; a segment begins there,
            also when the log has used up offsets without records.

    Attributes:
        size: records, quarantined ones included.
        oldest: when the first of them was appended to the log.
    """

    def __init__(self, limits: BatchLimits, starts: Mapping[int, int]) -> None:
        self._limits = limits
        self._starts = dict(starts)
        self._segments: dict[int, Segment] = {}
        self._bytes = 0
        self._since: float | None = None
        self.size = 0
        self.oldest: datetime | None = None

    @property
    def segments(self) -> list[Segment]:
        """The segments, by partition."""
        return [self._segments[partition] for partition in sorted(self._segments)]

    def add(self, record: RawRecord, redacted: RedactedEvent, now: float) -> None:
        """Append the record's event to its segment."""
        position = Position.of(record)
        self._segment(record, now).rows.append(Row(position, redacted))

    def add_quarantined(
        self, record: RawRecord, error_class: str, core: RedactedEvent | None, now: float
    ) -> None:
        """Note that the record is in quarantine.

        Args:
            core: its event without content, for a row; `None` where it could not be decoded.
        """
        segment = self._segment(record, now)
        segment.quarantined[record.offset] = error_class
        if core is not None:
            segment.rows.append(Row(Position.of(record), core))

    def is_due(self, now: float) -> bool:
        """Say whether a limit is reached at `now` (seconds on the clock that `add` was given)."""
        if self._since is None:
            return False
        return self.is_full or now - self._since >= self._limits.age

    @property
    def is_full(self) -> bool:
        """Whether it is due for its size, whatever its age."""
        return self.size >= self._limits.rows or self._bytes >= self._limits.bytes

    def _segment(self, record: RawRecord, now: float) -> Segment:
        self._since = now if self._since is None else self._since
        self.size += 1
        self._bytes += len(record.value)
        if self.oldest is None or record.appended_at < self.oldest:
            self.oldest = record.appended_at
        segment = self._segments.get(record.partition)
        if segment is None:
            start = self._starts.get(record.partition, 0)
            segment = Segment(record.topic_id, record.partition, start, start)
            self._segments[record.partition] = segment
        segment.advance(Position.of(record))
        return segment
