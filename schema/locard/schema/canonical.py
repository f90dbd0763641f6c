"""Canonical JSON bytes, and the strict reader that is their counterpart.

Digests and signatures are computed over bytes, so two programs that hold the same value
must write the same bytes. RFC 8785 (JSON Canonicalization Scheme, JCS) fixes them:

* no whitespace (section 3.2.1) and UTF-8 output (3.2.4);
* strings with the fewest escapes (3.2.2.2) and numbers as ECMAScript prints them (3.2.2.3);
* object members sorted by the UTF-16 code units of their keys (3.2.3);
* input limited to I-JSON (section 2, RFC 7493): exact integers, finite numbers, unique keys
  and well-formed Unicode.

No error raised here carries payload text: it names the kind of fault, where it is as a
position, and what to do next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from json.encoder import encode_basestring as _quote  # C; exactly the escapes of 3.2.2.2
from typing import Any, Final, Literal, TypeAlias

import jiter

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

# Every byte but the first ones of U+E000..U+FFFF (EE, EF) and of astral characters (F0..F4).
_NOT_LEADING: Final = bytes({*range(256)} - {*range(0xEE, 0xF5)})
_ASTRAL: Final = 0xF0

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]|-?[0-9][-+.0-9eE]*')
_PLACE: Final = re.compile(r" at line ([0-9]+) column ([0-9]+)\Z")
_JITER_SAYS: Final[tuple[tuple[str, Reason], ...]] = (
    ("Detected duplicate key", "duplicate_key"),  # the key follows
    ("lone leading surrogate", "encoding"),
    ("unexpected end of hex escape", "encoding"),
    ("recursion limit", "too_deep"),
    ("number out of range", "number_range"),
)


class _RefusalError(ValueError):
    def __init__(self, reason: Reason, where: str) -> None:
        super().__init__(reason, where)  # both in args, so that the error survives pickling
        self.reason: Reason = reason
        self.where = where

    def __str__(self) -> str:
        what, advice = _ADVICE[self.reason]
        return f"{what}, {self.where}: {advice}"


class CanonicalError(_RefusalError):
    """A value RFC 8785 cannot represent. `reason` says why, `where` at which position."""


class JsonError(_RefusalError):
    """Bytes that are not acceptable JSON. `reason` says why, `where` near which byte."""


class _FaultError(Exception):
    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason


def canonical_bytes(value: JsonValue) -> bytes:
    """Write a JSON value as its RFC 8785 bytes.

    Takes `dict` with `str` keys, `list`, `tuple` (as a list), `str`, `int`, `float`, `bool`
    and `None`; members of enums and other subclasses of these are written as the plain value
    they hold. The value must not be changed by another thread meanwhile.

    A float with an integral value is written without a point (`1.0` as `1`). An integer beyond
    2^53-1 is written only where its digits are the canonical form of a double (`10**20`), since
    then no reader rounds it.

    Raises:
        CanonicalError: the value has no RFC 8785 form or is nested beyond `MAX_DEPTH`.
    """
    result = _attempt(value)
    if isinstance(result, bytes):
        return result
    raise CanonicalError(result, _position(value, result))


def parse_json(data: bytes) -> JsonValue:
    """Read one JSON text (RFC 8259) from untrusted bytes, accepting only I-JSON (RFC 7493).

    Gives `dict`, `list`, `str`, `int`, `float`, `bool` or `None`. `-0` is read as `0`, and a
    number with a point or an exponent as the nearest `float`.

    Raises:
        JsonError: the bytes are not UTF-8 (a byte order mark included) or not JSON, or hold a
            duplicate key, a lone surrogate escape, an integer beyond `MAX_INT` that a double
            would round, a number too large for a double, NaN or an infinity, or nesting beyond `MAX_DEPTH`.
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


def _attempt(value: object) -> bytes | Reason:
    """The canonical bytes, or why there are none: no exception that could hold payload."""
    try:
        text = _write(value, MAX_DEPTH, False)
        data = text.encode()
        if not text.isascii():
            # Python sorts by code point. That differs from UTF-16 order only between an
            # astral character, whose first unit is D800..DBFF, and one of U+E000..U+FFFF.
            leading = data.translate(None, _NOT_LEADING)
            if leading and min(leading) < _ASTRAL <= max(leading):
                data = _write(value, MAX_DEPTH, True).encode()
        return data
    except UnicodeEncodeError:
        return "encoding"
    except RecursionError:  # the caller was deep in the stack already
        return "too_deep"
    except _FaultError as fault:
        return fault.reason


