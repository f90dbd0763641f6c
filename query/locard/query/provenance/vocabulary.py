"""The words by which deeds are known, read from `vocabulary.toml` once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ENDINGS: Final = ("ing", "ed", "es", "s")


@cache
def vocabulary() -> dict[str, Any]:
    """Return the file as it is."""
    return tomllib.loads(files(__package__).joinpath("vocabulary.toml").read_text("utf-8"))


@cache
def verbs() -> dict[str, frozenset[str]]:
    """Return for each verb the deeds that it may mean."""
    return _inverted(vocabulary()["verbs"])


@cache
def things() -> dict[str, frozenset[str]]:
    """Return for each thing the deeds that it may stand for."""
    return _inverted(vocabulary()["things"])


@cache
def signs() -> dict[str, tuple[re.Pattern[str], ...]]:
    """Return for each sign that a text was written for an agent the patterns that show it."""
    return {
        name: tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
        for name, patterns in vocabulary()["signs"].items()
    }


def words_of(name: str) -> list[str]:
    """Return the words in the name of a tool, `send_money` and `sendMoney` alike."""
    return [word.lower() for word in _WORD.findall(name)]


def stem(word: str) -> Iterable[str]:
    """Yield a word, and what it may be a form of."""
    yield word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            yield word[: -len(ending)]
            yield word[: -len(ending)] + "e"
            if ending == "ing" or ending == "ed":
                yield re.sub(r"(.)\1$", r"\1", word[: -len(ending)])


def _inverted(of: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for deed, words in of.items():
        for word in words:
            found.setdefault(word, set()).add(deed)
    return {word: frozenset(deeds) for word, deeds in found.items()}
