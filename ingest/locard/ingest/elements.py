"""How many things one request holds, counted before anything is made of them.

A few kilobytes of gzip can hold millions of empty spans or attributes, each of which costs a
hundred times its own bytes in Python. What an honest request holds is far below the bound.
"""

from __future__ import annotations

import re
from typing import Final

from locard.schema import RejectedRecord

TOO_MANY_ELEMENTS: Final = "too_many_elements"
MOST_ELEMENTS: Final = 500_000  # of one request: spans, attributes, items of lists and the like

_SEPARATORS: Final = (b"{", b"[", b",")
# To the end of the body where a string has none, so that each byte is read once.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


class Elements:
    """What one request may still hold.

    Args:
        most: that it may hold in all.
    """

    __slots__ = ("_left",)

    def __init__(self, most: int = MOST_ELEMENTS) -> None:
        self._left = most

    def take(self, count: int = 1) -> None:
        """Note that something holds so many.

        Raises:
            RejectedRecord: there are more than a request may hold.
        """
        self._left -= count
        if self._left < 0:
            raise too_many_elements()


def check_json(body: bytes, most: int = MOST_ELEMENTS) -> None:
    """Return if a JSON text holds no more objects, lists and items than that.

    Raises:
        RejectedRecord: it does.
    """
    if _separators(body) > most and _separators(_STRINGS.sub(b"", body)) > most:
        raise too_many_elements()


def too_many_elements() -> RejectedRecord:
    """Return the refusal of what holds more than a request may."""
    return RejectedRecord(
        f"the body holds more than {MOST_ELEMENTS:,} elements (records, attributes, items of "
        "lists); send fewer at once",
        TOO_MANY_ELEMENTS,
    )


def _separators(text: bytes) -> int:
    return sum(map(text.count, _SEPARATORS))
