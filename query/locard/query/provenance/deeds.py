"""What a session did: its tool calls, and what kind of deed each is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from locard.query.provenance.appearances import Value, values_of
from locard.query.provenance.passages import Event, parsed
from locard.query.provenance.vocabulary import stem, things, verbs, vocabulary, words_of

_EFFECTS: Final[Mapping[str, frozenset[str]]] = {
    "send": frozenset({"send", "post", "pay"}),
    "write": frozenset({"change", "post"}),
    "delete": frozenset({"delete"}),
    "execute": frozenset({"execute"}),
}
_REFUSED: Final = frozenset({"denied", "error", "timeout"})


@dataclass(frozen=True)
class Deed:
    """One tool call, its sightings put together.

    Args:
        event_ids: of all its sightings, in order.
        position: where the first of them stands in its session.
        kinds: what it may be called, such as `pay` or `visit`.
        only_looks: it changes nothing by itself.
        outcome: of its result; `None` where there is none.
    """

    event_ids: tuple[str, ...]
    position: int
    tool: str
    call_id: str | None
    kinds: frozenset[str]
    only_looks: bool
    outcome: str | None
    values: tuple[Value, ...] = field(repr=False)

    @property
    def event_id(self) -> str:
        """The first sighting."""
        return self.event_ids[0]

    @property
    def was_refused(self) -> bool:
        """Whether it was tried and did not come about."""
        return self.outcome in _REFUSED


def deeds_of(events: Sequence[Event]) -> list[Deed]:
    """Return the deeds of a session, whose events are in order; sources use an id twice."""
    outcomes = list(_outcomes(events))
    found: list[Deed] = []
    open_at: dict[tuple[str, str | None], int] = {}
    for position, event in enumerate(events):
        if event["kind"] != "tool_call":
            continue
        seen = (event.get("call_id") or "", event.get("arguments"))
        sighting = event.get("sighting")
        if seen[0] and seen in open_at:
            earlier = found[open_at[seen]]
            if all(events_sighting != sighting for events_sighting in _sightings(events, earlier)):
                found[open_at[seen]] = replace(
                    earlier, event_ids=(*earlier.event_ids, event["event_id"])
                )
                continue
        open_at[seen] = len(found)
        found.append(_deed(event, position, outcomes))
    return found


def kinds_of(tool: str, effect: str | None = None) -> frozenset[str]:
    """Return what a call of a tool may be called, by its name and its recorded effect."""
    words = words_of(tool)
    told = {kind for word in words for form in stem(word) for kind in things().get(form, ())}
    if "pay" in told:  # who sends money pays, and sends no message
        return frozenset({"pay"})
    for word in words:
        for form in stem(word):
            told |= verbs().get(form, frozenset())
    return frozenset(told) | _EFFECTS.get(effect or "", frozenset())


def _deed(event: Event, position: int, outcomes: Sequence[tuple[int, str | None, str]]) -> Deed:
    tool, effect = event.get("tool_name") or "", event.get("effect")
    words = words_of(tool)
    looks = effect == "read" or (
        effect is None and bool(words) and words[0] in vocabulary()["looks"]["words"]
    )
    call_id = event.get("call_id")
    outcome = next((o for n, of, o in outcomes if n > position and of == call_id), None)
    return Deed(
        event_ids=(event["event_id"],),
        position=position,
        tool=tool,
        call_id=call_id,
        kinds=kinds_of(tool, effect),
        only_looks=looks,
        outcome=outcome,
        values=tuple(values_of(parsed(event.get("arguments")))),
    )


def _outcomes(events: Iterable[Event]) -> Iterator[tuple[int, str | None, str]]:
    for position, event in enumerate(events):
        if event["kind"] == "tool_result":
            yield position, event.get("call_id"), event.get("outcome") or "unknown"


def _sightings(events: Sequence[Event], deed: Deed) -> Iterator[Any]:
    mine = set(deed.event_ids)
    return (event.get("sighting") for event in events if event["event_id"] in mine)
