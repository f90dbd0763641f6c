"""JSON objects of OTLP: reading them leniently, and their members one by one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from locard.ingest.elements import check_json, spend
from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.ingest.otlp.holdable import holdable, unused
from locard.ingest.otlp.identifiers import name_of
from locard.schema import JsonError, RejectedRecord

T = TypeVar("T")
_UNREAD_COSTS: Final = 4  # elements: of each an object is made with its name and its value
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_LARGEST_UINT64: Final = 2**64 - 1
_MOST_DIGITS: Final = 20  # of a 64-bit integer, with its sign


class Members:
    """The members of one JSON object, each under either of its two names."""

    def __init__(self, value: Any) -> None:
        """Hold the members of an object, none where it is `null`.

        Raises:
            RejectedRecord: it is something else.
        """
        if value is not None and not isinstance(value, dict):
            raise not_otlp("an object")
        self._left: dict[str, Any] = dict(value or {})
        self._bad: list[dict[str, Any]] = []

    def take(self, name: str, default: Any = None) -> Any:
        """Return a member and count it as read; the default where it is missing or `null`."""
        found = self._left.pop(name, None)
        if found is None:
            found = self._left.pop(snake_case(name), None)
        return default if found is None else found

    def text(self, name: str) -> str:
        """Return a text, empty where there is none."""
        return self._typed(name, str, "")

    def items(self, name: str) -> list[Any]:
        """Return a list, empty where there is none."""
        return self._typed(name, list, [])

    def records(self, *names: str) -> list[Any]:
        """Return the items of lists that hold records.

        Raises:
            RejectedRecord: one is no list; what it holds would be lost.
        """
        found: list[Any] = []
        for name in names:
            given = self.take(name, [])
            if not isinstance(given, list):
                raise not_otlp("a list")
            found += given
        return found

    def count(self, name: str) -> int:
        """Return a whole number from 0 to 2^64-1, 0 where there is none."""
        given = self.take(name, 0)
        found = whole(given)
        if found is not None and 0 <= found <= _LARGEST_UINT64:
            return found
        self.keep(name, given)
        return 0

    def choice(self, name: str, prefix: str, names: tuple[str, ...]) -> str:
        """Return the value of an enumeration, given as its number or as `PREFIX_NAME`."""
        given = self.take(name, 0)
        found = whole(given)
        if found is not None:
            return name_of(found, names)
        if isinstance(given, str):
            told = given.removeprefix(prefix).lower()
            if told in names:
                return told
        self.keep(name, given)
        return names[0]

    def keep(self, name: str, value: Any) -> None:
        """Note a member that is not what it should be."""
        self._bad.append({"field": name, "value": holdable(value)[0]})

    def rest(self) -> tuple[Mapping[str, Any], ...]:
        """Return what was not what it should be, and what nobody took.

        Raises:
            RejectedRecord: there is too much that has to be kept so.
        """
        spend(_UNREAD_COSTS * len(self._left))
        left = [{"field": holdable(k)[0], "value": holdable(v)[0]} for k, v in self._left.items()]
        return (*self._bad, *left)

    def _typed(self, name: str, kind: type[T], default: T) -> T:
        given = self.take(name, default)
        if isinstance(given, kind):
            return given
        self.keep(name, given)
        return default


def not_otlp(expected: str) -> RejectedRecord:
    """Return the error for JSON that is not of OTLP's form."""
    return RejectedRecord(
        f"something else stands where OTLP has {expected}; send the form of OTLP/JSON",
        "bad_otlp_json",
    )


def read_json(body: bytes) -> Any:
    """Return what the body holds; where it is no I-JSON only in places, it is read all the same.

    Of a key that comes twice both values are kept, broken text is read with U+FFFD, and numbers
    that JSON does not keep as the text of their digits.

    Raises:
        RejectedRecord: it is no JSON, or holds too much.
    """
    check_json(body)
    try:
        return parse_json_keeping_numbers(body)[0]
    except JsonError as error:
        reason = error.reason
    try:
        return json.loads(
            body.decode("utf-8", "replace"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_real,
        )
    except RecursionError:
        reason = "too_deep"
    except ValueError:
        pass
    raise RejectedRecord(
        "the body is no JSON, was cut off or is nested too deep; send it again", f"json_{reason}"
    )


@lru_cache(maxsize=256)
def snake_case(name: str) -> str:
    """Return `traceId` as `trace_id`."""
    return _CAPITAL.sub("_", name).lower()


def whole(value: Any) -> int | None:
    """Return a whole number that comes as a number or as its digits, `None` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() else None
    return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[unused(members, name)] = value
    return members


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _real(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits
