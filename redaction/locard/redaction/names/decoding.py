"""From the labels of tokens to entities: which tokens belong together, and how sure that is."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from locard.redaction.names.best_labels import best_labels
from locard.redaction.names.labels import KINDS
from locard.redaction.names.tokens import Tokens

ENTITY_OF_KIND: Final = {
    "PER": "PERSON",
    "LOC": "LOCATION",
    "ADDR": "LOCATION",
    "ORG": "ORGANIZATION",
    "NRP": "NRP",
    "TITLE": "TITLE",
    "AGE": "AGE",
    "DATE": "DATE_TIME",
    "DOB": "DATE_OF_BIRTH",
    "ZIP": "ZIP_CODE",
    "PHONE": "PHONE_NUMBER",
    "CARD": "CREDIT_CARD",
}
_OUTSIDE_WEIGHT: Final = 0.5  # missing somebody is worse than a finding in vain
_JOINING: Final = frozenset(
    ("in", "at", "on", "is", "was", "and", "or", "for", "from", "with", "the")
)
_EDGES: Final = " \t\n,;:|/-–—*\"'“”‘’(<[{"


class Entity(NamedTuple):
    """Something that the text names.

    Args:
        start: half-open range of characters.
        end: see `start`.
        kind: one of `KINDS`.
        score: from 0 to 1.
    """

    start: int
    end: int
    kind: str
    score: float


def entities_of(text: str, tokens: Tokens, shares: npt.NDArray[np.float32]) -> list[Entity]:
    """Return the entities of a text in order, none of which overlap.

    Args:
        shares: of each label for each token, as `Model.scores` returns them.
    """
    places, labels = best_labels(shares, _OUTSIDE_WEIGHT)
    named = labels > 0
    places, labels = places[named], labels[named]
    if not len(places):
        return []
    firsts = np.flatnonzero((labels % 2 == 1) | (np.diff(places, prepend=-2) != 1))
    # The name of a kind is wrong less often than that there is one.
    inside = np.add.reduceat(1 - shares[places, 0], firsts)
    scores = inside / np.diff(np.append(firsts, len(places)))
    lasts = np.append(firsts[1:], len(places)) - 1
    found = []
    for first, last, score in zip(firsts, lasts, scores, strict=True):
        trimmed = _trimmed(text, tokens.start(int(places[first])), tokens.end(int(places[last])))
        if trimmed is not None:
            kind = KINDS[(labels[first] - 1) // 2]
            found.append(Entity(*trimmed, kind, round(float(score), 2)))
    return _joined(text, found)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the range without what joins it to its sentence, or `None` where nothing is left."""
    while start < end and text[start] in _EDGES:
        start += 1
    while start < end and text[end - 1] in _EDGES:
        end -= 1
    while (blank := text.rfind(" ", start, end)) > 0 and text[blank + 1 : end] in _JOINING:
        end = blank
    return (start, end) if any(character.isalnum() for character in text[start:end]) else None


def _joined(text: str, entities: list[Entity]) -> list[Entity]:
    """Put together the pieces of one address: street, unit, post box."""
    joined: list[Entity] = []
    for entity in entities:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.kind == entity.kind == "ADDR"
            and entity.start - before.end <= 4
            and not text[before.end : entity.start].strip(" ,\n")
        ):
            score = max(before.score, entity.score)
            joined[-1] = Entity(before.start, entity.end, "ADDR", score)
        else:
            joined.append(entity)
    return joined
