"""Segments: what one publish adds for one partition. Pure: decides, touches nothing.

A segment covers a range of offsets without a hole: each record in it is a row of the lake, is in
quarantine, or never existed (a broker's own markers use up offsets). What is in quarantine has a
row as well where it could be decoded: the event's core, without its content. The manifest says so
and stands in the commit that adds the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from locard.ingest.eventlog import RawRecord
from locard.redaction import RedactedEvent
from locard.schema import Fenced, canonical_bytes
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS, event_table

MANIFEST_FORMAT: Final = "locard-segment/1"
LAKE_COLUMNS: Final = pa.schema([*EVENT_COLUMNS, *STORED_COLUMNS])


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stood in the log."""

    topic_id: str
    partition: int
    offset: int

    @classmethod
    def of(cls, record: RawRecord) -> Position:
        """Return where this record stood."""
        return cls(record.topic_id, record.partition, record.offset)


@dataclass(frozen=True, slots=True)
class Row:
    """A redacted event and the position of its record."""

    position: Position
    redacted: RedactedEvent = field(repr=False)


@dataclass(slots=True)
class Segment:
    """The rows and quarantined offsets of one partition, in the order of the log.

    Args:
        rows: what the file holds, cores of quarantined events included.
        quarantined: why, by offset; whether or not there is a row.
        expired: the first and the next offset of a gap: records that left the log unread.
    """

    topic_id: str
    partition: int
    first_offset: int
    next_offset: int
    rows: list[Row] = field(default_factory=list, repr=False)
    quarantined: dict[int, str] = field(default_factory=dict)
    expired: tuple[int, int] | None = None

    @property
    def application_id(self) -> str:
        """The name under which Delta keeps this partition's next offset."""
        return application_id(self.topic_id, self.partition)

    @property
    def published(self) -> int:
        """The number of rows whose content is there: all but those of quarantined events."""
        return sum(row.position.offset not in self.quarantined for row in self.rows)

    def advance(self, position: Position) -> None:
        """Move the end past a record, which must lie beyond it."""
        if position.offset < self.next_offset:
            raise AssertionError(f"offset {position.offset} of {self.application_id} came twice")
        self.next_offset = position.offset + 1

    def manifest(self) -> dict[str, Any]:
        """Return what the commit says of this segment; counts and offsets, no content."""
        manifest: dict[str, Any] = {
            "format": MANIFEST_FORMAT,
            "topic_id": self.topic_id,
            "partition": self.partition,
            "first_offset": self.first_offset,
            "next_offset": self.next_offset,
            "rows": len(self.rows),
            "quarantined": [
                {"offset": offset, "error_class": error_class}
                for offset, error_class in sorted(self.quarantined.items())
            ],
        }
        if self.expired:
            first, following = self.expired
            manifest["expired"] = {"first_offset": first, "next_offset": following}
        return manifest


def application_id(topic_id: str, partition: int) -> str:
    """Return `<topic-id>/<partition>`, the key of Delta's application transaction."""
    return f"{topic_id}/{partition}"


def segments_table(segments: Sequence[Segment]) -> pa.Table:
    """Return the rows of all segments as a table with `LAKE_COLUMNS`."""
    rows = [row for segment in segments for row in segment.rows]
    events = event_table([row.redacted.event for row in rows])
    stored = [
        pa.array([row.position.topic_id for row in rows], pa.string()),
        pa.array([row.position.partition for row in rows], pa.int32()),
        pa.array([row.position.offset for row in rows], pa.int64()),
        pa.array([_redaction_json(row.redacted) for row in rows], pa.string()),
    ]
    return pa.Table.from_arrays([*events.columns, *stored], schema=LAKE_COLUMNS)


def manifests_json(segments: Iterable[Segment]) -> str:
    """Return the manifests as they stand in the commit's metadata."""
    return canonical_bytes([segment.manifest() for segment in segments]).decode()


def check_owned(segment: Segment, published: int | None) -> None:
    """Return if the lake stands where this segment begins.

    Args:
        segment: what is about to be published.
        published: the partition's next offset as the lake has it, `None` if it has none.

    Raises:
        Fenced: somebody else has published from this partition since it was read.
    """
    if published is not None and published != segment.first_offset:
        raise Fenced(
            f"partition {segment.partition} stands at offset {published} in the lake, and this "
            f"consumer began at {segment.first_offset}: another one has published it since; this "
            "one stops, and its work is not lost"
        )


def _redaction_json(redacted: RedactedEvent) -> str:
    dumped = redacted.redaction.model_dump(mode="json", exclude_defaults=True)
    return canonical_bytes(dumped).decode()


def next_offsets(segments: Iterable[Segment]) -> dict[int, int]:
    """Return for each partition the offset that comes after its segment."""
    return {segment.partition: segment.next_offset for segment in segments}


def moments(segments: Iterable[Segment]) -> tuple[datetime, datetime] | None:
    """Return the earliest and latest `occurred_at` of all rows, or `None` without rows."""
    times = [row.redacted.event.occurred_at for segment in segments for row in segment.rows]
    return (min(times), max(times)) if times else None
