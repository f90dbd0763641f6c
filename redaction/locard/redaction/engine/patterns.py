"""Pattern recognizers: each pattern is looked for where the gate says that it can match.

The findings are those of `PatternRecognizer.analyze`: `finditer` over the whole text, then what the
recognizer itself says of each match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from re import _parser  # type: ignore[attr-defined] # the widths of a pattern are nowhere else
from typing import Any, Final

import regex

from locard.redaction.engine.gate import windows

MOST_SECONDS: Final = 10.0  # that one pattern may take for one text
_WIDEST: Final = 70  # characters of a pattern that is looked for in windows
_SLACK: Final = 80  # characters beyond a window that a match and what it looks ahead to may need
_LOOKS_AHEAD: Final = regex.compile(r"\(\?[=!]")


class TooSlow(Exception):
    """A pattern took longer than it may. What it would have found is not known."""


class PatternSearch:
    """One pattern of one recognizer.

    Args:
        recognizer: validates and invalidates what matches. It may have an attribute `gate`: an
            expression that matches wherever one of its patterns does, and ends no later.
    """

    def __init__(self, recognizer: Any, pattern: Any) -> None:
        self.flags = int(recognizer.global_regex_flags)
        own = getattr(recognizer, "gate", None)
        self.gate: str = own or pattern.regex
        self._regex = regex.compile(pattern.regex, self.flags)
        self._score = float(pattern.score)
        self._validate = recognizer.validate_result
        self._invalidate = recognizer.invalidate_result
        self._narrowest, self._widest = _widths(pattern.regex)
        self._has_windows = own is None and self._widest <= _WIDEST

    def matches(self, text: str, ends: Sequence[int] | None) -> Iterator[tuple[int, int, float]]:
        """Yield start, end and score of each finding.

        Args:
            ends: where matches may end; `None` where that is not known.

        Raises:
            TooSlow: see there.
        """
        for match in self.found(text, ends):
            start, end = match.span()
            if start == end:
                continue
            score = self.scored(match[0])
            if score > 0:
                yield start, end, score

    def found(self, text: str, ends: Sequence[int] | None) -> Iterator[Any]:
        """Yield each match, whatever the recognizer says of it.

        Raises:
            TooSlow: see there.
        """
        try:
            yield from self._spans(text, ends)
        except TimeoutError as error:
            raise TooSlow from error

    def scored(self, value: str) -> float:
        """Return the score of a match with this text; 0 where it is none."""
        score = self._score
        valid = self._validate(value)
        if valid is not None:
            score = 1.0 if valid else 0.0
        return 0.0 if self._invalidate(value) else score

    def _spans(self, text: str, ends: Sequence[int] | None) -> Iterator[Any]:
        ranges = None
        if ends is not None and self._has_windows:
            ranges = windows(ends, self._narrowest, self._widest, len(text))
        if ranges is None:
            yield from self._regex.finditer(text, timeout=MOST_SECONDS)
            return
        position = 0
        for begin, last in ranges:
            position = max(position, begin)
            while position <= last:
                # The end of a range acts as the end of the text: it is well behind the last match.
                stop = min(len(text), last + self._widest + _SLACK)
                match = self._regex.search(text, position, stop, timeout=MOST_SECONDS)
                if match is None or match.start() > last:
                    break
                yield match
                position = match.end() if match.end() > match.start() else match.end() + 1


def _widths(expression: str) -> tuple[int, int]:
    """Return the fewest and the most characters that a match has; a wide look-ahead counts."""
    try:
        narrowest, widest = _parser.parse(expression).getwidth()
        for ahead in _look_aheads(expression):
            if _parser.parse(ahead).getwidth()[1] > _SLACK // 2:
                return int(narrowest), 2**31
    except Exception:  # noqa: BLE001 - a pattern that `re` does not know
        return 0, 2**31
    return int(narrowest), int(widest)


def _look_aheads(expression: str) -> Iterator[str]:
    for found in _LOOKS_AHEAD.finditer(expression):
        depth, position = 1, found.end()
        while depth and position < len(expression):
            if expression[position] == "\\":
                position += 1
            elif expression[position] in "()":
                depth += 1 if expression[position] == "(" else -1
            position += 1
        yield expression[found.end() : position - 1]
