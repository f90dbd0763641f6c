"""How many things one request holds and becomes, counted before anything is made of them.

A few kilobytes of gzip can hold millions of empty spans or attributes, or text that is to become
millions of messages, each of which costs a hundred times its own bytes in Python. What an honest
request holds is far below the bound.

What is made of a record is counted wherever it is made, however deep, within `counting`:

    >>> with counting():
    ...     translator.spans(records, observed_at=now)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from locard.schema import RejectedRecord

TOO_MANY_ELEMENTS: Final = "too_many_elements"
MOST_ELEMENTS: Final = 750_000
"""Of one request: spans, attributes, items of lists and the like."""

_MOST_MADE: Final = 1_000_000  # of the elements of one request
_FOR_EVENTS: Final = _MOST_MADE // 2  # of these; what reads texts leaves them to what keeps them

BYTES_OF_ELEMENT: Final = 128
"""Of what is written, as many as count as an element."""

_SEPARATORS: Final = (b"{", b"[", b",")
_LOOKED_AT_OF_ELEMENT: Final = 8
_FEW: Final = 1_000  # separators that are not worth finding out which of them stand inside of texts
# To the next separator outside of texts. Possessive, so that each byte is read once; where a text
# has no end nothing matches, and so the bytes after its beginning hold none.
_NEXT: Final = re.compile(
    rb'[^"{\[,]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{\[,]*+)*+[{\[,]', re.DOTALL
)


class Elements:
    """What one request may still hold.

    Args:
        most: that it may hold in all.
    """

    __slots__ = ("left",)

    def __init__(self, most: int = MOST_ELEMENTS) -> None:
        self.left = most

    def take(self, count: int = 1) -> None:
        """Note that something holds so many.

        Raises:
            RejectedRecord: there are more than a request may hold.
        """
        self.left -= count
        if self.left < 0:
            raise too_many_elements()


_MADE: Final[ContextVar[Elements | None]] = ContextVar("made", default=None)


@contextmanager
def counting() -> Iterator[None]:
    """Count what is made within as of one request; without this it is not bounded."""
    token = _MADE.set(Elements(_MOST_MADE))
    try:
        yield
    finally:
        _MADE.reset(token)


def spend(count: int) -> None:
    """Note that so many are made.

    Raises:
        RejectedRecord: a request may not become as many.
    """
    if elements := _MADE.get():
        elements.take(count)


def affords(count: int) -> bool:
    """Note that a text becomes so many if it may, and say whether it may; else it stays a text."""
    elements = _MADE.get()
    if elements is None:
        return True
    if elements.left - count < _FOR_EVENTS:
        return False
    elements.left -= count
    return True


def affords_json(text: bytes) -> bool:
    """Note what a JSON text within a request holds, and say whether it may be read."""
    elements = _MADE.get()
    if elements is None:
        return True
    count = _separators(text)
    if count > _FEW:
        count = _structural(text, max(0, elements.left - _FOR_EVENTS))
    if affords(count):
        return True
    affords(count // _LOOKED_AT_OF_ELEMENT)  # else looking could be had for nothing
    return False


def check_json(body: bytes, most: int = MOST_ELEMENTS) -> None:
    """Return if a JSON text holds no more objects, lists and items than that.

    Raises:
        RejectedRecord: it does.
    """
    if _separators(body) > most and _structural(body, most) > most:
        raise too_many_elements()


def weight_of(text: bytes) -> int:
    """Return as how many elements a JSON text counts for each record that it is copied into."""
    return len(text) // BYTES_OF_ELEMENT + _separators(text)


def too_many_elements() -> RejectedRecord:
    """Return the refusal of what holds more than a request may."""
    return RejectedRecord(
        f"the request holds, or would become, more than {MOST_ELEMENTS:,} elements (records, "
        "attributes, items of lists, events); send fewer records at once",
        TOO_MANY_ELEMENTS,
    )


def _separators(text: bytes) -> int:
    return sum(map(text.count, _SEPARATORS))


def _structural(text: bytes, most: int) -> int:
    """Return how many separators stand outside of texts, counting no further than past `most`."""
    count = position = 0
    while count <= most and (found := _NEXT.match(text, position)):
        position = found.end()
        count += 1
    return count
