"""Reading other people's JSON: numbers that JSON cannot keep exact become text, not an error."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from locard.schema import JsonError, JsonValue, parse_json

_LARGEST_EXACT: Final = 2**53 - 1


def parse_json_keeping_numbers(data: bytes) -> tuple[JsonValue, int]:
    """Return the value, and how many of its numbers became strings of their digits.

    Integers beyond 2^53-1 and numbers beyond the largest double have no exact form that every
    reader of JSON agrees on (RFC 7493 section 2.2); an account number must not lose its last digit.

    Raises:
        JsonError: the bytes are not acceptable JSON for another reason.
    """
    try:
        return parse_json(data), 0
    except JsonError as error:
        if error.reason != "number_range":
            raise
    numbers = _Numbers()
    try:
        text = json.dumps(json.loads(data, **numbers.hooks), allow_nan=False)
    except (ValueError, RecursionError):
        # Something else is wrong as well; the strict parser says what, once numbers are no issue.
        return parse_json(data), 0
    return parse_json(text.encode()), numbers.kept


class _Numbers:
    """Hooks for `json.loads` that keep what would be lost, and refuse doubled keys."""

    def __init__(self) -> None:
        self.kept = 0
        self.hooks: dict[str, Any] = {
            "parse_int": self._integer,
            "parse_float": self._float,
            "object_pairs_hook": _unique,
        }

    def _integer(self, digits: str) -> int | str:
        # The length is looked at first: converting a million digits would take for ever.
        if len(digits) <= 17 and abs(int(digits)) <= _LARGEST_EXACT:
            return int(digits)
        self.kept += 1
        return digits

    def _float(self, digits: str) -> float | str:
        if math.isfinite(float(digits)):
            return float(digits)
        self.kept += 1
        return digits


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has the same key twice")
    return members
