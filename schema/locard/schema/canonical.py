"""Canonical JSON bytes.

Digests and signatures are computed over bytes, so two programs that hold the same value
must write the same bytes. RFC 8785 (JSON Canonicalization Scheme, JCS) fixes them:

* no whitespace (section 3.2.1) and UTF-8 output (3.2.4);
* strings with the fewest escapes (3.2.2.2) and numbers as ECMAScript prints them (3.2.2.3);
* object members sorted by the UTF-16 code units of their keys (3.2.3);
* input limited to I-JSON (section 2, RFC 7493): exact integers, finite numbers, unique keys
  and well-formed Unicode.
"""

from __future__ import annotations

from json.encoder import encode_basestring as _quote  # C; exactly the escapes of 3.2.2.2
from typing import Any, Final

from locard.schema.json_rules import (
    MAX_DEPTH,
    MAX_INT,
    CanonicalError,
    FaultError,
    JsonValue,
    Reason,
    is_exact,
    number_text,
)

# Every byte but the first ones of U+E000..U+FFFF (EE, EF) and of astral characters (F0..F4).
_NOT_LEADING: Final = bytes({*range(256)} - {*range(0xEE, 0xF5)})
_ASTRAL: Final = 0xF0


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
    except FaultError as fault:
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
        if not is_exact(number):
            raise FaultError("number_range")
        return repr(number)
    if isinstance(value, float):
        return number_text(float.__float__(value))
    if isinstance(value, dict):
        return _object(value, depth, utf16)
    return _array(value, depth, utf16)


def _array(value: object, depth: int, utf16: bool) -> str:
    if not isinstance(value, list | tuple):
        raise FaultError("value_type")
    if not depth:
        raise FaultError("too_deep")
    items = [
        _quote(item)
        if type(item) is str
        else number_text(item)
        if type(item) is float
        else _write(item, depth - 1, utf16)
        for item in value
    ]
    return f"[{','.join(items)}]"


def _object(value: dict[Any, Any], depth: int, utf16: bool) -> str:
    if not depth:
        raise FaultError("too_deep")
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
            raise FaultError("key_type")
        name = str.__str__(key)
        if name in plain:
            raise FaultError("duplicate_key")
        plain[name] = item
    return plain


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
