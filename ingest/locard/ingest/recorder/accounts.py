"""What one incarnation numbered, and what became of it. Pure.

Numbers come in their order; what they leave out was dropped. A statement covers everything below
its own number since the statement before, which it covers as well: so each number but the last
statement's is covered by exactly one statement, and an end without `close` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

Statement = Literal["open", "interval", "close", "crash"]

QUEUE_FULL: Final = "queue_full"
_MOST_RANGES: Final = 1_000  # in one statement; what is beyond waits for the next
_MOST_LAST_RANGES: Final = 8_000  # in one after which none may come; some 600 kB


@dataclass(frozen=True, slots=True)
class Drop:
    """Numbers `first` to `last` of an incarnation that were never handed on, and why."""

    incarnation: str
    first: int
    last: int
    reason: str

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class Account:
    """The account of one incarnation.

    Args:
        incarnation: whose it is.
        covered: everything below was covered by statements before.
        seen: everything below has been handed on or noted as dropped before.
        previous: the digest of the last statement.
        drops: that were noted and not declared yet.
    """

    def __init__(
        self,
        incarnation: str,
        *,
        covered: int = 0,
        seen: int = 0,
        previous: str | None = None,
        drops: Iterable[Drop] = (),
    ) -> None:
        self.incarnation = incarnation
        self.previous = previous
        self._covered = covered
        self._seen = seen
        self._drops = list(drops)
        self._declared: list[Drop] = []

    def see(self, seq: int) -> None:
        """Note that the event with this number is being handed on; what came between is dropped."""
        self.lose(seq, QUEUE_FULL)
        self._seen = max(self._seen, seq + 1)

    def lose(self, end: int, reason: str) -> None:
        """Note that nothing below `end` is still to come."""
        if end > self._seen:
            self._add(Drop(self.incarnation, self._seen, end - 1, reason))
            self._seen = end

    def refuse(self, drop: Drop) -> None:
        """Note what was handed on and refused for good; it may be of an earlier incarnation.

        Args:
            drop: numbers that were not refused before.
        """
        self._add(drop)

    @property
    def seen(self) -> int:
        """Everything below has been handed on or noted as dropped."""
        return self._seen

    @property
    def undeclared(self) -> list[tuple[int, int]]:
        """The ranges of this incarnation's own numbers that no statement has declared yet."""
        own = (drop for drop in self._drops if drop.incarnation == self.incarnation)
        return [(drop.first, drop.last) for drop in own]

    @property
    def has_too_many_drops(self) -> bool:
        """Whether a last statement has no room for all that was not declared yet."""
        return len(self._drops) > _MOST_LAST_RANGES

    def state(
        self, statement: Statement, seq: int, *, follows: str | None = None
    ) -> dict[str, Any]:
        """Return the body of the statement that has this number.

        `count` is what the range has beside the drops that this statement declares. Where there are
        more of these than fit, `undeclared` tells afterwards what waits for the next statement.

        Args:
            follows: an incarnation that ended badly before this one.
        """
        declared = self._take(seq, _MOST_RANGES if statement == "interval" else _MOST_LAST_RANGES)
        self._declared += declared
        body: dict[str, Any] = {"statement": statement}
        if seq > self._covered:
            own = [d for d in declared if d.incarnation == self.incarnation]
            dropped = sum(_overlap(d, self._covered, seq - 1) for d in own)
            body["first_seq"], body["last_seq"] = self._covered, seq - 1
            body["count"] = max(0, seq - self._covered - dropped)
        body["declared_drops"] = sum(drop.count for drop in declared)
        body["drops"] = _told(declared, self.incarnation)
        body["previous"] = self.previous
        body["follows"] = follows
        self._covered = seq
        return {name: value for name, value in body.items() if value not in (None, [])}

    def take_declared(self) -> list[Drop]:
        """Return what statements have declared since the last call."""
        declared, self._declared = self._declared, []
        return declared

    def _add(self, drop: Drop) -> None:
        """Note a drop, as one with the drop before where it goes on from there."""
        last = self._drops[-1] if self._drops else None
        if last and last == replace(drop, first=last.first, last=drop.first - 1):
            self._drops[-1] = replace(last, last=drop.last)
        else:
            self._drops.append(drop)

    def _take(self, seq: int, most: int) -> list[Drop]:
        """Take the drops that a statement of this number declares: none that it does not cover."""
        declared: list[Drop] = []
        waiting: list[Drop] = []
        for drop in self._drops:
            ends_before = drop.incarnation != self.incarnation or drop.last < seq
            if len(declared) == most or (not ends_before and drop.first >= seq):
                waiting.append(drop)
            elif ends_before:
                declared.append(drop)
            else:
                declared.append(replace(drop, last=seq - 1))
                waiting.append(replace(drop, first=seq))
        self._drops = waiting
        return declared


def _overlap(drop: Drop, first: int, last: int) -> int:
    return max(0, min(drop.last, last) - max(drop.first, first) + 1)


def _told(drops: Sequence[Drop], incarnation: str) -> list[dict[str, Any]]:
    told = []
    for drop in drops:
        named = {} if drop.incarnation == incarnation else {"incarnation": drop.incarnation}
        span = {"first_seq": drop.first, "last_seq": drop.last, "reason": drop.reason}
        told.append({**named, **span})
    return told
