"""Attribute values of OTLP/JSON as JSON values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from locard.ingest.otlp.holdable import holdable, number, real, text, unused
from locard.ingest.otlp.json_members import whole
from locard.ingest.otlp.records import Attributes


def attributes_of(pairs: list[Any], replaced: list[str]) -> Attributes:
    """Return attributes by their keys; see `attributes_of` of the protobuf form."""
    attributes: Attributes = {}
    for pair in pairs:
        is_pair = isinstance(pair, dict) and isinstance(pair.get("key", ""), str)
        if not is_pair:
            replaced.append(_put(attributes, "", holdable(pair)[0]))
            continue
        key = text(pair.get("key", ""))
        if key in attributes or key != pair.get("key", ""):
            key = unused(attributes, key)
            replaced.append(key)
        attributes[key] = value_of(pair.get("value"), key, replaced)
    return attributes


def _put(attributes: Attributes, key: str, value: Any) -> str:
    name = unused(attributes, key)
    attributes[name] = value
    return name


def value_of(given: Any, where: str, replaced: list[str], levels: int = 60) -> Any:
    """Return what an AnyValue holds; one that is none as it came."""
    if given is None or given == {}:
        return None
    if isinstance(given, dict) and len(given) == 1:
        ((form, value),) = given.items()
        read = _READERS.get(form)
        if read and levels:
            found = read(value, where, replaced, levels - 1)
            if found is not _NOT_THAT:
                return found
    replaced.append(where)
    return holdable(given)[0]


_NOT_THAT: Final = object()


def _text_value(value: Any, where: str, replaced: list[str], _: int) -> Any:
    if not isinstance(value, str):
        return _NOT_THAT
    held = text(value)
    if held != value:
        replaced.append(where)
    return held


def _bool_value(value: Any, *_: Any) -> Any:
    return value if isinstance(value, bool) else _NOT_THAT


def _int_value(value: Any, where: str, replaced: list[str], _: int) -> Any:
    found = whole(value)
    if found is None:
        return _NOT_THAT
    held = number(found)
    if isinstance(held, str):
        replaced.append(where)
    return held


def _double_value(value: Any, where: str, replaced: list[str], _: int) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _NOT_THAT
    try:
        held = real(float(value))
    except (ValueError, OverflowError):
        return _NOT_THAT
    if isinstance(held, str):
        replaced.append(where)
    return held


def _bytes_value(value: Any, *_: Any) -> Any:
    return text(value) if isinstance(value, str) else _NOT_THAT


def _array_value(value: Any, where: str, replaced: list[str], levels: int) -> Any:
    items = value.get("values") or [] if isinstance(value, dict) else None
    if not isinstance(items, list):
        return _NOT_THAT
    return [value_of(item, where, replaced, levels) for item in items]


def _kvlist_value(value: Any, where: str, replaced: list[str], levels: int) -> Any:
    pairs = value.get("values") or [] if isinstance(value, dict) else None
    if not isinstance(pairs, list):
        return _NOT_THAT
    inner: list[str] = []
    members: Attributes = {}
    for pair in pairs:
        if not isinstance(pair, dict) or not isinstance(pair.get("key", ""), str):
            return _NOT_THAT
        key = unused(members, text(pair.get("key", "")))
        if key != pair.get("key", ""):
            inner.append(key)
        members[key] = value_of(pair.get("value"), key, inner, levels)
    replaced.extend([where] if inner else [])
    return members


_Reader = Callable[[Any, str, list[str], int], Any]
_READERS: Final[dict[str, _Reader]] = {
    **dict.fromkeys(("stringValue", "string_value"), _text_value),
    **dict.fromkeys(("boolValue", "bool_value"), _bool_value),
    **dict.fromkeys(("intValue", "int_value"), _int_value),
    **dict.fromkeys(("doubleValue", "double_value"), _double_value),
    **dict.fromkeys(("bytesValue", "bytes_value"), _bytes_value),
    **dict.fromkeys(("arrayValue", "array_value"), _array_value),
    **dict.fromkeys(("kvlistValue", "kvlist_value"), _kvlist_value),
}
