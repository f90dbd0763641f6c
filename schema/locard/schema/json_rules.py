"""What JSON may be recorded: the limits, and the refusal of what lies beyond them.

The limits are those of I-JSON (RFC 7493), which RFC 8785 builds on, and a bound on nesting. No
refusal carries payload text: it names the kind of fault, where it is as a position, and what to do
next.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | bool | int | float | None"
"""A JSON value. To a type checker the same as `pydantic.JsonValue`, which models need instead."""

# fmt: off
Reason: TypeAlias = Literal[
    "syntax", "encoding", "duplicate_key", "too_deep", "number_range", "not_finite",
    "key_type", "value_type",
]
# fmt: on
"""Why a value or a JSON text is refused."""

MAX_DEPTH: Final = 200
"""How many objects and arrays may be nested inside each other; `[[]]` counts two."""

MAX_INT: Final = 2**53 - 1
"""The largest integer every JSON reader keeps exact (RFC 7493 section 2.2)."""

_ADVICE: Final[dict[Reason, tuple[str, str]]] = {
    "syntax": ("text that is not JSON", "send one complete RFC 8259 text and nothing after it"),
    "encoding": ("text that is not Unicode", "send UTF-8 without lone surrogates"),
    "duplicate_key": ("an object with the same key twice", "keep one member for each key"),
    "too_deep": (f"more than {MAX_DEPTH} levels, or than the stack has room for", "flatten it"),
    "number_range": ("an integer beyond 2^53-1 or a float beyond a double", "send a string"),
    "not_finite": ("NaN or an infinity", "use null or a string"),
    "key_type": ("an object key that is not a string", "make each key a str"),
    "value_type": ("a value of a type JSON does not have", "convert it first"),
}


class _RefusalError(ValueError):
    def __init__(self, reason: Reason, where: str) -> None:
        super().__init__(reason, where)  # both in args, so that the error survives pickling
        self.reason: Reason = reason
        self.where = where

    def __str__(self) -> str:
        what, advice = _ADVICE[self.reason]
        return f"{what}, {self.where}: {advice}"


class FaultError(Exception):
    """A refusal on its way up, before anybody knows where in the value it is."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason


class CanonicalError(_RefusalError):
    """A value RFC 8785 cannot represent. `reason` says why, `where` at which position."""


class JsonError(_RefusalError):
    """Bytes that are not acceptable JSON. `reason` says why, `where` near which byte."""


def number_text(value: float) -> str:
    """ECMAScript's Number::toString, from `repr`, which has the same shortest digits."""
    if not math.isfinite(value):
        raise FaultError("not_finite")
    if value == 0:
        return "0"  # also for -0.0
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text.removesuffix(".0")
    # Python turns to an exponent below 1e-4 and from 1e16, ECMAScript below 1e-6 and from 1e21.
    power = int(exponent)
    if not -7 < power < 21:
        return f"{mantissa}e{power:+d}"
    sign = "-" if value < 0 else ""
    digits = mantissa.lstrip("-").replace(".", "")
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return sign + digits.ljust(power + 1, "0")


def is_exact(number: int) -> bool:
    """Whether every reader sees this integer: a double holds it and is written with its digits.

    RFC 8785 writes the double 1e20 as twenty-one digits, so refusing all integers beyond 2^53-1
    would refuse what we ourselves wrote.
    """
    if -MAX_INT <= number <= MAX_INT:
        return True
    return abs(number) < 10**21 and number_text(float(number)) == repr(number)
