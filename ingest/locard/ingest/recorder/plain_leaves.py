"""How values that hold no others are read, by their type: for `plain.py`, and like it harmless."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python

from locard.ingest.recorder.harmless import type_name

if TYPE_CHECKING:
    from locard.ingest.recorder.plain import Reader, Reading

_LARGEST_INTEGER: Final = 10**1_000
_LONGEST_NAME: Final = 200
_BEGINNING: Final = 3 * 64 * 1024  # bytes of what there is no room for


def _integer(reader: Reader, value: Any, _: int) -> Any:
    """Return a number that can be written in decimal, or its hexadecimal text."""
    number = int.__int__(value)
    if -_LARGEST_INTEGER < number < _LARGEST_INTEGER:
        return number
    return reader.text(hex(number), "int")


def _float(_: Reader, value: Any, __: int) -> Any:
    return float.__float__(value)


def _text(reader: Reader, value: Any, _: int, write: Callable[[Any], Any] = str.__str__) -> Any:
    return reader.text(str.__str__(write(value)))


def _enum(reader: Reader, value: Any, level: int) -> Any:
    return reader.value(object.__getattribute__(value, "_value_"), level)


def _bytes(reader: Reader, value: Any, _: int, kind: Any) -> Any:
    """Return bytes as base64; a view of a buffer is never kept, since its owner may resize it."""
    size = value.nbytes if kind is memoryview else kind.__len__(value)
    if size <= reader.characters // 4 * 3:
        whole = value.tobytes() if kind is memoryview else kind.__getitem__(value, slice(None))
        return reader.text(_base64(whole))
    told = {"$type": type_name(type(value)), "bytes": size}
    reader.cut += 1
    if kind is memoryview or reader.characters < 2 * _BEGINNING:
        return told
    first = kind.__getitem__(value, slice(_BEGINNING))
    return {**told, "beginning": reader.text(_base64(first))}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _standard(reader: Reader, value: Any, level: int) -> Any:
    return reader.value(to_jsonable_python(value), level)


def _named(_: Reader, value: Any, __: int) -> Any:
    return {"$type": type_name(type(value)), "name": value.__qualname__[:_LONGEST_NAME]}


_WRITTEN: Final[tuple[Any, ...]] = (
    *(Decimal, Fraction, PurePath, BaseException),
    *(IPv4Address, IPv4Network, IPv6Address, IPv6Network),
)
LEAVES: Final[dict[type, Reading]] = {
    int: _integer,
    complex: partial(_text, write=complex.__repr__),
    memoryview: partial(_bytes, kind=memoryview),
    **dict.fromkeys((FunctionType, BuiltinFunctionType, type), _named),
}
"""Readings of these types and of none that derives from them."""
LEAVES_OF_DERIVED: Final[dict[type, Reading]] = {
    str: _text,
    int: _integer,
    float: _float,
    Enum: _enum,
    bytes: partial(_bytes, kind=bytes),
    bytearray: partial(_bytes, kind=bytearray),
    **dict.fromkeys((datetime, date, time, timedelta, UUID), _standard),
    **{kind: partial(_text, write=kind.__str__) for kind in _WRITTEN},
    BaseException: partial(_text, write=str),
}
"""Readings of these types and of all that derive from them; the nearest one counts."""
