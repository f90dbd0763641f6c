"""Reading other people's JSON: numbers that JSON cannot keep exact become text, not an error."""

from __future__ import annotations

import json
from typing import Any, Final

from locard.schema import CanonicalError, JsonError, JsonValue, canonical_bytes, parse_json

_BESIDE: Final = "in a text that has a number beyond the limits as well"


def parse_json_keeping_numbers(data: bytes) -> tuple[JsonValue, int]:
    """Return the value, and how many of its numbers became strings of their digits.

    Integers that a double would round, and numbers beyond the largest double, have no exact form
    that every reader of JSON agrees on (RFC 7493 section 2.2); an account number must not lose its
    last digit. Whatever is returned has canonical bytes.

    Raises:
        JsonError: the bytes are not acceptable JSON for another reason.
    """
    try:
        return parse_json(data), 0
    except JsonError as error:
        if error.reason != "number_range":
            raise
    return _read_again(data)


def _read_again(data: bytes) -> tuple[JsonValue, int]:
    """Read with the standard library, which hands out the digits; it accepts more than we do."""
    numbers = _Numbers()
    try:
        value: JsonValue = json.loads(
            data.decode(),
            parse_int=numbers.read,
            parse_float=numbers.read,
            object_pairs_hook=_unique,
        )
        canonical_bytes(value)
    except (JsonError, CanonicalError) as error:
        raise JsonError(error.reason, _BESIDE) from None
    except RecursionError:
        raise JsonError("too_deep", _BESIDE) from None
    except ValueError:
        raise JsonError("syntax", _BESIDE) from None
    return value, numbers.kept_as_text


class _Numbers:
    """Reads numbers, and counts those that it leaves as text."""

    def __init__(self) -> None:
        self.kept_as_text = 0

    def read(self, digits: str) -> JsonValue:
        """Return the number that these digits are, or the digits."""
        try:
            return parse_json(digits.encode())
        except JsonError:
            self.kept_as_text += 1
            return digits


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise JsonError("duplicate_key", _BESIDE)
    return members
