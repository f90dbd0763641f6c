"""Segments: what one publish adds for one partition. Pure: decides, touches nothing.

A segment covers a range of offsets without a hole: each record in it is a row of the lake, is in
quarantine, or never existed (a broker's own markers use up offsets). What is in quarantine has a
row as well where it could be decoded: the event's core, without its content. The manifest says so,
holds the root of the tree over the rows (`docs/format.md`, section 4), and stands in the commit
that adds them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from locard.evidence.merkle import leaf_hash, root_of
from locard.evidence.rows import RowEvidence, leaf_entry, row_evidence
from locard.ingest.eventlog import RawRecord
from locard.redaction import RedactedEvent
from locard.schema import Fenced, JsonValue, canonical_bytes, event_object, rfc3339
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS, event_table

MANIFEST_FORMAT: Final = "locard-segment/2"
_MOST_BYTES_OF_MANIFEST: Final = 60_000  # an entry of the log has 65,535, and the sealer adds some
_ADDED: Final = ("principal", "principal_verified")
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


@dataclass(frozen=True)
class Row:
    """A redacted event and the position of its record."""

    position: Position
    redacted: RedactedEvent = field(repr=False)

    @cached_property
    def evidence(self) -> RowEvidence:
        """What proves it: made beside redaction, or here where nothing was to be redacted."""
        attested = self.redacted.attested
        if isinstance(attested, RowEvidence):
            return attested
        event = event_object(self.redacted.event)
        return row_evidence(event, event)

    @cached_property
    def redaction(self) -> str:
        """The record of redaction, as JSON."""
        dumped = self.redacted.redaction.model_dump(mode="json", exclude_defaults=True)
        return canonical_bytes(dumped).decode()

    def leaf(self) -> bytes:
        """Return its leaf hash in the tree of its segment."""
        position, event = self.position, self.redacted.event
        place = position.topic_id, position.partition, position.offset
        core = {name: getattr(event, name) for name in (*_ADDED, *self.evidence.stamped)}
        if event.ingested_at:
            core["ingested_at"] = rfc3339(event.ingested_at)
        return leaf_hash(leaf_entry(self.evidence, core, place, self.redaction))


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

    def halves(self) -> tuple[Segment, Segment]:
        """Return two segments, one after the other, that cover what this one does."""
        middle = (self.first_offset + self.next_offset) // 2
        first = replace(self, next_offset=middle, rows=[], quarantined={})
        second = replace(self, first_offset=middle, rows=[], quarantined={})
        for row in self.rows:
            (first if row.position.offset < middle else second).rows.append(row)
        for offset, error_class in self.quarantined.items():
            (first if offset < middle else second).quarantined[offset] = error_class
        return first, second

    def _without_row(self) -> list[list[int]]:
        """Return the ranges of offsets that have no row, each as its first and the next offset."""
        offsets = [row.position.offset for row in self.rows]
        begins = [self.first_offset, *(offset + 1 for offset in offsets)]
        ends = [*offsets, self.next_offset]
        return [[begin, end] for begin, end in zip(begins, ends, strict=True) if begin < end]

    def _streams(self) -> list[dict[str, JsonValue]]:
        """Return which numbers of which incarnations of which collectors are among the rows."""
        numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in self.rows:
            event = row.redacted.event
            if event.seq is not None:
                numbers[event.collector_id or "", event.incarnation or ""].append(event.seq)
        return [
            {
                "collector_id": collector_id,
                "incarnation": incarnation,
                "first_seq": min(seqs),
                "last_seq": max(seqs),
                "count": len(seqs),
            }
            for (collector_id, incarnation), seqs in sorted(numbers.items())
        ]

    def manifest(self) -> dict[str, Any]:
        """Return what the commit says of this segment; counts, offsets and digests, no content."""
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
            "without_row": self._without_row(),
            "root": root_of([row.leaf() for row in self.rows]).hex(),
            "streams": self._streams(),
            "policies": sorted({row.redacted.redaction.policy_digest or "" for row in self.rows}),
        }
        if times := moments([self]):
            manifest["occurred_at"] = [rfc3339(moment) for moment in times]
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
        pa.array([row.redaction for row in rows], pa.string()),
        pa.array([row.evidence.stored for row in rows], pa.string()),
    ]
    return pa.Table.from_arrays([*events.columns, *stored], schema=LAKE_COLUMNS)


def manifests_json(segments: Iterable[Segment]) -> str:
    """Return the manifests as they stand in the commit's metadata.

    A segment whose manifest is too large for an entry of the transparency log (many quarantined
    records or many collectors among few others) counts as several, one after the other.
    """
    return canonical_bytes([told for segment in segments for told in _manifests(segment)]).decode()


def _manifests(segment: Segment) -> Iterator[dict[str, Any]]:
    manifest = segment.manifest()
    if len(canonical_bytes(manifest)) <= _MOST_BYTES_OF_MANIFEST:
        yield manifest
        return
    for part in segment.halves():
        yield from _manifests(part)


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


def next_offsets(segments: Iterable[Segment]) -> dict[int, int]:
    """Return for each partition the offset that comes after its segment."""
    return {segment.partition: segment.next_offset for segment in segments}


def moments(segments: Iterable[Segment]) -> tuple[datetime, datetime] | None:
    """Return the earliest and latest `occurred_at` of all rows, or `None` without rows."""
    times = [row.redacted.event.occurred_at for segment in segments for row in segment.rows]
    return (min(times), max(times)) if times else None
