"""Drafts of events: what was handed over, as the bytes that go into the ring.

A draft is JSON, as short as it can be:

    k, i, t, m     kind, event id, wall clock and monotonic clock in microseconds
    s, c, b        core fields of the session, of this event, and the body as it was handed over
    x              how many values were cut for their size, if any were
"""

from __future__ import annotations

import json
import mmap
import time
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from pydantic_core import PydanticSerializationError, to_json

from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.ingest.recorder.plain import Reader
from locard.ingest.recorder.plain_flat import flat_copy
from locard.schema import JsonError

Object: TypeAlias = dict[str, Any]

_FEW: Final = 64 * 1024  # characters of a draft that needs no bounds
_SHORT: Final = 1_000  # characters of a field that is read before those that may take all the room
_MOST_FIELDS: Final = 1_000
_SHORTEST_KEPT: Final = 200  # characters of a field of the body that a stub keeps
_MUCH: Final = 1024 * 1024  # bytes of memory that there may not be
_AT_ONCE: Final = 8  # times as much as the text is needed while it is written or read, at the worst


def clocks() -> dict[str, int]:
    """Return what a draft says of the time: both clocks in microseconds."""
    return {"t": time.time_ns() // 1000, "m": time.monotonic_ns() // 1000}


def head_of(event_id: str, kind: Any) -> Object:
    """Return the draft of an event that nothing is told of yet."""
    return {
        "k": kind,
        "i": event_id,
        "t": time.time_ns() // 1000,
        "m": time.monotonic_ns() // 1000,
    }


def write_draft(head: Object, session: Mapping[str, Any], core: dict[str, Any], body: Any) -> bytes:
    """Read what was handed over into the draft, and return the bytes of the draft.

    Args:
        head: the draft, which is filled.
        session: core fields of the session, already plain.

    Raises:
        MemoryError: there is not enough of it.
    """
    if session:
        head["s"] = session
    flat_core = flat_copy(core, _FEW)
    flat_body = flat_copy(body, _FEW) if type(body) is dict else None
    if flat_core is not None and flat_body is not None and type(head["k"]) is str:
        head["c"], head["b"] = flat_core[0], flat_body[0]  # as most are
    else:
        _read(head, core, body)
    try:
        return to_json(head, inf_nan_mode="strings")
    except PydanticSerializationError:  # lone surrogates
        return to_json(_unicode(head), inf_nan_mode="strings")


def _read(head: Object, core: Mapping[str, Any], body: Any) -> None:
    reader = Reader()
    if type(head["k"]) is not str:
        head["k"] = reader.value(head["k"])
    head["c"] = _fields(core, reader)
    head["b"] = _fields(body, reader)
    if reader.cut:
        head["x"] = reader.cut
    _need_memory(reader.size * _AT_ONCE)


def stub(
    head: Mapping[str, Any],
    session: Mapping[str, Any],
    core: Mapping[str, Any],
    body: Any,
    reason: str | None,
) -> bytes:
    """Return a draft without what is large or cannot be written.

    Args:
        reason: why it is left out; `None` where the whole draft is held elsewhere.
    """
    kept: Object = {key: head[key] for key in ("i", "t", "m")}
    kept["k"] = head["k"] if type(head["k"]) is str else ""
    kept["c"] = _short({**session, **core}, _SHORT)
    kept["b"] = _short(body, _SHORTEST_KEPT)
    kept |= {"large": True} if reason is None else {"left_out": reason}
    return json.dumps(kept, ensure_ascii=True).encode()


def read_draft(data: bytes) -> Object:
    """Return the draft in these bytes, whatever strings and numbers the agent had in it.

    Raises:
        MemoryError: there is not enough of it.
        ValueError: they hold none.
    """
    _need_memory(len(data) * _AT_ONCE)
    try:
        value, _ = parse_json_keeping_numbers(data)
    except JsonError:
        # What an older version wrote: lone surrogates, and keys that two objects had in common.
        value = _unicode(json.loads(data))
    if not isinstance(value, dict):
        raise ValueError("no draft")
    return value


def _need_memory(size: int) -> None:
    """Return if there are so many bytes of memory: without it compiled code ends the process.

    Raises:
        MemoryError: there are not.
    """
    if size > _MUCH:
        try:
            mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except (OSError, OverflowError) as error:
            raise MemoryError from error


def plain_fields(fields: Any) -> Object:
    """Return fields by name as plain JSON values."""
    return _fields(fields, Reader())


def _fields(given: Any, reader: Reader) -> Object:
    """Return fields as plain JSON values; what is short among them is never cut for the rest."""
    if type(given) is not dict:
        return _fields_of_others(given, reader)
    found: Object = {}
    others: Object = {}
    if len(given) <= _MOST_FIELDS:
        for name, value in list(given.items()):
            if type(name) is not str:
                return _fields_of_others(given, reader)
            kind = type(value)
            if value is None or (kind is str and len(value) <= _SHORT):
                found[name] = value
            else:
                others[name] = value
        for name, value in others.items():
            found[name] = reader.value(value)
        return found
    return _fields_of_others(given, reader)


def _fields_of_others(given: Any, reader: Reader) -> Object:
    if given is None:
        return {}
    if not issubclass(type(given), dict) and issubclass(type(given), Mapping):
        given = dict(given)  # what records an event of any kind may be given any mapping
    told = reader.value(given)
    return told if type(told) is dict else {"given": told}


def _short(fields: Any, most: int) -> Object:
    items = list(fields.items()) if type(fields) is dict else []
    return {
        name: value
        for name, value in items[:_MOST_FIELDS]
        if type(name) is type(value) is str and len(value) < most
    }


def _unicode(value: Any) -> Any:
    """Return plain values in which what is no Unicode is replaced."""
    if type(value) is str:
        return value.encode("utf-8", "replace").decode()
    if type(value) is list:
        return [_unicode(item) for item in value]
    if type(value) is dict:
        return {
            key.encode("utf-8", "backslashreplace").decode(): _unicode(item)
            for key, item in value.items()
        }
    return value
