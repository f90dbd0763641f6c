"""JSON within a text: all of it, or parts of it. Pure.

Scanned as text its escapes would hide values and invent others, so it is read, and written again
where something in it was replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final, NamedTuple

from locard.schema import JsonError, parse_json

_BEGINS: Final = re.compile(r'\{\s{0,20}"|\[\s{0,20}[\[{"]')
_MOST_FAILURES: Final = 8  # of a text; each may have read it to its end
_decoder: Final = JSONDecoder()


class JsonPart(NamedTuple):
    """An object or list within a text, at this half-open range."""

    start: int
    end: int
    value: Any


def json_in(text: str) -> Any:
    """Return the object or list that a text is, or `None` where it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse_json(text.encode())
    except (JsonError, UnicodeEncodeError):
        return None


def json_parts(text: str) -> Iterator[JsonPart]:
    """Yield the objects and lists that stand in a text, in order, such as an answer around them.

    Of a text with many beginnings that are none, what comes late is passed over.
    """
    failures = position = 0
    while failures < _MOST_FAILURES and (begin := _BEGINS.search(text, position)):
        try:
            _, end = _decoder.raw_decode(text, begin.start())
            value = parse_json(text[begin.start() : end].encode())
        except (JSONDecodeError, RecursionError, JsonError, UnicodeEncodeError, ValueError):
            failures += 1
            position = begin.start() + 1
            continue
        yield JsonPart(begin.start(), end, value)
        position = end
