"""Tokens: the words, numbers and marks of a text, each with its place.

A blank, a quote or an opening bracket before a word belongs to its token, since it says much about
the word and would otherwise push its neighbours out of sight.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_WORD: Final = 40  # in characters; what is longer is nobody's name
# Scripts that put marks on letters: without these, a name would fall apart at every vowel.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0dff\u0e31-\u0e4e"
)
_WORD: Final = rf"[\w{_MARKS}]"
_TOKEN: Final = re.compile(rf" ?[\"'“‘(\[<]?{_WORD}+(?:['’](?!s\b){_WORD}+)*| ?[^\w\s]|\n+")
_BEFORE: Final = " \"'“‘([<"


class Tokens:
    """The tokens of a text.

    Args:
        matches: of the pattern, in order.
    """

    def __init__(self, matches: list[re.Match[str]]) -> None:
        self._matches = matches
        self.texts = [match[0] for match in matches]

    def start(self, place: int) -> int:
        """Return where the word of a token begins, without what stands before it."""
        match = self._matches[place]
        return match.end() - len(word_of(match[0]))

    def end(self, place: int) -> int:
        """Return where a token ends."""
        return self._matches[place].end()


def tokens_of(text: str) -> Tokens:
    """Return the tokens of a text, in time that grows with its length alone."""
    return Tokens(list(_TOKEN.finditer(text)))


def word_of(token: str) -> str:
    """Return a token without the blank, quote or bracket before its word."""
    return token.lstrip(_BEFORE) or token[-1:]
