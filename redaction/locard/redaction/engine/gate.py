"""The gate: one pass over a text says which of many patterns can match in it, and where they end.

It lets through more than matches, never less. A pattern for which that is not known to hold is
never asked for here: `can_be_gated` says so.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import regex

try:
    import hyperscan
except ImportError:  # no wheel for this platform: every pattern runs, as slowly as Presidio
    hyperscan = None  # type: ignore[assignment]

# What means something else to the gate than to `regex`, or nothing: fuzzy matching, named lists,
# properties, set operations, anchors of the whole text, recursion, and what is not ASCII.
_STRANGE: Final = re.compile(
    r"\\[pPLmMKGRXAZzQE]|\\N|\(\?(?:R|&|\d|P?>|\||[a-zA-Z]*V)|\(\*|\[\[|\{[eids]"
    r"|\[[^\]]*(?:--|\|\||&&|~~)|[^\x00-\x7f]"
)
_FLAGS: Final = regex.I | regex.M | regex.S
# Of one pattern in one text, and in so many characters more; then all of it is looked through.
_MOST_ENDS: Final = 64
_CHARACTERS_PER_END: Final = 50


class Gate:
    """A compiled set of patterns.

    Args:
        patterns: expression and flags of `regex`, by a number for each, for which `can_be_gated`
            holds.

    Attributes:
        refused: the numbers of those that could not be compiled after all.
    """

    def __init__(self, patterns: Mapping[int, tuple[str, int]]) -> None:
        self.refused: list[int] = []
        self._database = None
        if patterns:
            self._database = self._compiled_where_possible(patterns)
        self._scratch = hyperscan.Scratch(self._database) if self._database else None
        self._ends: dict[int, list[int]] = {}

    def ends(self, data: bytes) -> dict[int, list[int]]:
        """Return for each pattern that may match where its matches may end.

        Args:
            data: the text, as `scannable` gives it.
        """
        self._ends = ends = dict[int, list[int]]()
        if self._database:
            self._database.scan(data, match_event_handler=self._note, scratch=self._scratch)
        return ends

    def _compiled_where_possible(self, patterns: Mapping[int, tuple[str, int]]) -> Any:
        try:
            return _compiled(patterns)
        except hyperscan.error:
            pass  # some of them; which, only compiling each by itself tells
        possible = {}
        for number, pattern in patterns.items():
            try:
                _compiled({number: pattern})
                possible[number] = pattern
            except hyperscan.error:
                self.refused.append(number)
        return _compiled(possible) if possible else None

    def _note(self, number: int, _: int, end: int, __: int, ___: Any) -> None:
        found = self._ends.get(number)
        if found is None:
            self._ends[number] = [end]
        else:
            found.append(end)


def can_be_gated(expression: str, flags: int) -> bool:
    """Say whether the gate lets through everything that this pattern matches, if it compiles it."""
    if hyperscan is None or flags & ~(_FLAGS | regex.ASCII | regex.V0 | regex.U):
        return False
    if _STRANGE.search(expression):
        return False
    try:
        return regex.compile(expression, flags).match("") is None
    except regex.error:
        return False


def _compiled(patterns: Mapping[int, tuple[str, int]]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    numbers = sorted(patterns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        database.compile(
            expressions=[patterns[number][0].encode() for number in numbers],
            ids=numbers,
            elements=len(numbers),
            flags=[_flags(patterns[number][1]) for number in numbers],
        )
    return database


def _flags(flags: int) -> int:
    found = hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_CASELESS
    if flags & regex.M:
        found |= hyperscan.HS_FLAG_MULTILINE
    return found | (hyperscan.HS_FLAG_DOTALL if flags & regex.S else 0)


def windows(
    ends: Sequence[int], narrowest: int, widest: int, length: int
) -> list[tuple[int, int]] | None:
    """Return the ranges in which matches may begin, in order and without overlap.

    `None` where there are so many that looking through all of the text is less work.

    Args:
        ends: where matches may end.
        narrowest: the fewest characters that a match has.
        widest: the most.
    """
    if len(ends) > _MOST_ENDS + length // _CHARACTERS_PER_END:
        return None
    found: list[tuple[int, int]] = []
    for end in sorted(ends):
        begin, last = max(0, end - widest), min(length, end - narrowest)
        if found and begin <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        elif last >= begin:
            found.append((begin, last))
    return found
