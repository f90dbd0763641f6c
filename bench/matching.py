"""How findings are held against labels: by characters and by spans. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

ALL: Final = "all"


class Labelled(NamedTuple):
    """A range of characters, half open, and what it is."""

    start: int
    end: int
    entity_type: str


@dataclass
class Tally:
    """What was right, what was found in vain, what was missed; by entity type and for all."""

    right: Counter[str] = field(default_factory=Counter)
    vain: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def precision(self, entity_type: str = ALL) -> float:
        """Return the share of what was found that is right; 0 where nothing was found."""
        return self.right[entity_type] / (self.right[entity_type] + self.vain[entity_type] or 1)

    def recall(self, entity_type: str = ALL) -> float:
        """Return the share of what there is that was found."""
        return self.right[entity_type] / (self.right[entity_type] + self.missed[entity_type] or 1)

    def types(self) -> list[str]:
        """Return what there is to find, in order."""
        return sorted((self.right.keys() | self.missed.keys()) - {ALL})

    def count(self, counter: Counter[str], entity_type: str, number: int = 1) -> None:
        """Count for the type and for all."""
        counter[entity_type] += number
        counter[ALL] += number


def by_characters(
    tally: Tally, text: str, labels: Iterable[Labelled], found: Iterable[Labelled]
) -> None:
    """Compare each letter and digit: it is right if it has the type of its label.

    Blanks and punctuation do not count: whether the comma in an address belongs to it is taste.
    """
    expected, got = _painted(text, labels), _painted(text, found)
    for character, is_type, was_type in zip(text, expected, got, strict=True):
        if not character.isalnum():
            continue
        if is_type == was_type:
            if is_type:
                tally.count(tally.right, is_type)
            continue
        if was_type:
            tally.count(tally.vain, was_type)
        if is_type:
            tally.count(tally.missed, is_type)


def by_spans(
    tally: Tally,
    text: str,
    labels: Iterable[Labelled],
    found: Iterable[Labelled],
    *,
    least_overlap: float,
    typed: bool = True,
) -> None:
    """Match each label with the finding that overlaps with it most, each finding once.

    Neighbours of one type with only blanks and punctuation between them are one span, on both
    sides, as presidio-research does it. A match needs intersection over union, counted in letters
    and digits, of at least `least_overlap`, and the same type unless not `typed`.
    """
    rest = merged(text, found)
    for label in merged(text, labels):
        best = max(rest, key=lambda f: _overlap(text, label, f), default=None)
        fits = (
            best is not None
            and _overlap(text, label, best) >= least_overlap
            and (not typed or best.entity_type == label.entity_type)
        )
        if best is not None and fits:
            rest.remove(best)
            tally.count(tally.right, label.entity_type)
        else:
            tally.count(tally.missed, label.entity_type)
    for finding in rest:
        tally.count(tally.vain, finding.entity_type)


def merged(text: str, spans: Iterable[Labelled]) -> list[Labelled]:
    """Return spans in order, those of one type put together that only marks and blanks part."""
    result: list[Labelled] = []
    for span in sorted(spans):
        last = result[-1] if result else None
        if (
            last is not None
            and last.entity_type == span.entity_type
            and not any(character.isalnum() for character in text[last.end : span.start])
        ):
            result[-1] = Labelled(last.start, max(last.end, span.end), span.entity_type)
        else:
            result.append(span)
    return result


def _painted(text: str, spans: Iterable[Labelled]) -> list[str]:
    types = [""] * len(text)
    for start, end, entity_type in spans:
        types[start:end] = [entity_type] * (min(end, len(text)) - start)
    return types


def _overlap(text: str, one: Labelled, two: Labelled) -> float:
    both = _weight(text, max(one.start, two.start), min(one.end, two.end))
    either = _weight(text, one.start, one.end) + _weight(text, two.start, two.end) - both
    return both / either if either else 0.0


def _weight(text: str, start: int, end: int) -> int:
    return sum(character.isalnum() for character in text[start:end]) if start < end else 0


def is_covered(start: int, end: int, found: Sequence[Labelled]) -> bool:
    """Say whether findings, together, cover each character of a range."""
    for finding in sorted(found):
        if finding.start <= start < finding.end:
            start = finding.end
    return start >= end
