"""One way to write every text, so that copies are found however they were written. Pure.

A value that an agent copies is rarely copied byte by byte: case, blanks and quotes change, an
address is percent-encoded into a URL, a paragraph goes into a mail as base64, JSON is put into
JSON. Each text is compared as `plain`, and beside it what its encoded pieces say.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final
from urllib.parse import unquote_plus

_WORD: Final = re.compile(r"\w+")
_BLANKS: Final = re.compile(r"\s+")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"\b(?:[0-9a-fA-F]{2}){8,}\b")
_ESCAPED: Final = re.compile(r"\\(?:[\"\\/bfnrt]|u[0-9a-fA-F]{4})")
_BARE_QUOTE: Final = re.compile(r'(?<!\\)"')
_DEEPEST: Final = 3  # encodings within encodings
_LONGEST_KEPT: Final = 10_000  # characters of a text that is remembered
_MOST_PIECES: Final = 200  # encoded pieces that are looked into, of one text
_QUOTES: Final = str.maketrans("‘’‚“”„«»–—−", '\'\'\'"""""---')


class Writing:
    """A text as it is compared, in which others are looked for.

    Args:
        text: as `plain` makes it.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words: who looks for many texts looks here first, and reads it for few of them."""
        return frozenset(_WORD.findall(self.text))

    def has(self, sought: Sought) -> bool:
        """Return whether a text stands here, and is no part of a longer word."""
        return sought.words <= self.words and sought.stands_in(self.text)


@dataclass(frozen=True, slots=True)
class Sought:
    """A text that is looked for.

    Args:
        text: as `plain` makes it.
        words: those of its words that are whole wherever it stands.
        may_be_within: words may go on before it or behind it.
    """

    text: str
    words: frozenset[str]
    may_be_within: bool = False

    @classmethod
    def of(cls, text: str, *, may_be_within: bool = False) -> Sought:
        """Return how this text is looked for."""
        words = _WORD.findall(text)
        # A word at an end that is not bounded there may be part of a longer one.
        begin = 1 if words and (may_be_within or text[0] == "_") else 0
        end = len(words) - (1 if words and (may_be_within or text[-1] == "_") else 0)
        return cls(text, frozenset(words[begin:end]), may_be_within)

    def stands_in(self, text: str) -> bool:
        """Return whether it stands in a text, as no part of a longer word."""
        at = text.find(self.text)
        while at >= 0:
            end = at + len(self.text)
            if self.may_be_within or not (
                (self.text[0].isalnum() and at and _is_of_word(text[at - 1]))
                or (self.text[-1].isalnum() and end < len(text) and _is_of_word(text[end]))
            ):
                return True
            at = text.find(self.text, at + 1)
        return False


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def plain(text: str) -> str:
    """Return a text as it is compared: NFKC, without case, one blank for any, quotes alike."""
    return _plain_cached(text) if len(text) <= _LONGEST_KEPT else _plain(text)


def writings(text: str) -> tuple[str, ...]:
    """Return the text as it is compared, and after it what is encoded in it."""
    return _writings_cached(text) if len(text) <= _LONGEST_KEPT else _writings(text)


def _plain(text: str) -> str:
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).translate(_QUOTES))
    return _BLANKS.sub(" ", text).strip().casefold()


def _writings(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(plain, (text, *decoded(text)))))


def decoded(text: str) -> list[str]:
    """Return the texts that are encoded in a text, and in those, as they were written."""
    found: list[str] = []
    known = {plain(text)}
    layer = [text]
    for _ in range(_DEEPEST):
        layer = [item for outer in layer for item in _decodings(outer) if plain(item) not in known]
        if not layer:
            break
        known.update(map(plain, layer))
        found += layer
    return found


_plain_cached = lru_cache(maxsize=20_000)(_plain)
_writings_cached = lru_cache(maxsize=10_000)(_writings)


def _decodings(text: str) -> Iterator[str]:
    if _PERCENT.search(text):
        yield unquote_plus(text)
    if "&" in text and (told := html.unescape(text)) != text:
        yield told
    if "\\" in text and _ESCAPED.search(text):
        with suppress(ValueError):  # it only looks like JSON
            yield json.loads('"' + _BARE_QUOTE.sub(r"\"", text.replace("\n", r"\n")) + '"')
    for number, found in enumerate(_BASE64.finditer(text)):
        if number >= _MOST_PIECES:
            break
        yield from _readable(_from_base64(found.group()))
    for number, found in enumerate(_HEX.finditer(text)):
        if number >= _MOST_PIECES:
            break
        yield from _readable(bytes.fromhex(found.group()))


def _from_base64(text: str) -> bytes:
    given = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(given + "=" * (-len(given) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _readable(data: bytes) -> Iterator[str]:
    """Yield what bytes say, if that is text: most words look like base64 and are none."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if len(text) >= 6 and all(c.isprintable() or c in "\r\n\t" for c in text):
        yield text
