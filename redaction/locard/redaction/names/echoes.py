"""A person who is named once is named everywhere: other mentions that the model has passed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from locard.redaction.names.decoding import Entity
from locard.redaction.names.lexicon import LISTS, Lexicon
from locard.redaction.names.tokens import Tokens, word_of

_SURE: Final = 0.8  # of the mention that is certain
_SCORE: Final = 0.6  # of the others
_FEWEST_LETTERS: Final = 3
_ORDINARY: Final = sum(1 << LISTS.index(name) for name in ("word1", "word2"))


def with_echoes(
    entities: Sequence[Entity], tokens: Tokens, text: str, lexicon: Lexicon
) -> list[Entity]:
    """Return the entities and, in between, what repeats a word of a person's name.

    Words that are frequent in English are left alone, although some people are called so.
    """
    names = {
        word
        for entity in entities
        if entity.kind == "PER" and entity.score >= _SURE
        for word in text[entity.start : entity.end].split()
        if _is_telling(word, lexicon)
    }
    if not names:
        return list(entities)
    found: list[Entity] = []
    at = 0
    for place, token in enumerate(tokens.texts):
        if word_of(token) not in names:
            continue
        start, end = tokens.start(place), tokens.end(place)
        while at < len(entities) and entities[at].end <= start:
            at += 1
        if at == len(entities) or entities[at].start >= end:
            found.append(Entity(start, end, "PER", _SCORE))
    return sorted([*entities, *found])


def _is_telling(word: str, lexicon: Lexicon) -> bool:
    return (
        len(word) >= _FEWEST_LETTERS
        and word[0].isupper()
        and word.isalpha()
        and not lexicon.flags(word.lower()) & _ORDINARY
    )
