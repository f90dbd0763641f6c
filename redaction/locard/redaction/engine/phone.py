"""Telephone numbers: what Presidio's recognizer finds, with each candidate judged once.

The recognizer has `phonenumbers` look through the text anew for each region. Candidates are the
same in all of them, and what becomes of one depends on itself and the characters beside it alone;
so they are found once, and what became of one is remembered. The library gives up a text after
65,535 tries without a word; this goes on to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import phonenumbers
from phonenumbers import phonenumbermatcher, re_util

from locard.redaction.engine.phone_shapes import Shapes

# So many digits with punctuation between them as the library allows it; `x` is punctuation to it.
GATE: Final = r"[0-9](?:[^0-9a-wyz\n]{0,4}[0-9]){3}"
_REMEMBERED: Final = 50_000
_LONGEST_REMEMBERED: Final = 80  # characters of a candidate
_VALID: Final = phonenumbers.Leniency.VALID  # of which the shapes know something
_FOLLOWING: Final = 3  # characters that tell a time from a number

_PLUS: Final = re.compile("[(\\[ ]*[+\uff0b]")
_Candidate: TypeAlias = tuple[int, str]

_library: Final[Any] = phonenumbermatcher  # parts of it that are not public are looked for with


class _Piece(NamedTuple):
    """A part of a candidate that may be a number, and the regions in which it may."""

    start: int
    text: str
    regions: frozenset[str]


class PhoneSearch:
    """The regions of one `PhoneRecognizer`."""

    def __init__(self, recognizer: Any) -> None:
        # More patterns are asked for than `re` keeps: without this they are compiled over and over.
        re_util.enable_pattern_cache()
        self._leniency = recognizer.leniency
        self._regions = tuple(recognizer.supported_regions)
        self._shapes = Shapes(self._regions)
        self._judge = lru_cache(_REMEMBERED)(self._judged)
        self._verify = lru_cache(_REMEMBERED)(self._verified)
        self._pieces = lru_cache(_REMEMBERED)(self._possible_pieces)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each number; the same may come once for each region."""
        for start, candidate in _candidates(text, 0):
            pieces = self._pieces(candidate)
            for region in self._regions if pieces else ():
                if any(region in piece.regions for piece in pieces):
                    yield from self._found(text, region, start, candidate)

    def _found(
        self, text: str, region: str, start: int, candidate: str
    ) -> Iterator[tuple[int, int]]:
        """Yield the numbers in one candidate, and in what is left of it after one inside."""
        end = start + len(candidate)
        found = self._look_at(text, region, start, candidate)
        while found is not None:
            yield found
            if found[1] >= end:
                return
            # The library goes on behind the number, where other candidates begin.
            rest = next(_candidates(text, found[1]), None)
            if rest is None or rest[0] >= end:
                return
            start, candidate = rest
            found = self._look_at(text, region, start, candidate)

    def _look_at(
        self, text: str, region: str, start: int, candidate: str
    ) -> tuple[int, int] | None:
        end = start + len(candidate)
        before = text[start - 1] if start else ""
        judge = self._judge if len(candidate) <= _LONGEST_REMEMBERED else self._judged
        found = judge(candidate, region, before, text[end : end + _FOLLOWING])
        return None if found is None else (start + found[0], start + found[1])

    def _judged(
        self, candidate: str, region: str, before: str, after: str
    ) -> tuple[int, int] | None:
        """Return where in a candidate the number is, if the library finds one."""
        if _is_date_or_time(candidate, after):
            return None
        for piece in self._pieces(candidate):
            if region in piece.regions:
                # After a plus the region does not matter: once for all is enough.
                asked = self._regions[0] if _PLUS.match(piece.text) else region
                if self._verify(before + candidate + after, len(before), piece, asked):
                    return piece.start, piece.start + len(piece.text)
        return None

    def _verified(self, text: str, offset: int, piece: _Piece, region: str) -> bool:
        """Say whether the library takes a piece of a candidate, with its neighbours, for one."""
        matcher: Any = phonenumbers.PhoneNumberMatcher(text, region, leniency=self._leniency)
        return matcher._parse_and_verify(piece.text, offset + piece.start) is not None

    def _possible_pieces(self, candidate: str) -> tuple[_Piece, ...]:
        """Return the pieces of a candidate that the library would look at, in its order."""
        is_strict = self._leniency >= _VALID
        found = []
        for start, text in dict.fromkeys(_pieces(candidate)):
            regions = self._shapes.regions(text) if is_strict else frozenset(self._regions)
            if regions:
                found.append(_Piece(start, text, regions))
        return tuple(found)


def _is_date_or_time(candidate: str, after: str) -> bool:
    if _library._SLASH_SEPARATED_DATES.search(candidate):
        return True
    return bool(
        _library._TIME_STAMPS.search(candidate) and _library._TIME_STAMPS_SUFFIX.match(after)
    )


def _pieces(candidate: str) -> Iterator[tuple[int, str]]:
    """Yield the whole, and then what stands before and behind each kind of separator."""
    yield 0, candidate
    for separator in _library._INNER_MATCHES:
        match = separator.search(candidate)
        if match:
            yield 0, _without_end(candidate[: match.start()])
        while match:
            yield match.start(1), _without_end(match[1])
            match = separator.search(candidate, match.start() + 1)


def _without_end(piece: str) -> str:
    unwanted = _library._UNWANTED_END_CHAR_PATTERN.search(piece)
    return piece[: unwanted.start()] if unwanted else piece


def _candidates(text: str, index: int) -> Iterator[_Candidate]:
    """Yield what may be a number, from an index on, as the library goes from one to the next."""
    while (match := _library._PATTERN.search(text, index)) is not None:
        candidate = match[0]
        if "x" in candidate:  # the library's sign of a second number has one
            second = _library._SECOND_NUMBER_START_PATTERN.search(candidate)
            if second:
                candidate = candidate[: second.start()]
        yield match.start(), candidate
        index = match.start() + len(candidate)
