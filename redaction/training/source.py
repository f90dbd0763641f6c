"""What the forms are drawn from: chance, the gathered lists, and the words beside them."""

from __future__ import annotations

import gzip
import json
import random
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

_FOLDER: Final = Path(__file__).parent
_CAPITALS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = "0123456789"

T = TypeVar("T")


@cache
def read_lists() -> dict[str, Any]:
    """Return the lists that `gather.py` took from packages."""
    content: dict[str, Any] = json.loads(gzip.decompress((_FOLDER / "lists.json.gz").read_bytes()))
    return content


@cache
def read_words() -> dict[str, Any]:
    """Return the words and patterns of `words.toml`."""
    return tomllib.loads((_FOLDER / "words.toml").read_text("utf-8"))


class Source:
    """Draws; the same generator of random numbers draws the same.

    Args:
        rng: where chance comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lists = read_lists()
        self.vocabulary = read_words()

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[int(self.rng.random() * len(values))]

    def chance(self, share: float) -> bool:
        """Say yes in this share of the cases."""
        return self.rng.random() < share

    def one_of(self, name: str) -> str:
        """Return one of the words of this name."""
        return str(self.pick(self.vocabulary[name]))

    def digits(self, least: int, most: int) -> str:
        """Return a number with so many digits."""
        return "".join(self.pick(_DIGITS) for _ in range(self.rng.randint(least, most)))

    def number_like(self, name: str) -> str:
        """Return one of the patterns of this name, with its digits and capitals drawn."""
        drawn = {"9": _DIGITS, "@": _CAPITALS}
        return "".join(
            self.pick(drawn[character]) if character in drawn else character
            for character in self.one_of(name)
        )
