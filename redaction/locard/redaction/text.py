"""Finding personal data in one text and putting tokens in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from locard.redaction.analyzer import LANGUAGE, Analyzer
from locard.redaction.policy import RedactionPolicy
from locard.redaction.pseudonyms import TOKEN, Pseudonymizer

FORGED_TOKEN: Final = "LOCARD_TOKEN"  # noqa: S105 - the name of an entity type
_WINDOW: Final = 50_000  # characters; Presidio's time grows faster than the text's length
_OVERLAP: Final = 500  # characters that two windows share, so that no finding falls between them
_SCORE_OF_A_PART: Final = 0.4
_REMEMBERED_TEXTS: Final = 4096
_LONGEST_REMEMBERED: Final = 20_000  # characters


@dataclass(frozen=True)
class Span:
    """One finding: characters `start` to `end` (exclusive) hold a value of `entity_type`."""

    start: int
    end: int
    entity_type: str
    score: float


class TextRedactor:
    """Replaces findings in texts by tokens.

    An agent's history repeats itself, so the findings of recent texts are remembered. The memory
    holds texts as they came; it lives in the process that holds them anyway and ends with it.
    """

    def __init__(
        self, analyzer: Analyzer, pseudonymizer: Pseudonymizer, policy: RedactionPolicy
    ) -> None:
        self._analyzer = analyzer
        self._pseudonymizer = pseudonymizer
        self._policy = policy
        self._entity_types = sorted(policy.entity_types)
        self._remembered = lru_cache(_REMEMBERED_TEXTS)(self._spans)

    def redact(self, text: str, context: tuple[str, ...] = ()) -> tuple[str, tuple[Span, ...]]:
        """Return the text with every finding replaced, and the findings in the original.

        Args:
            text: any text, also one that Presidio alone would refuse for its length.
            context: words that stand for it elsewhere, such as the key of a JSON value.
        """
        find = self._remembered if len(text) <= _LONGEST_REMEMBERED else self._spans
        spans = find(text, context)
        if not spans:
            return text, ()
        pieces, position = [], 0
        for span in spans:
            value = text[span.start : span.end]
            token = self._pseudonymizer.token(span.entity_type, value)
            pieces += [text[position : span.start], token]
            position = span.end
        return "".join([*pieces, text[position:]]), spans

    def _spans(self, text: str, context: tuple[str, ...]) -> tuple[Span, ...]:
        if len(text) < 5:  # nothing that the policy names is shorter
            return ()
        # What looks like a token but came from outside would lead a reader to a false trail.
        found = [Span(*match.span(), FORGED_TOKEN, 1.0) for match in TOKEN.finditer(text)]
        for start, end in _windows(text):
            results = self._analyzer.analyze(
                text[start:end],
                LANGUAGE,
                entities=self._entity_types,
                score_threshold=self._policy.threshold,
                context=context or None,
            )
            found += [Span(start + r.start, start + r.end, r.entity_type, r.score) for r in results]
        return disjoint([whole(span, text) for span in found])


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield ranges that cover the text and overlap, cut at white space where there is some."""
    start = 0
    while len(text) - start > _WINDOW:
        end = start + _WINDOW
        blank = max(text.rfind(" ", end - _OVERLAP, end), text.rfind("\n", end - _OVERLAP, end))
        end = blank if blank > 0 else end
        yield start, end
        start = end - _OVERLAP
    yield start, len(text)


def whole(span: Span, text: str) -> Span:
    """Return the span, stretched over the run of letters and digits that it stands in.

    A pattern that matches inside a longer number has not found what it is named for, and a token
    for a part would leave the rest readable and be the same for different numbers. Its score is
    lowered, so that a finding of the whole run comes first. Only ASCII counts: other scripts write
    words without spaces between them.
    """
    start, end = span.start, span.end
    if _is_run(text[start]):
        while start > 0 and _is_run(text[start - 1]):
            start -= 1
    if _is_run(text[end - 1]):
        while end < len(text) and _is_run(text[end]):
            end += 1
    if (start, end) == (span.start, span.end):
        return span
    return Span(start, end, span.entity_type, min(span.score, _SCORE_OF_A_PART))


def _is_run(character: str) -> bool:
    return character.isascii() and character.isalnum()


def disjoint(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return spans that cover the same characters without overlap, in order.

    Where two overlap the surer one keeps its whole range, then the longer, and the other one keeps
    what is left: dropping it would leave part of its value readable.
    """
    return tuple(span for group in _overlapping(spans) for span in _parted(group))


def _overlapping(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield groups of spans, in order, of which none overlaps with one of another group."""
    group: list[Span] = []
    end = 0
    for span in sorted(set(spans), key=lambda s: (s.start, s.end, s.entity_type, s.score)):
        if group and span.start >= end:
            yield group
            group = []
        group.append(span)
        end = max(end, span.end)
    if group:
        yield group


def _parted(group: list[Span]) -> list[Span]:
    """Return the spans of one group without overlap, in order."""
    placed: list[Span] = []
    for span in sorted(group, key=lambda s: (-s.score, s.start - s.end, s.start, s.entity_type)):
        pieces = [span]
        for other in placed:
            pieces = [rest for piece in pieces for rest in _minus(piece, other)]
        placed += pieces
    return sorted(placed, key=lambda s: s.start)


def _minus(span: Span, other: Span) -> Iterator[Span]:
    """Yield the parts of `span` that `other` does not cover."""
    if other.end <= span.start or span.end <= other.start:
        yield span
        return
    if span.start < other.start:
        yield Span(span.start, other.start, span.entity_type, span.score)
    if other.end < span.end:
        yield Span(other.end, span.end, span.entity_type, span.score)
