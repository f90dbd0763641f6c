"""Locard's own events, one JSON object a line.

An event stays what it is, its id and its lane included, so importing it twice adds nothing. Only
what a sender cannot know of itself is not believed: see `accepted`.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from locard.ingest.importers.conversion import Converted, Surroundings
from locard.ingest.importers.lines import Line
from locard.schema import Event, JsonValue, RejectedRecord, parse_event

CLAIMS: Final = (
    "events that say who sent them, kept as `extensions.claimed_principal`; nobody vouches for that"
)
_OURS_ALONE: Final = frozenset({"access", "custody"})  # else anybody could forge an erasure


class Jsonl:
    """Converts events. See `Converter`; each line stands alone."""

    format_name: ClassVar[str] = "jsonl"
    unit: ClassVar[str] = "lines"
    remembers: ClassVar[bool] = False

    def convert(self, line: Line, surroundings: Surroundings) -> Converted:  # noqa: ARG002
        """Return the event in this line."""
        event = parse_event(line.data)
        taken = accepted(event)
        return Converted((taken,), Counter({CLAIMS: 1} if taken is not event else {}))


def accepted(event: Event) -> Event:
    """Return what is believed of an event that came from outside.

    Raises:
        RejectedRecord: only Locard itself writes events of this kind.
    """
    if event.kind in _OURS_ALONE:
        raise RejectedRecord(
            f"an event of kind {event.kind} is written by Locard itself; import what the agent did",
            "kind_not_accepted",
        )
    if event.principal is None and not event.principal_verified:
        return event
    update = {"principal": None, "principal_verified": False, "extensions": _with_claim(event)}
    return event.model_copy(update=update)


def _with_claim(event: Event) -> dict[str, JsonValue]:
    if event.principal is None:
        return event.extensions
    name = "claimed_principal"
    while name in event.extensions:  # the event may have the very name; keep both
        name += "'"
    return {**event.extensions, name: event.principal}
