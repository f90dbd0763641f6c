"""Which lists know a word: given names, family names, towns, countries, frequent English words.

Words are kept as hashes, so that the file is small and is no list of names to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

LISTS: Final = (
    "first",
    "last",
    "city",
    "country",
    "nationality",
    "street",
    "organization",
    "legal",
    "title",
    "time",
    "word1",
    "word2",
    "word3",
    "word4",
)


class Lexicon:
    """Words by their hash, each with a bit for every list that has it.

    Args:
        hashes: in ascending order.
        bits: of the word at the same place.
    """

    def __init__(self, hashes: npt.NDArray[np.uint32], bits: npt.NDArray[np.uint16]) -> None:
        self.hashes = hashes
        self.bits = bits

    def flags(self, word: str) -> int:
        """Return the bits of a lower-case word, in the order of `LISTS`; 0 where none has it."""
        digest = hash_of(word)
        place = int(np.searchsorted(self.hashes, np.uint32(digest)))
        if place < len(self.hashes) and self.hashes[place] == digest:
            return int(self.bits[place])
        return 0

    @classmethod
    def of(cls, lists: Mapping[str, Iterable[str]]) -> Lexicon:
        """Return a lexicon of lists of lower-case words, named as in `LISTS`."""
        bits: dict[int, int] = {}
        for number, name in enumerate(LISTS):
            for word in lists.get(name, ()):
                digest = hash_of(word)
                bits[digest] = bits.get(digest, 0) | 1 << number
        hashes = np.array(sorted(bits), dtype=np.uint32)
        return cls(hashes, np.array([bits[int(h)] for h in hashes], dtype=np.uint16))


def hash_of(word: str) -> int:
    """Return the hash that stands for a word."""
    return crc32(word.encode("utf-8", "surrogatepass"), 0x4C6F6361)
