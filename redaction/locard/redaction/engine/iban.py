"""Bank accounts: what Presidio's recognizer makes of a match, where the pattern can match.

It has a way of its own with matches: their last groups may be words that follow the account, and
are left off one by one until the check digits are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from presidio_analyzer.predefined_recognizers import IbanRecognizer

from locard.redaction.engine.patterns import PatternSearch


class IbanSearch:
    """The pattern of Presidio's recognizer, and how it judges what matches."""

    def __init__(self, recognizer: Any) -> None:
        self.pattern = PatternSearch(recognizer, recognizer.patterns[0])

    def spans(self, text: str, ends: Sequence[int] | None) -> Iterator[tuple[int, int, float]]:
        """Yield start, end and score of each finding; see `PatternSearch.matches`."""
        for match in self.pattern.found(text, ends):
            found = self._judged(match)
            if found is not None:
                yield found

    def _judged(self, match: Any) -> tuple[int, int, float] | None:
        start = match.start()
        for group in range(len(match.groups()), 0, -1):
            end = match.end(group) if match.end(group) > 0 else match.end()
            score = self.pattern.scored(match.string[start:end])
            if start < end and score > 0:
                return start, end, score
        return None


def is_known(recognizer: Any) -> bool:
    """Say whether this is Presidio's own recognizer, with one pattern."""
    known: Any = recognizer
    return type(recognizer) is IbanRecognizer and len(known.patterns) == 1
