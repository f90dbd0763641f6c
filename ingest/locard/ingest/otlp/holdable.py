"""Values that an event cannot hold, replaced by ones that say the same and can be held.

    an integer that a double rounds        the text of its digits
    NaN, an infinity                       the text `NaN`, `Infinity`, `-Infinity`
    half of a surrogate pair in text       U+FFFD
    what is nested deeper than `DEEPEST`   the text of its JSON
    a key that is not text                 its text
    a value of another type                its text

Whoever replaces says so: in `schema_nonconformant` of the event, by the name of the attribute.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from locard.schema.json_rules import MAX_DEPTH, MAX_INT, is_exact

DEEPEST: Final = MAX_DEPTH - 60
"""How deep a value may be nested, so that an event that holds it is not nested too deep."""

_MOST_DIGITS: Final = 4_000  # Python refuses to write longer integers


def number(value: int) -> int | str:
    """Return an integer that every reader keeps exact, or the text of its digits."""
    if -MAX_INT <= value <= MAX_INT or (abs(value) < 10**21 and is_exact(value)):
        return value
    return str(value) if value.bit_length() < _MOST_DIGITS else hex(value)


def real(value: float) -> float | str:
    """Return a finite number, or the name of what is none."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text(value: str) -> str:
    """Return text without halves of surrogate pairs."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def holdable(value: Any, levels: int = DEEPEST) -> tuple[Any, bool]:
    """Return the value as an event can hold it, and whether anything had to be replaced."""
    replacing = _Replacing()
    return replacing.replace(value, levels), replacing.is_used


class _Replacing:
    def __init__(self) -> None:
        self.is_used = False

    def replace(self, value: Any, levels: int) -> Any:
        if isinstance(value, dict | list | tuple):
            if levels <= 0:
                self.is_used = True
                return _json_text(value)
            if isinstance(value, dict):
                return self._members(value, levels - 1)
            return [self.replace(item, levels - 1) for item in value]
        held = self._scalar(value)
        self.is_used = self.is_used or held is not value
        return held

    def _members(self, value: dict[Any, Any], levels: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, item in value.items():
            name = unused(members, self._scalar(key) if isinstance(key, str) else repr(key))
            self.is_used = self.is_used or name is not key
            members[name] = self.replace(item, levels)
        return members

    @staticmethod
    def _scalar(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return text(value)
        if isinstance(value, int):
            return number(value)
        return real(value) if isinstance(value, float) else text(str(value))


def unused(members: dict[str, Any], name: str) -> str:
    """Return the name, or where it is taken one like it: with `'` and perhaps a number behind."""
    if name in members:
        name += "'"
    if name in members:  # a number, so that a thousand of them cost no more than one each
        name += str(len(members))
    while name in members:
        name += "'"
    return name


def _json_text(value: Any) -> str:
    try:
        return text(json.dumps(value, ensure_ascii=False, default=str))
    except (RecursionError, ValueError, TypeError):
        return "nested too deep to be written"
