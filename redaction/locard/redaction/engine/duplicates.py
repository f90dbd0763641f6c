"""Findings as plain tuples, and Presidio's rule for which of them remain. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple


class Found(NamedTuple):
    """One finding, before it becomes Presidio's `RecognizerResult`.

    Args:
        recognizer: the number of the recognizer whose it is, among those of the plan.
    """

    entity_type: str
    start: int
    end: int
    score: float
    recognizer: int


def without_duplicates(found: Iterable[Found]) -> list[Found]:
    """Return what `EntityRecognizer.remove_duplicates` of Presidio keeps, in its order.

    A finding goes where another of its type contains it and has no lower score. Of two that differ
    in the recognizer alone one stays.
    """
    found = list(found)
    if len(found) < 2:
        return [one for one in found if one.score]
    ordered = sorted(found, key=lambda f: (f.entity_type, f.start, -f.end, -f.score, f.recognizer))
    kept: list[Found] = []
    for _, group in groupby(ordered, key=lambda f: f.entity_type):
        active: list[Found] = []
        for one in group:
            if one.score == 0:
                continue
            active = [other for other in active if other.end >= one.start]
            if not any(one.end <= other.end and one.score <= other.score for other in active):
                kept.append(one)
                active.append(one)
    kept.sort(key=lambda f: (-f.score, f.start, f.start - f.end))
    return kept
