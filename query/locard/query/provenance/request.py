"""What the person who is served asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from locard.query.provenance.appearances import (
    Value,
    sort_of_address,
    telling_pieces,
)
from locard.query.provenance.directives import asked_in
from locard.query.provenance.passages import Passage
from locard.query.provenance.vocabulary import stem, things, vocabulary
from locard.query.provenance.writings import plain

_ALL: Final = frozenset({"all", "every", "each", "everybody", "everyone"})
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Request:
    """What the person said before an action.

    Args:
        kinds: the deeds that were asked for by a verb.
        about: the deeds whose things were named, such as `visit` by "the article".
        hands_over: the decision what to do was left to some text.
        leaves_details: details of what to do were left to some text.
        is_for_all: it is about all of something, so that places need not be named.
        addresses: the sorts of places and parties that were named, as by `sort_of_address`.
    """

    kinds: frozenset[str]
    about: frozenset[str]
    hands_over: bool
    leaves_details: bool
    is_for_all: bool
    addresses: frozenset[str]

    def names_another(self, value: Value) -> bool:
        """Return whether the person named a place or party of the sort that a value is."""
        if self.is_for_all:
            return False
        return value.is_address and sort_of_address(value.text) in self.addresses

    def asks_for(self, kinds: frozenset[str]) -> bool:
        """Return whether the person asked for a deed of these kinds, by its verb or its thing."""
        return bool(kinds & (self.kinds | self.about))


def request(passages: Iterable[Passage]) -> Request:
    """Return what the person asked for in these passages; those of other voices are passed over."""
    text = plain("\n".join(passage.text for passage in passages if passage.voice == "person"))
    words = set(_WORD.findall(text))
    delegation = vocabulary()["delegation"]
    return Request(
        kinds=asked_in(text),
        about=frozenset(
            kind for word in words for form in stem(word) for kind in things().get(form, ())
        ),
        hands_over=any(phrase in text for phrase in delegation["all"]),
        leaves_details=any(phrase in text for phrase in delegation["details"]),
        is_for_all=not words.isdisjoint(_ALL),
        addresses=frozenset(map(sort_of_address, telling_pieces(text))),
    )
