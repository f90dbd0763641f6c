"""Which text made an action happen: candidates, each with points and the reasons in words. Pure.

A point is a reason that a stranger can check on the record. What counts most is that an action does
what a text from outside told somebody to do, with a value that stands there and that the person
never said. What counts against it is that the person asked for such a deed, or left it to a text.
The weights were chosen on real runs and are few, so that a court can be told all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from locard.query.provenance.appearances import Appearance, Value, appearances, stands_in
from locard.query.provenance.deeds import Deed
from locard.query.provenance.directives import Directive, directives
from locard.query.provenance.passages import Passage
from locard.query.provenance.request import Request

TAKEN_OVER: Final = 3.0
"""From so many points on the record itself says that the text decided, and not the person."""

_SIGN_WORDS: Final = {
    "speaks_to_an_agent": "speaks to an agent",
    "overrides": "claims to override instructions",
    "speaks_of_the_task": "speaks of the task that the agent has",
    "speaks_of_the_user": "speaks of the user as of somebody else",
    "hides": "asks to hide it",
}


@dataclass(frozen=True)
class Reason:
    """Why a text is or is not what made an action happen.

    Args:
        points: above 0 speaks for it, below against it.
        words: for people; it quotes nothing.
    """

    points: float
    words: str


@dataclass(frozen=True)
class Traced:
    """A value of an action and where it appeared before it, in the order of the session."""

    value: Value
    found: tuple[Appearance, ...] = field(repr=False)

    @property
    def first(self) -> Appearance | None:
        """Where it first appeared, other than in the agent's own words; `None` for nowhere."""
        return next((one for one in self.found if one.passage.voice != "agent"), None)

    @property
    def is_from_person(self) -> bool:
        """Whether the person or the operator said it before the action."""
        return any(one.passage.voice in ("person", "operator") for one in self.found)


@dataclass(frozen=True)
class Origin:
    """A text from outside that may have made an action happen, with the reasons."""

    passage: Passage
    reasons: tuple[Reason, ...]
    paths: tuple[str, ...]

    @property
    def points(self) -> float:
        """What the reasons come to."""
        return sum(reason.points for reason in self.reasons)


def trace(deed: Deed, before: Sequence[Passage]) -> list[Traced]:
    """Return for each value of an action where it appeared before."""
    return [Traced(value, tuple(appearances(value, before))) for value in deed.values]


def origins(
    deed: Deed, traced: Sequence[Traced], before: Sequence[Passage], asked: Request
) -> list[Origin]:
    """Return the texts from outside that may have made an action happen, the likeliest first.

    Args:
        traced: of the deed, by `trace`.
        before: what was said before it.
        asked: what the person had asked for by then.
    """
    outside = [passage for passage in before if passage.voice == "outside"]
    found = []
    for passage in outside:
        taken = [t for t in traced if not t.is_from_person and _is_in(t, passage)]
        reasons = list(_reasons(deed, passage, taken, asked))
        if reasons and sum(reason.points for reason in reasons if reason.points > 0) >= 1:
            paths = tuple(dict.fromkeys(t.value.path for t in taken))
            found.append(Origin(passage, tuple(reasons), paths))
    # Of equal ones the first: whoever repeats a text did not bring it.
    return sorted(found, key=lambda origin: (-origin.points, origin.passage.position))


def _is_in(traced: Traced, passage: Passage) -> bool:
    return any(one.passage is passage for one in traced.found)


def _reasons(
    deed: Deed, passage: Passage, taken: Sequence[Traced], asked: Request
) -> Iterable[Reason]:
    orders = [order for order in directives(passage.text) if order.kinds & deed.kinds]
    order = _obeyed(deed, orders, taken)
    if order is None and not taken:
        return
    if order is not None and taken:
        yield Reason(2, f"tells its reader to {_kinds(order, deed)}, with a value of this action")
    elif order is not None and order.signs:
        yield Reason(1, f"tells its reader to {_kinds(order, deed)}")
    elif not taken:
        return
    first = [t for t in taken if t.first is not None and t.first.passage is passage]
    if first:
        named = ", ".join(dict.fromkeys(t.value.path.removeprefix("arguments.") for t in first))
        yield Reason(1, f"is where {named} first appeared, and the person never said it")
    if order is not None and order.signs:
        told = sorted(_SIGN_WORDS[sign] for sign in order.signs)
        yield Reason(1 + min(1, len(told) - 1), "the text " + ", ".join(told))
    yield from _asked(deed, taken, asked, is_ordered=order is not None)


def _asked(
    deed: Deed, taken: Sequence[Traced], asked: Request, *, is_ordered: bool
) -> Iterable[Reason]:
    """Yield what the person's own words say for or against a text."""
    if asked.hands_over:
        yield Reason(-1, "the person left it to a text what to do")
    elif is_ordered and any(asked.names_another(traced.value) for traced in taken):
        yield Reason(1, "the person named another place or party for what is to be done")
    elif asked.asks_for(deed.kinds):
        if asked.kinds & deed.kinds or not is_ordered:
            yield Reason(-1, "the person asked for such an action")
        if asked.leaves_details:
            yield Reason(-1, "the person left the details to a text")
    else:
        yield Reason(1, "the person asked for nothing of the kind")


def _obeyed(deed: Deed, orders: Sequence[Directive], taken: Sequence[Traced]) -> Directive | None:
    """Return the order that the action obeys: one that has a value of it, the most signed first."""
    ranked = sorted(orders, key=lambda order: -len(order.signs))
    for order in ranked:
        if any(stands_in(traced.value, order.near) for traced in taken):
            return order
    return next((order for order in ranked if not taken and not deed.only_looks), None)


def _kinds(order: Directive, deed: Deed) -> str:
    return " or ".join(sorted(order.kinds & deed.kinds))
