"""What the record says of one session: whether content from outside took control. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from locard.query.order import in_causal_order
from locard.query.provenance.deeds import Deed, deeds_of
from locard.query.provenance.directives import directives
from locard.query.provenance.origins import TAKEN_OVER, Origin, Traced, origins, trace
from locard.query.provenance.passages import Event, Passage, passages_of
from locard.query.provenance.request import request

Verdict: TypeAlias = Literal["taken_over", "tried", "nothing_found"]
_TELLING_SIGNS = frozenset({"speaks_to_an_agent", "overrides", "speaks_of_the_task", "hides"})


@dataclass(frozen=True)
class Judged:
    """An action, where its values are from, and which texts may have made it happen."""

    deed: Deed
    was_asked_for: bool
    traced: tuple[Traced, ...] = field(repr=False)
    origins: tuple[Origin, ...] = field(repr=False)

    @property
    def obeys(self) -> Origin | None:
        """The text that it obeys rather than the person; `None` where the record shows none."""
        first = next(iter(self.origins), None)
        return first if first is not None and first.points >= TAKEN_OVER else None


@dataclass(frozen=True)
class Assessment:
    """What the record says of one session.

    Args:
        verdict: `taken_over`: an action obeyed content from outside; `tried`: content gave the
            agent orders, or an action that obeyed did not come about; `nothing_found`.
        points: of the strongest origin, by which sessions are ranked.
        obeying: the actions that obeyed, in order.
        attempts: texts from outside that give the agent orders.
    """

    session_id: str
    verdict: Verdict
    points: float
    obeying: tuple[Judged, ...]
    attempts: tuple[Passage, ...] = field(repr=False)

    @property
    def origin(self) -> Origin | None:
        """The first-ranked origin of all obeying actions."""
        found = [judged.obeys for judged in self.obeying if judged.obeys is not None]
        return max(found, key=lambda o: (o.points, -o.passage.position), default=None)


class Session:
    """The events of one session in causal order, with what was said and done."""

    def __init__(self, session_id: str, events: Iterable[Mapping[str, Any]]) -> None:
        self.session_id = session_id
        self.events: Sequence[Event] = in_causal_order(events)

    @cached_property
    def passages(self) -> list[Passage]:
        """Everything that was said, in order."""
        told: list[Passage] = []
        for position, event in enumerate(self.events):
            told += passages_of(event, position)
        return told

    @cached_property
    def deeds(self) -> list[Deed]:
        """Every action, in order."""
        return deeds_of(self.events)

    def judged(self, deed: Deed) -> Judged:
        """Return one action with where it comes from."""
        before = [passage for passage in self.passages if passage.position < deed.position]
        asked = request(before)
        traced = trace(deed, before)
        found = origins(deed, traced, before, asked)
        return Judged(deed, asked.asks_for(deed.kinds), tuple(traced), tuple(found))

    def may_matter(self, deed: Deed) -> bool:
        """Return whether an action can do anything: changes something, or reaches outside."""
        return not deed.only_looks or any(value.is_address for value in deed.values)

    def assess(self) -> Assessment:
        """Return what the record says of the whole session."""
        judged = [self.judged(deed) for deed in self.deeds if self.may_matter(deed)]
        obeying = tuple(one for one in judged if one.obeys is not None)
        attempts = tuple(p for p in self.passages if p.voice == "outside" and gives_orders(p))
        done = [one for one in obeying if not one.deed.was_refused]
        verdict: Verdict = "nothing_found"
        if done:
            verdict = "taken_over"
        elif obeying or attempts:
            verdict = "tried"
        points = max((one.obeys.points for one in obeying if one.obeys), default=0.0)
        return Assessment(self.session_id, verdict, points, obeying, attempts)


def gives_orders(passage: Passage) -> bool:
    """Return whether a text gives orders to an agent, by signs that honest texts do not have."""
    return any(order.signs & _TELLING_SIGNS for order in directives(passage.text))
