"""Clocks that disagree: by how much each has to be moved so that the record makes sense. Pure.

Two things are certain whatever a clock says. Nothing happened after Locard had it (`ingested_at`,
by the consumer's clock), and no effect came before its cause. From both follow bounds for each
source; within them a clock is moved as little as possible, and the raw time stays beside the
corrected one. The bounds are difference constraints, solved by relaxation (Bellman and Ford;
Cormen et al., Introduction to Algorithms, "Difference constraints and shortest paths").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

Event: TypeAlias = Mapping[str, Any]
Source: TypeAlias = tuple[str | None, str | None]

_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of one source's clock.

    Args:
        offset: what has to be added to its times.
        later: how much later than so corrected its events can have been at most; `None` where
            nothing bounds it.
    """

    offset: timedelta = _NONE
    later: timedelta | None = None


def source_of(event: Event) -> Source:
    """Return whose clock an event's time is by."""
    return event.get("collector_id"), event.get("incarnation")


def clocks(events: Iterable[Event]) -> dict[Source, Clock]:
    """Return what is known of each source's clock; the order of the events does not matter.

    Args:
        events: rows of the view `events`; times that an importer made up say nothing of any clock.
    """
    told = [event for event in events if event.get("time_source") != "importer"]
    latest = _latest(told)
    pairs = _pairs(told)
    offsets = {source: min(_NONE, bound) for source, bound in latest.items()}
    for _ in range(len(offsets) + 1):
        moved = False
        for (cause, effect), needed in sorted(pairs.items(), key=repr):
            lacking = needed + offsets[cause] - offsets[effect]
            if lacking > _NONE:
                forward = min(lacking, max(_NONE, latest[effect] - offsets[effect]))
                offsets[effect] += forward
                offsets[cause] -= lacking - forward
                moved = True
        if not moved:
            break
    return {
        source: Clock(offset, max(_NONE, latest[source] - offset))
        for source, offset in offsets.items()
    }


def corrected(event: Event, known: Mapping[Source, Clock]) -> datetime:
    """Return when an event happened, as far as can be told."""
    moment: datetime = event["occurred_at"]
    if event.get("time_source") == "importer":
        return moment
    try:
        return moment + known.get(source_of(event), Clock()).offset
    except OverflowError:
        return moment


def _latest(events: Sequence[Event]) -> dict[Source, timedelta]:
    """Return by how much each clock can be moved forward, until an event came after its arrival."""
    found: dict[Source, timedelta] = {}
    for event in events:
        bound = event["ingested_at"] - event["occurred_at"] if event.get("ingested_at") else None
        source = source_of(event)
        if bound is None:
            found.setdefault(source, timedelta.max / 4)
        else:
            found[source] = min(bound, found.get(source, bound))
    return found


def _pairs(events: Sequence[Event]) -> dict[tuple[Source, Source], timedelta]:
    """Return by how much causes of one source are ahead of their effects in another, at most."""
    by_id = {event["event_id"]: event for event in events}
    found: dict[tuple[Source, Source], timedelta] = {}
    for event in events:
        for cause in event.get("caused_by") or ():
            before = by_id.get(cause)
            if before is None or source_of(before) == source_of(event):
                continue
            pair = source_of(before), source_of(event)
            ahead = before["occurred_at"] - event["occurred_at"]
            found[pair] = max(ahead, found.get(pair, ahead))
    return found
