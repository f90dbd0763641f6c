"""Copies of what is plain already, as most of what agents hand over is: for `plain.py`."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

UNCHANGED: Final = frozenset({float, bool, NoneType})
"""Types whose objects stay as they are."""
CHARACTERS_OF_ITEM: Final = 24
"""Roughly how many characters of JSON an item of a container has beside its text."""
_NUMBERS: Final = UNCHANGED | {int}
_WORD: Final = 2**63


def flat_copy(
    value: dict[Any, Any], room: int, levels: int = 3
) -> tuple[dict[str, Any], int] | None:
    """Return a copy of a dictionary, and roughly how many characters its JSON has.

    Args:
        room: for so many characters, at most.
        levels: of what is nested in it, at most.

    Returns:
        `None` where it is larger, or holds more than texts, small numbers, and dictionaries and
        lists of those. Few do, and this takes a quarter of the time.
    """
    found: dict[str, Any] = {}
    size = 0
    try:
        for key, item in value.items():
            kind = type(item)
            if type(key) is not str:
                return None
            size += len(key) + CHARACTERS_OF_ITEM
            if kind is str:
                size += len(item)
            elif kind is dict or kind is list:
                copied = _flat(item, room - size, levels)
                if copied is None:
                    return None
                item = copied[0]
                size += copied[1]
            elif kind not in UNCHANGED and (kind is not int or not -_WORD < item < _WORD):
                return None
            if size > room:
                return None
            found[key] = item
    except RuntimeError:  # another thread changes it
        return None
    return found, size


def _flat(value: Any, room: int, levels: int) -> tuple[Any, int] | None:
    if not levels:
        return None
    if type(value) is dict:
        return flat_copy(value, room, levels - 1)
    found: list[Any] = []
    size = 0
    if len(value) * CHARACTERS_OF_ITEM > room:
        return None
    for item in value[:]:
        size += CHARACTERS_OF_ITEM
        if type(item) is str:
            found.append(item)
            size += len(item)
            continue
        copied = flat_copy(item, room - size, levels - 1) if type(item) is dict else None
        if copied is None:
            return None
        found.append(copied[0])
        size += copied[1]
    return (found, size) if size <= room else None


def are_numbers(items: list[Any]) -> bool:
    """Say whether all items are numbers that stay as they are, as those of a vector do."""
    if not items or type(items[0]) not in _NUMBERS:
        return False
    kinds = set(map(type, items))
    return kinds <= UNCHANGED or (kinds == {int} and min(items) > -_WORD and max(items) < _WORD)
