"""The lists by which the model knows words, made from the lists that training draws from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from zlib import crc32

from redaction.training.source import read_words

from locard.redaction.names.lexicon import Lexicon
from locard.redaction.names.tokens import tokens_of, word_of

# Up to which place in the list of frequent words.
_WORD_RANKS: Final = (
    ("word1", 0, 1000),
    ("word2", 1000, 5000),
    ("word3", 5000, 20_000),
    ("word4", 20_000, 82_000),
)
_FEWEST_LETTERS: Final = 2
_HIDDEN_SHARE: Final = 30  # of a hundred words, hidden in training


def whole_lexicon(lists: dict[str, Any]) -> Lexicon:
    """Return what the lists know."""
    return Lexicon.of(_words_of_lists(lists))


def training_lexicon(lists: dict[str, Any]) -> Lexicon:
    """Return what the lists know, less a part of the names.

    Names that no list has must be found as well, so the model must not learn to rely on them.
    """
    hidden = {
        name: words if name.startswith("word") else {w for w in words if not _is_hidden(w)}
        for name, words in _words_of_lists(lists).items()
    }
    return Lexicon.of(hidden)


def _is_hidden(word: str) -> bool:
    return crc32(f"hide {word}".encode()) % 100 < _HIDDEN_SHARE


def _words_of_lists(lists: dict[str, Any]) -> dict[str, set[str]]:
    people, own = lists["people"].values(), read_words()
    words = {
        "first": _words(name for locale in people for name in locale["first"]),
        "last": _words(name for locale in people for name in locale["last"]),
        "city": _words([*lists["cities"], *lists["towns"]]),
        "country": _words([*lists["countries"], *lists["regions"], *lists["states"]]),
        "nationality": _words([*lists["nationalities"], *own["demonyms"], *own["faiths"]]),
        "street": _words([*lists["street_suffixes"], *_all_of(own, "street_")]),
        "organization": _words(lists["organizations"]),
        "legal": _words([*own["legal_forms"], *own["trades"], *own["bodies"]]),
        "title": _words(own["titles"]),
        "time": _words([*own["days"], *own["months"], *(month[:3] for month in own["months"])]),
    }
    for name, first, last in _WORD_RANKS:
        words[name] = set(lists["words"][first:last])
    return words


def _all_of(words: dict[str, Any], prefix: str) -> list[str]:
    return [word for name, some in words.items() if name.startswith(prefix) for word in some]


def _words(names: Iterable[str]) -> set[str]:
    found = set()
    for name in names:
        for token in tokens_of(name.lower()).texts:
            word = word_of(token)
            if len(word) >= _FEWEST_LETTERS and not word.isdigit():
                found.add(word)
    return found
