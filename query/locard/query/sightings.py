"""One tool call, seen in up to four places, as one row. Pure.

A call is requested by the model, executed by the agent, and seen at the client and at the server of
a protocol; some sources tell the same thing as a span and as a log record. The row is that of the
sighting nearest to the deed, in the place of the earliest, and says who saw it where. Sources use
an id twice: the nth sighting in each place is the nth call (as in the view `tool_calls`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Event: TypeAlias = Mapping[str, Any]
Sighting: TypeAlias = dict[str, Any]

_NEAREST: Final = {"executed": 0, "server": 1, "client": 2, "requested": 3}
_TOLD: Final = (
    "event_id",
    "sighting",
    "lane",
    "collector_id",
    "principal",
    "occurred_at",
    "arguments",
)


def merged(events: Sequence[Event]) -> list[tuple[Event, list[Sighting]]]:
    """Return the events in their order, the sightings of one call as one of them.

    Returns:
        Each event with the sightings that it stands for, the nearest to the deed first; none for
        what is no tool call. Where the places disagree about the arguments, `differs` says so.
    """
    seen: Counter[tuple[Any, ...]] = Counter()
    groups: dict[tuple[Any, ...], list[Event]] = {}
    order: list[tuple[Any, ...]] = []
    for event in events:
        key = _key(event)
        if key is not None:
            place = (*key, event.get("sighting"), event.get("lane"))
            seen[place] += 1
            key = (*key, seen[place])
        else:
            key = ("event", event["event_id"], id(event))
        if key not in groups:
            order.append(key)
        groups.setdefault(key, []).append(event)
    return [_row(groups[key]) for key in order]


def _key(event: Event) -> tuple[Any, ...] | None:
    if event["kind"] != "tool_call" or not event.get("call_id"):
        return None
    whose = event.get("session_id") or event.get("trace_id") or event.get("collector_id")
    return "call", whose, event["call_id"]


def _row(group: Sequence[Event]) -> tuple[Event, list[Sighting]]:
    if group[0]["kind"] != "tool_call":
        return group[0], []
    nearest = sorted(group, key=lambda e: (_NEAREST.get(e.get("sighting") or "", 4), e["event_id"]))
    said = {event.get("arguments") for event in group if event.get("arguments") is not None}
    sightings = [
        {name: event[name] for name in _TOLD if event.get(name) is not None} for event in nearest
    ]
    if len(said) > 1:
        for sighting in sightings:
            sighting["differs"] = True
    else:  # it stands in the row already
        for sighting in sightings:
            sighting.pop("arguments", None)
    return nearest[0], sightings
