"""What the model sees of a word: its letters, its shape, and which lists know it.

Every feature is a row of the model's table, chosen by a hash of the feature's name.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final
from zlib import crc32

from locard.redaction.names.lexicon import Lexicon
from locard.redaction.names.tokens import LONGEST_WORD, word_of

ROWS: Final = 1 << 16  # of the table; a power of two
PAD: Final = "\x00"
KEY: Final = "\x02"
IDENTITY: Final = 1  # the place of the feature that knows one word from all others
_RUN: Final = 2


def rows_of(token: str, lexicon: Lexicon) -> list[int]:
    """Return the rows of a token's features, always in the same order.

    Args:
        token: as `tokens_of` makes it.
    """
    return [
        crc32(name.encode("utf-8", "surrogatepass")) & (ROWS - 1) for name in _names(token, lexicon)
    ]


def _names(token: str, lexicon: Lexicon) -> list[str]:
    word = word_of(token)
    before = token[: len(token) - len(word)]
    shape, lower = shape_of(word), word.lower()
    names = [f"b{before}", f"w{lower}", f"s{shape}", f"sb{before[:1]}{shape}"]
    if len(token) >= LONGEST_WORD or not any(character.isalnum() for character in word):
        return names
    if word.isdigit():
        return [*names, f"l{min(len(word), 12)}", f"1{word[:1]}", f"2{word[:2]}{len(word)}"]
    flags = lexicon.flags(lower)
    case = shape[:2]
    names += [f"f{flags}", f"fc{flags}{case}"]
    names += [f"g{bit}{case}" for bit in range(16) if flags >> bit & 1]
    plain = plain_of(lower)
    if plain != lower:
        names.append("accents")
        names.append(f"fp{lexicon.flags(plain)}{case}")
    bounded = f"^{plain}$"
    names += [f"p{plain[:size]}" for size in (1, 2, 3, 4)]
    names += [f"e{plain[-size:]}" for size in (1, 2, 3, 4, 5)]
    names += [f"n{bounded[at : at + 3]}" for at in range(min(len(bounded) - 2, 14))]
    if "_" in word:
        parts = lower.strip("_").split("_")
        names += ["_", f"_l{parts[-1]}", f"_f{parts[0]}"]
    elif shape.count("X") > 1 and "x" in shape:
        names.append("camel")
    return names


def shape_of(word: str) -> str:
    """Return the shape of a word, such as `Xxx` for `Name` and `dd` for `1990`.

    What comes more than twice in a row is written twice.
    """
    shape = ""
    for character in word[:LONGEST_WORD]:
        kind = _kind(character)
        if shape[-_RUN:] != kind * _RUN:
            shape += kind
    return shape[:10]


@lru_cache(4096)
def _kind(character: str) -> str:
    if character.isdigit():
        return "d"
    if character.isalpha():
        if not character.isascii() and not unicodedata.name(character, "").startswith("LATIN"):
            return "G" if character.isupper() else "g"
        return "X" if character.isupper() else "x"
    return "_" if character == "_" else character if character.isascii() else "*"


def plain_of(word: str) -> str:
    """Return a word without its accents."""
    if word.isascii():
        return word
    split = unicodedata.normalize("NFD", word)
    return "".join(character for character in split if not unicodedata.combining(character))
