"""Locard's own events, one JSON object a line.

An event stays what it is, its id and its lane included, so importing it twice adds nothing. Only
what a sender cannot know of itself is not believed: see `accepted`.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from locard.ingest.importers.conversion import Converted, Surroundings
from locard.ingest.importers.lines import Line
from locard.ingest.stamping import CLAIMED_PRINCIPAL, refuse_kinds_of_ours, with_claim
from locard.schema import Event, parse_event

CLAIMS: Final = (
    "events that say who sent them, kept as `extensions.claimed_principal`; nobody vouches for that"
)


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
    refuse_kinds_of_ours(event, "import what the agent did")
    if event.principal is None and not event.principal_verified:
        return event
    extensions = event.extensions
    if event.principal is not None:
        extensions = with_claim(extensions, CLAIMED_PRINCIPAL, event.principal)
    update = {"principal": None, "principal_verified": False, "extensions": extensions}
    return event.model_copy(update=update)
