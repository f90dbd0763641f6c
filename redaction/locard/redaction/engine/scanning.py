"""A text as bytes, one for each character, in which ASCII patterns match where the text's would.

Each character outside of ASCII becomes one of the same class: letters, digits and marks `_`, white
space a vertical tab, all others a control character. So positions are those of the text, and `\\b`,
`\\w` and `\\s` hold where they hold in it. A few characters have no such twin: those that match an
ASCII letter when case is ignored, and digits, which `\\d` matches.
"""

from __future__ import annotations

from typing import Final

import regex

_WORD: Final = regex.compile(r"\w")
_SPACE: Final = regex.compile(r"\s")
_DIGIT: Final = regex.compile(r"\d")
# Under `regex` these alone match ASCII letters when case is ignored: ı, İ, ſ and the Kelvin sign.
_LIKE_LETTERS: Final = frozenset({0x130, 0x131, 0x17F, 0x212A})
_NO_TWIN: Final = "\x02"
_NO_ASCII: Final = regex.compile(r"[^\x00-\x7f]")
_OTHER: Final = "\x01"  # neither word nor white space


class _Twins(dict[int, str]):
    """The twin of each character, found when it is first seen."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 128:
            twin = character
        elif code in _LIKE_LETTERS or _DIGIT.match(character):
            twin = _NO_TWIN
        elif _WORD.match(character):
            twin = "_"
        else:
            twin = "\x0b" if _SPACE.match(character) else _OTHER
        self[code] = twin
        return twin


_twins: Final = _Twins()


def scannable(text: str) -> bytes | None:
    """Return the text as such bytes, `None` where a character has no twin."""
    if text.isascii():
        return text.encode()
    twin = text.translate(_twins)
    if _NO_TWIN in twin and twin.count(_NO_TWIN) > text.count(_NO_TWIN):
        return None
    return twin.encode()


def scannable_as_ascii(text: str) -> bytes:
    """Return the text as bytes for patterns that know ASCII alone, where `scannable` is too wide.

    To them no other character is a letter, a digit or white space.
    """
    as_ascii: str = _NO_ASCII.sub(_OTHER, text)
    return as_ascii.encode()
