"""The order of a timeline: causes before effects, otherwise time, and always the same. Pure.

Clocks tie, and those of two machines disagree. An event names the events that caused it, and is
never shown before them; whatever its clock says, it comes right when the last of them is told.
Sources can name causes in a circle, by mistake or to confuse: within a circle time decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Event: TypeAlias = Mapping[str, Any]
_Neighbours: TypeAlias = Sequence[Sequence[int]]


def in_causal_order(events: Iterable[Event]) -> list[Event]:
    """Return the events in the order in which they are told; the order given does not matter.

    Args:
        events: rows of the view `events`, of which the columns in `_key` and `caused_by` count.
            Causes that are not among them are passed over.
    """
    by_time = sorted(events, key=_key)
    number = {event["event_id"]: n for n, event in enumerate(by_time)}
    causes = [
        {number[cause] for cause in event.get("caused_by") or () if cause in number} - {n}
        for n, event in enumerate(by_time)
    ]
    if all(cause < n for n, found in enumerate(causes) for cause in found):
        return by_time
    ordered = [sorted(found) for found in causes]
    return [by_time[n] for n in _causes_first(ordered, _circles(ordered))]


def _key(event: Event) -> tuple[Any, ...]:
    """Time, corrected where it is known; then the source's count, its place in the log, its id."""
    present = (
        (value is None, 0 if value is None else value)
        for value in (
            event.get("collector_id"),
            event.get("incarnation"),
            event.get("seq"),
            event.get("log_topic_id"),
            event.get("log_partition"),
            event.get("log_offset"),
        )
    )
    return event.get("corrected_at", event["occurred_at"]), *present, event["event_id"]


def _causes_first(causes: _Neighbours, circle: Sequence[int]) -> list[int]:
    """Return the numbers so that each comes after its causes, and otherwise the smallest first.

    Args:
        causes: for each number those that have to come before it.
        circle: for each number its circle; what is in the same one need not.
    """
    effects: list[list[int]] = [[] for _ in causes]
    waiting = [0] * len(causes)
    for n, found in enumerate(causes):
        for cause in found:
            if circle[cause] != circle[n]:
                effects[cause].append(n)
                waiting[n] += 1
    ready = [n for n, count in enumerate(waiting) if count == 0]
    told: list[int] = []
    while ready:
        n = heapq.heappop(ready)
        told.append(n)
        for effect in effects[n]:
            waiting[effect] -= 1
            if waiting[effect] == 0:
                heapq.heappush(ready, effect)
    return told


def _circles(causes: _Neighbours) -> list[int]:
    """Return for each number the circle that it is in: those that cause each other have one.

    Kosaraju's algorithm without recursion, since a session may have any number of events.
    """
    effects: list[list[int]] = [[] for _ in causes]
    for n, found in enumerate(causes):
        for cause in found:
            effects[cause].append(n)
    circle = [-1] * len(causes)
    for start in reversed(_finished(causes)):
        if circle[start] == -1:
            circle[start] = start
            found_now = [start]
            while found_now:
                for effect in effects[found_now.pop()]:
                    if circle[effect] == -1:
                        circle[effect] = start
                        found_now.append(effect)
    return circle


def _finished(neighbours: _Neighbours) -> list[int]:
    """Return the numbers in the order in which a search in depth leaves them."""
    seen = [False] * len(neighbours)
    left: list[int] = []
    for start in range(len(neighbours)):
        if seen[start]:
            continue
        seen[start] = True
        path = [(start, iter(neighbours[start]))]
        while path:
            n, rest = path[-1]
            unseen = next((neighbour for neighbour in rest if not seen[neighbour]), None)
            if unseen is None:
                left.append(n)
                path.pop()
            else:
                seen[unseen] = True
                path.append((unseen, iter(neighbours[unseen])))
    return left
