"""The first step: bytes become an event, or are refused with a reason that quotes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from locard.ingest.eventlog import RawRecord
from locard.schema import Event, RejectedRecord, parse_event


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record, and the event in it."""

    record: RawRecord
    event: Event = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that holds no acceptable event.

    Args:
        error_class: a short name for counting.
        reason: what is wrong, without any text of the record.
    """

    record: RawRecord
    error_class: str
    reason: str


def decode(records: Iterable[RawRecord], now: datetime) -> Iterator[Decoded | Refused]:
    """Yield what each record holds, in order; `now` becomes the events' `ingested_at`."""
    for record in records:
        try:
            event = parse_event(record.value)
        except RejectedRecord as error:
            yield Refused(record, error.error_class, str(error))
        else:
            yield Decoded(record, event.model_copy(update={"ingested_at": now}))
