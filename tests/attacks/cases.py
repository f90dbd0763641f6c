"""The tables of attacks and accidents: a name, what is done, and what has to be said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from attacks.installation import Installation
from locard.evidence.verifier import TrustPolicy, Verdict


@dataclass(frozen=True)
class Case:
    """One thing that is done to an installation.

    Args:
        verdict: that must be among what is found.
        place: what the place of that finding must say.
        kept: which of the checkpoints that were kept the verifier has; none by default.
        others: verdicts that may be found beside it.
        is_of_rows: whether it changes rows alone, as can be done in a bundle as well.
    """

    name: str
    act: Callable[[Installation], TrustPolicy | None]
    verdict: Verdict = Verdict.OK
    place: dict[str, Any] = field(default_factory=dict)
    kept: tuple[int, ...] = ()
    others: frozenset[Verdict] = frozenset()
    is_of_rows: bool = False


ATTACKS: list[Case] = []
ACCIDENTS: list[Case] = []


def attack(
    verdict: Verdict,
    *,
    kept: tuple[int, ...] = (),
    others: tuple[Verdict, ...] = (),
    **place: Any,
) -> Callable[[Callable[[Installation], Any]], Callable[[Installation], Any]]:
    """Enter a function into the table of attacks, under its own name."""

    def enter(act: Callable[[Installation], Any]) -> Callable[[Installation], Any]:
        ATTACKS.append(Case(act.__name__, act, verdict, place, kept, frozenset(others)))
        return act

    return enter


def row_attack(
    verdict: Verdict, **told: Any
) -> Callable[[Callable[[Installation], Any]], Callable[[Installation], Any]]:
    """Enter an attack that changes rows alone; see `attack`."""

    def enter(act: Callable[[Installation], Any]) -> Callable[[Installation], Any]:
        attack(verdict, **told)(act)
        ATTACKS[-1] = replace(ATTACKS[-1], is_of_rows=True)
        return act

    return enter


def accident(
    *others: Verdict,
) -> Callable[[Callable[[Installation], Any]], Callable[[Installation], Any]]:
    """Enter a function into the table of accidents, under its own name.

    Args:
        others: verdicts that are right to be found, beside those of the installation itself.
    """

    def enter(act: Callable[[Installation], Any]) -> Callable[[Installation], Any]:
        ACCIDENTS.append(Case(act.__name__, act, others=frozenset(others)))
        return act

    return enter
