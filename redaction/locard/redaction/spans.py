"""Findings as ranges of a text, and how they are brought into an order without overlap. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from locard.redaction.secret_names import SECRET_TYPES

_WINDOW: Final = 50_000  # characters; Presidio's time grows faster than the text's length
_OVERLAP: Final = 500  # characters that two windows share, so that no finding falls between them
_SCORE_OF_A_PART: Final = 0.4


@dataclass(frozen=True)
class Span:
    """One finding: characters `start` to `end` (exclusive) hold a value of `entity_type`.

    Args:
        value: what is meant, where it is written otherwise, as in the query of an address.
        found_by: the recognizer or the rule.
    """

    start: int
    end: int
    entity_type: str
    score: float
    value: str | None = field(default=None, repr=False, compare=False)
    found_by: str = field(default="", compare=False)


def windows(text: str) -> Iterator[tuple[int, int]]:
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
    score = min(span.score, _SCORE_OF_A_PART)
    return Span(start, end, span.entity_type, score, found_by=span.found_by)


def _is_run(character: str) -> bool:
    return character.isascii() and character.isalnum()


def disjoint(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return spans that cover the same characters without overlap, in order.

    Where two overlap a secret keeps its whole range, then the surer one, then the longer, and the
    other one keeps what is left: dropping it would leave part of its value readable.
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
    for span in sorted(group, key=_precedence):
        pieces = [span]
        for other in placed:
            pieces = [rest for piece in pieces for rest in _minus(piece, other)]
        placed += pieces
    return sorted(placed, key=lambda s: s.start)


def _precedence(span: Span) -> tuple[bool, float, int, int, str]:
    length = span.end - span.start
    return span.entity_type not in SECRET_TYPES, -span.score, -length, span.start, span.entity_type


def _minus(span: Span, other: Span) -> Iterator[Span]:
    """Yield the parts of `span` that `other` does not cover."""
    if other.end <= span.start or span.end <= other.start:
        yield span
        return
    if span.start < other.start:
        yield Span(span.start, other.start, span.entity_type, span.score)
    if other.end < span.end:
        yield Span(other.end, span.end, span.entity_type, span.score)
