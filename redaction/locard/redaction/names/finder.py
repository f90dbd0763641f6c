"""Finds what a text names, with the key that it stands under as a hint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from locard.redaction.names.checks import SUREST, checked, told_by_key
from locard.redaction.names.decoding import ENTITY_OF_KIND, Entity, entities_of
from locard.redaction.names.echoes import with_echoes
from locard.redaction.names.features import KEY
from locard.redaction.names.model import MODEL_NAME, Model
from locard.redaction.names.tokens import tokens_of
from locard.redaction.spans import Span

ENTITIES: Final = tuple(dict.fromkeys(ENTITY_OF_KIND.values()))
_KEY: Final = "the name above it"
_MOST_KEY_WORDS: Final = 3
_LONGEST: Final = 200_000  # characters read at once
_SLACK: Final = 500  # characters in which a blank is looked for


class NameFinder:
    """Finds names, addresses, organisations, ages and dates.

    Args:
        model: default: the one that ships with the package.
    """

    def __init__(self, model: Model | None = None) -> None:
        self._model = model or Model.load()

    def find(self, text: str, context: Sequence[str] = ()) -> list[Span]:
        """Return what a text names, in order, without overlaps.

        Takes time that grows with the length of the text alone, whatever it says.

        Args:
            context: the lower-case words of the key that the text stands under, such as
                `("customer", "name")`.
        """
        found = []
        for start, end in _pieces(text):
            for entity in self._entities(text[start:end], context):
                kind = ENTITY_OF_KIND[entity.kind]
                score = min(entity.score, SUREST)
                found.append(
                    Span(start + entity.start, start + entity.end, kind, score, found_by=MODEL_NAME)
                )
        return found

    def find_by_key(self, text: str, context: Sequence[str]) -> list[Span]:
        """Return what the key alone says of the text under it, without reading the text."""
        return [
            Span(
                entity.start,
                entity.end,
                ENTITY_OF_KIND[entity.kind],
                entity.score,
                found_by=_KEY,
            )
            for entity in told_by_key(text, context)
        ]

    def _entities(self, text: str, context: Sequence[str]) -> list[Entity]:
        tokens = tokens_of(text)
        if not tokens.texts:
            return []
        key = [f" {word}" for word in context[-_MOST_KEY_WORDS:]] + [KEY] if context else []
        shares = self._model.scores([*key, *tokens.texts])[len(key) :]
        lexicon = self._model.lexicon
        entities = checked(text, entities_of(text, tokens, shares), context, lexicon)
        return with_echoes(entities, tokens, text, lexicon)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges in which a text is read: the whole, unless it is very long.

    A long one is cut at white space, so that it needs no more memory.
    """
    start = 0
    while len(text) - start > _LONGEST:
        end = start + _LONGEST
        blank = max(text.rfind(" ", end - _SLACK, end), text.rfind("\n", end - _SLACK, end))
        end = blank if blank > 0 else end
        yield start, end
        start = end
    yield start, len(text)


@cache
def default_finder() -> NameFinder:
    """Return the finder of this process; reading its model takes some 50 ms, once."""
    return NameFinder()
