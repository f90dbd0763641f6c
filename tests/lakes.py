"""Small lakes for tests of questions, written as the consumer writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from locard.ingest.lake import LakeWriter
from locard.ingest.segments import Position, Row, Segment
from locard.schema import Event
from making import redacted

NOW = datetime(2026, 5, 4, 9, 40, tzinfo=UTC)


def publish(lake: Path, *events: Event) -> Path:
    """Add the events to the lake in one file, in this order of the log, and return its path."""
    writer = LakeWriter(lake)
    first = writer.next_offsets("topic", [0]).get(0, 0)
    segment = Segment("topic", 0, first, first)
    for offset, plain in enumerate(events, first):
        position = Position("topic", 0, offset)
        segment.rows.append(Row(position, redacted(plain)))
        segment.advance(position)
    writer.publish([segment], NOW)
    return lake
