"""Reading untrusted JSON strictly: what another reader would see otherwise is refused.

The parser is jiter, which is pydantic's own; this module adds what it lets pass and keeps its error
texts, which quote the input, from going any further.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

import jiter

from locard.schema.json_rules import (
    MAX_DEPTH,
    MAX_INT,
    JsonError,
    JsonValue,
    Reason,
    is_exact,
)

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]|-?[0-9][-+.0-9eE]*')
_PLACE: Final = re.compile(r" at line ([0-9]+) column ([0-9]+)\Z")
_JITER_SAYS: Final[tuple[tuple[str, Reason], ...]] = (
    ("Detected duplicate key", "duplicate_key"),  # the key follows
    ("lone leading surrogate", "encoding"),
    ("unexpected end of hex escape", "encoding"),
    ("recursion limit", "too_deep"),
    ("number out of range", "number_range"),
)


def parse_json(data: bytes) -> JsonValue:
    """Read one JSON text (RFC 8259) from untrusted bytes, accepting only I-JSON (RFC 7493).

    Gives `dict`, `list`, `str`, `int`, `float`, `bool` or `None`. `-0` is read as `0`, and a
    number with a point or an exponent as the nearest `float`.

    Raises:
        JsonError: the bytes are not UTF-8 (a byte order mark included) or not JSON, or hold a
            duplicate key, a lone surrogate escape, an integer beyond `MAX_INT` that a double
            would round, a number too large for a double, NaN or an infinity, or nesting beyond
            `MAX_DEPTH`.
    """
    try:
        # Only keys go to jiter's cache: it belongs to the process and outlives this call, and
        # values are what may be secret.
        value: JsonValue = jiter.from_json(
            data, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError as error:
        fault = _explain(data, str(error))  # raised below, so that jiter's text is not chained
    else:
        if _within_limits(value):
            return value
        fault = _scan(data)
    raise JsonError(fault[0], f"near byte {fault[1]}")


def _explain(data: bytes, message: str) -> tuple[Reason, int]:
    """The kind and the byte offset of a fault jiter found. Only its fixed words are used."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return "encoding", error.start
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place else (1, 1)
    line_start = len(data) - len(data.split(b"\n", line - 1)[-1])
    offset = max(0, line_start + column - 1)
    for start, reason in _JITER_SAYS:
        if message.startswith(start):
            return reason, offset
    return "not_finite" if data.startswith((b"NaN", b"Infinity"), offset) else "syntax", offset


def _within_limits(value: JsonValue) -> bool:
    """Whether a value jiter read keeps to our limits, level by level so as to need no stack.

    jiter takes integers of any size, turns 1e400 into infinity even when told to refuse
    infinities, and lets an empty array or object through one level too deep.
    """
    level: list[Iterable[JsonValue]] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Iterable[JsonValue]] = []
        for items in level:
            for item in items:
                if isinstance(item, str):
                    continue
                if isinstance(item, dict):
                    deeper.append(item.values())
                elif isinstance(item, list):
                    deeper.append(item)
                elif (
                    item is not None
                    and not -MAX_INT <= item <= MAX_INT
                    and not (is_exact(item) if isinstance(item, int) else math.isfinite(item))
                ):
                    return False
        if not deeper:
            return True
        level = deeper
    return False


def _scan(data: bytes) -> tuple[Reason, int]:
    """Where text known to be JSON first goes beyond the limits. Slow: only to explain."""
    depth = 0
    for token in _TOKEN.finditer(data):
        text = token[0]
        if text in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return "too_deep", token.start()
        elif text in b"]}":
            depth -= 1
        elif text[:1] != b'"' and not _readable(text):
            return "number_range", token.start()
    raise AssertionError("a value beyond the limits in a text that keeps to them")


def _readable(number: bytes) -> bool:
    """Whether the text of a number stands for one that every reader sees alike."""
    digits = number.lstrip(b"-")
    if digits.isdigit():
        return len(digits) <= 21 and is_exact(int(number))
    return math.isfinite(float(number))
