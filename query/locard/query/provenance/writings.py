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
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

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
    found = dict.fromkeys([plain(text)])
    layer = [text]
    for _ in range(_DEEPEST):
        layer = [decoded for item in layer for decoded in _decodings(item)]
        layer = [item for item in layer if plain(item) not in found]
        if not layer:
            break
        found.update(dict.fromkeys(map(plain, layer)))
    return tuple(found)


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
