"""Attribute values of OTLP/protobuf as JSON values, and what is left of broken messages."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from locard.ingest.elements import TOO_MANY_ELEMENTS, Elements
from locard.ingest.otlp.holdable import number, real, unused
from locard.ingest.otlp.records import Attributes
from locard.ingest.otlp.wire import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, Field, fields
from locard.schema import RejectedRecord

M = TypeVar("M", bound=Message)

_MOST_LEVELS: Final = 100  # that the parser goes down
_UNREAD_COSTS: Final = 4  # elements: of each an object is made with its name and its text
_BROKEN_BYTES_OF_ELEMENT: Final = 8  # each of them becomes four characters
_WIRE_TYPES: Final = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_FIXED64: FIXED64,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
    FieldDescriptor.TYPE_STRING: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_BYTES: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_MESSAGE: LENGTH_DELIMITED,
}
_KEY: Final = KeyValue.DESCRIPTOR.fields_by_name["key"].number
_VALUE: Final = KeyValue.DESCRIPTOR.fields_by_name["value"].number
_STRING: Final = AnyValue.DESCRIPTOR.fields_by_name["string_value"].number


def attributes_of(pairs: Sequence[KeyValue], replaced: list[str], elements: Elements) -> Attributes:
    """Return attributes by their keys.

    A key that comes twice is kept with `'` behind it.

    Args:
        replaced: gets the key of each value that JSON cannot hold, or that came twice.
        elements: what the request may still hold.
    """
    elements.take(len(pairs))
    attributes: Attributes = {}
    for pair in pairs:
        key = pair.key
        if key in attributes:
            key = unused(attributes, key)
            replaced.append(key)
        value = pair.value
        if value.HasField("string_value"):
            attributes[key] = value.string_value
        else:
            attributes[key] = value_of(value, key, replaced, elements)
    return attributes


def value_of(value: AnyValue, where: str, replaced: list[str], elements: Elements) -> Any:
    """Return a value as JSON has it; bytes as base64."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return _held(number(value.int_value), str, where, replaced)
        case "double_value":
            return _held(real(value.double_value), str, where, replaced)
        case "array_value":
            items = value.array_value.values
            elements.take(len(items))
            return [value_of(item, where, replaced, elements) for item in items]
        case "kvlist_value":
            inner: list[str] = []
            members = attributes_of(value.kvlist_value.values, inner, elements)
            replaced.extend([where] if inner else [])
            return members
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
    return _held(f"{value.string_value_strindex}", str, where, replaced)


def unknown_fields(message: Message, elements: Elements) -> list[dict[str, Any]]:
    """Return the fields that the message has and its type has not.

    Raises:
        RejectedRecord: one has a number that the type has, but another form: it is another type.
            Or there are too many.
    """
    unknown = UnknownFieldSet(message)
    if not len(unknown):
        return []
    known = message.DESCRIPTOR.fields_by_number
    kept = []
    for number_of in range(len(unknown)):
        item = unknown[number_of]
        if item.field_number in known:
            raise _other_type()
        kept.append(unread(str(item.field_number), item.data, elements))
    return kept


def count_elements(kind: Any, data: bytes, elements: Elements, levels: int = _MOST_LEVELS) -> None:
    """Return if a message holds no more than the elements left: parsed it takes far more memory.

    Raises:
        RejectedRecord: it holds more.
    """
    known = kind.fields_by_number
    try:
        for item in fields(data, elements):
            described = known.get(item.number)
            inner = described.message_type if described else None
            if inner and levels and item.wire_type == LENGTH_DELIMITED:
                count_elements(inner, item.value, elements, levels - 1)
    except RejectedRecord as error:
        if error.error_class == TOO_MANY_ELEMENTS:
            raise  # what is broken is for who parses it


def salvaged(
    kind: type[M], data: bytes, elements: Elements
) -> tuple[M, Attributes, list[dict[str, Any]]]:
    """Read field by field a message that does not parse as a whole.

    Returns:
        what could be read; attributes that had broken text, which is told with `\\x` and digits;
        and fields of which only the bytes could be kept, as such text.

    Raises:
        RejectedRecord: it cannot be taken apart, or is of another type.
    """
    message = kind()
    known = kind.DESCRIPTOR.fields_by_number
    mended: Attributes = {}
    kept: list[dict[str, Any]] = []
    for item in fields(data, elements):
        described = known.get(item.number)
        if described is None:
            kept.append(unread(str(item.number), item.value, elements))
            continue
        if _WIRE_TYPES.get(described.type, VARINT) != item.wire_type:
            raise _other_type()
        try:
            kind.FromString(item.raw)
        except DecodeError:
            pair = _broken_pair(item, elements) if described.name == "attributes" else None
            if pair:
                mended[unused(mended, pair[0])] = pair[1]
            elif described.type == FieldDescriptor.TYPE_STRING:
                setattr(message, described.name, _text(item.value, elements))
            else:
                kept.append(unread(described.name, item.value, elements))
        else:
            message.MergeFromString(item.raw)
    return message, mended, kept


def unread(name: str, value: Any, elements: Elements) -> dict[str, Any]:
    """Return how a field is kept that could not be read or that nobody knows.

    Raises:
        RejectedRecord: there is too much that has to be kept so.
    """
    elements.take(_UNREAD_COSTS)
    if isinstance(value, int):
        return {"field": name, "value": number(value)}
    return {"field": name, "value": _text(value, elements) if isinstance(value, bytes) else None}


def _broken_pair(item: Field, elements: Elements) -> tuple[str, Any] | None:
    """Return an attribute that holds broken text, or is nested deeper than the parser goes."""
    key, value = "", b""
    try:
        for part in fields(item.value, elements):
            if part.wire_type != LENGTH_DELIMITED:
                return None
            if part.number == _KEY:
                key = _text(part.value, elements)
            elif part.number == _VALUE:
                value = part.value
        inner = list(fields(value, elements))
    except RejectedRecord:
        return None
    if len(inner) == 1 and inner[0].number == _STRING:
        value = inner[0].value
    return key, _text(value, elements)


def _text(data: bytes, elements: Elements) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        broken = len(data) - len(data.decode("utf-8", "ignore").encode())
        elements.take(broken // _BROKEN_BYTES_OF_ELEMENT)
        return data.decode("utf-8", "backslashreplace")


def _held(value: Any, replacement: type, where: str, replaced: list[str]) -> Any:
    if isinstance(value, replacement):
        replaced.append(where)
    return value


def _other_type() -> RejectedRecord:
    return RejectedRecord("a field has the form of another type of message", "wrong_signal")
