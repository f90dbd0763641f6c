"""OTLP/protobuf requests: spans and log records in plain types.

A request is taken apart into its groups and records, and each record is parsed by itself. So one
that is broken costs no other, and a request that is made to be costly is not parsed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from locard.ingest.elements import TOO_MANY_ELEMENTS, Elements, spend
from locard.ingest.otlp.identifiers import not_a_request, wrong_signal
from locard.ingest.otlp.protobuf_records import (
    Read,
    log_record_of,
    resource_of,
    scope_of,
    span_of,
)
from locard.ingest.otlp.protobuf_values import (
    count_elements,
    salvaged,
    unknown_fields,
    unread,
)
from locard.ingest.otlp.records import Decoded, Refusal, Resource, Scope, weight_of_source
from locard.ingest.otlp.wire import LENGTH_DELIMITED, Field, fields
from locard.schema import RejectedRecord

T = TypeVar("T")
_GROUP, _SOURCE, _RECORDS, _SCHEMA_URL = 1, 1, 2, 3  # field numbers, alike in both signals
_LARGE: Final = 256 * 1024  # bytes of a message that is looked through before it is parsed
_GROUP_COSTS: Final = 12  # elements beside itself, of which even an empty one makes objects
_SHORT_IN_JSON: Final = bytes({*range(256)} - {*range(0x20)} | {*b"\t\n\r"})
_CONTROLS_OF_ELEMENT: Final = 8  # characters of which JSON makes six each
_LONGEST_KEPT: Final = 64 * 1024  # bytes of a resource that cannot be read
_OLD_RECORDS: Final = 1000  # OTLP before 0.15 had its groups here, of the same layout


@dataclass(frozen=True, slots=True)
class _Signal(Generic[T]):
    """What differs between traces and logs."""

    request: type[Message]
    record: type[Message]
    name: str
    groups: str
    scopes: str
    records: str
    convert: Callable[[Read, Resource, Scope], T]


def decode(body: bytes, signal: _Signal[T]) -> Decoded[T]:
    """Return the records of a request.

    Raises:
        RejectedRecord: the body as a whole is no such request.
    """
    return _Walk(signal).decode(body)


def _take(
    decoded: Decoded[T],
    signal: _Signal[T],
    index: int,
    read: Read,
    resource: Resource,
    scope: Scope,
) -> None:
    try:
        read.unread.extend(unknown_fields(read.message, read.elements))
        decoded.records.append(signal.convert(read, resource, scope))
    except RejectedRecord as error:
        decoded.rejected.append(_refusal(index, error, signal.name))


def _refusal(index: int, error: RejectedRecord, expected: str) -> Refusal:
    reason = wrong_signal(expected) if error.error_class == "wrong_signal" else error
    return Refusal(index, error.error_class, str(reason))


class _Walk(Generic[T]):
    """One pass through a request: what can be read is taken, all else is refused."""

    def __init__(self, signal: _Signal[T]) -> None:
        self._signal = signal
        self._elements = Elements()
        self._decoded: Decoded[T] = Decoded()
        self._index = 0

    def decode(self, body: bytes) -> Decoded[T]:
        """Return the records; see `decode`."""
        try:
            parts = list(fields(body, self._elements))
        except RejectedRecord as error:
            if error.error_class == TOO_MANY_ELEMENTS:
                raise
            raise not_a_request(self._signal.request.DESCRIPTOR.name) from None
        groups = [part for part in parts if _is(part, _GROUP)]
        if parts and not groups:
            raise not_a_request(self._signal.request.DESCRIPTOR.name)
        for part in parts:
            self._attempt(self._group if _is(part, _GROUP) else _refuse, part)
        return self._decoded

    def _attempt(self, read: Callable[[Field], None], part: Field) -> None:
        try:
            read(part)
        except RejectedRecord as error:
            self._decoded.rejected.append(_refusal(self._index, error, self._signal.name))
            self._index += 1

    def _group(self, part: Field) -> None:
        self._elements.take(_GROUP_COSTS)
        parts = list(fields(part.value, self._elements))
        source = _merged(resource_pb2.Resource, parts, _SOURCE, self._elements)
        scopes = [item for item in parts if _is(item, _RECORDS, _OLD_RECORDS)]
        source.unread.extend(self._others(parts, _SOURCE, _RECORDS, _OLD_RECORDS, _SCHEMA_URL))
        if not scopes and source.unread:
            raise _unknown_field("within a group")
        resource = resource_of(source, _last_text(parts, _SCHEMA_URL))
        for item in scopes:
            self._attempt(lambda item=item: self._scoped(item, resource), item)  # type: ignore[misc]

    def _scoped(self, part: Field, resource: Resource) -> None:
        self._elements.take(_GROUP_COSTS)
        parts = list(fields(part.value, self._elements))
        source = _merged(common_pb2.InstrumentationScope, parts, _SOURCE, self._elements)
        source.unread.extend(self._others(parts, _SOURCE, _RECORDS, _SCHEMA_URL))
        records = [item for item in parts if _is(item, _RECORDS)]
        if not records and source.unread:
            raise _unknown_field("within a scope's group")
        scope = scope_of(source, _last_text(parts, _SCHEMA_URL))
        weight = weight_of_source(resource, scope) if records else 0
        for item in records:
            self._record(item, resource, scope, weight)

    def _record(self, part: Field, resource: Resource, scope: Scope, weight: int) -> None:
        index, self._index = self._index, self._index + 1
        try:
            spend(weight)
            read = _read(self._signal.record, part.value, self._elements)
        except RejectedRecord as error:
            self._decoded.rejected.append(_refusal(index, error, self._signal.name))
        else:
            _take(self._decoded, self._signal, index, read, resource, scope)

    def _others(self, parts: list[Field], *known: int) -> list[dict[str, Any]]:
        others = [part for part in parts if not _is(part, *known)]
        return [unread(str(part.number), part.value, self._elements) for part in others]


def _refuse(_: Field) -> None:
    raise _unknown_field("beside the groups")


def _unknown_field(where: str) -> RejectedRecord:
    return RejectedRecord(
        f"there is a field {where} that OTLP 1 does not have; look at the path and the version",
        "unknown_field",
    )


def _is(part: Field, *numbers: int) -> bool:
    return part.number in numbers and part.wire_type == LENGTH_DELIMITED


def _read(kind: type[Message], data: bytes, elements: Elements) -> Read:
    if len(data) > _LARGE:
        count_elements(kind.DESCRIPTOR, data, Elements())
        elements.take(len(data.translate(None, _SHORT_IN_JSON)) // _CONTROLS_OF_ELEMENT)
    try:
        return Read(kind.FromString(data), elements)
    except DecodeError:
        message, mended, kept = salvaged(kind, data, elements)
        return Read(message, elements, mended, kept)


def _merged(kind: type[Message], parts: list[Field], number: int, elements: Elements) -> Read:
    """Read a resource or a scope; one that cannot be read costs no record."""
    data = b"".join(part.value for part in parts if _is(part, number))
    try:
        read = _read(kind, data, elements)
        read.unread.extend(unknown_fields(read.message, elements))
    except RejectedRecord:
        kept = [unread(kind.DESCRIPTOR.name, data[:_LONGEST_KEPT], elements)]
        return Read(kind(), elements, {}, kept)
    return read


def _last_text(parts: list[Field], number: int) -> str:
    found = [part.value for part in parts if _is(part, number)]
    return found[-1].decode("utf-8", "backslashreplace") if found else ""


TRACES: Final = _Signal(
    request=ExportTraceServiceRequest,
    record=trace_pb2.Span,
    name="span",
    groups="resource_spans",
    scopes="scope_spans",
    records="spans",
    convert=span_of,
)
LOGS: Final = _Signal(
    request=ExportLogsServiceRequest,
    record=logs_pb2.LogRecord,
    name="log record",
    groups="resource_logs",
    scopes="scope_logs",
    records="log_records",
    convert=log_record_of,
)