def _write(value: object, depth: int, utf16: bool) -> str:
    """Canonical text of any value; `_object` handles the common types itself, for speed."""
    # An explicit base class call is what an enum or a subclass cannot override.
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        number = int.__int__(value)
        if not _is_exact(number):
            raise _FaultError("number_range")
        return repr(number)
    if isinstance(value, float):
        return _number(float.__float__(value))
    if isinstance(value, dict):
        return _object(value, depth, utf16)
    return _array(value, depth, utf16)


def _array(value: object, depth: int, utf16: bool) -> str:
    if not isinstance(value, list | tuple):
        raise _FaultError("value_type")
    if not depth:
        raise _FaultError("too_deep")
    items = [
        _quote(item)
        if type(item) is str
        else _number(item)
        if type(item) is float
        else _write(item, depth - 1, utf16)
        for item in value
    ]
    return f"[{','.join(items)}]"


def _object(value: dict[Any, Any], depth: int, utf16: bool) -> str:
    if not depth:
        raise _FaultError("too_deep")
    try:
        keys = sorted(value)
    except TypeError:  # keys of several types
        return _object(_plain_keys(value), depth, utf16)
    if utf16 and not "".join(keys).isascii():
        keys.sort(key=_utf16_units)
    members: list[str] = []
    add = members.append
    for key in keys:
        if type(key) is not str:
            return _object(_plain_keys(value), depth, utf16)
        item = value[key]
        kind = type(item)
        if kind is str:
            add(f"{_quote(key)}:{_quote(item)}")
        elif kind is int and -MAX_INT <= item <= MAX_INT:
            add(f"{_quote(key)}:{item}")
        elif kind is dict:
            add(f"{_quote(key)}:{_object(item, depth - 1, utf16)}")
        else:
            add(f"{_quote(key)}:{_write(item, depth - 1, utf16)}")
    return f"{{{','.join(members)}}}"


def _utf16_units(key: str) -> bytes:
    return str.encode(key, "utf-16-be", "surrogatepass")


def _plain_keys(value: dict[Any, Any]) -> dict[str, Any]:
    """The object with plain `str` keys, whatever order or equality a subclass defines."""
    plain: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _FaultError("key_type")
        name = str.__str__(key)
        if name in plain:
            raise _FaultError("duplicate_key")
        plain[name] = item
    return plain


def _number(value: float) -> str:
    """ECMAScript's Number::toString, from `repr`, which has the same shortest digits."""
    if not math.isfinite(value):
        raise _FaultError("not_finite")
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


def _is_exact(number: int) -> bool:
    """Whether every reader sees this integer: a double holds it and is written with its digits.

    RFC 8785 writes the double 1e20 as twenty-one digits, so refusing all integers beyond 2^53-1
    would refuse what we ourselves wrote.
    """
    if -MAX_INT <= number <= MAX_INT:
        return True
    return abs(number) < 10**21 and _number(float(number)) == repr(number)


def _position(value: object, reason: Reason) -> str:
    """Where the fault is, as positions from the top down, since keys are payload."""
    if reason == "too_deep":
        return "below the top level"
    path: list[int] = []
    while isinstance(value, dict | list | tuple) and len(path) < MAX_DEPTH:  # a cycle has no end
        items = list(value.values() if isinstance(value, dict) else value)
        at = next((at for at, item in enumerate(items) if _attempt(item) == reason), None)
        if at is None:  # it is in a key
            break
        path.append(at)
        value = items[at]
    return f"at position {'/'.join(map(str, path))} counted from 0" if path else "at the top level"


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
                    and not (_is_exact(item) if isinstance(item, int) else math.isfinite(item))
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
        elif text[:1] != b'"':
            if not _readable(text):
                return "number_range", token.start()
    raise AssertionError("a value beyond the limits in a text that keeps to them")


def _readable(number: bytes) -> bool:
    """Whether the text of a number stands for one that every reader sees alike."""
    digits = number.lstrip(b"-")
    if digits.isdigit():
        return len(digits) <= 21 and _is_exact(int(number))
    return math.isfinite(float(number))
