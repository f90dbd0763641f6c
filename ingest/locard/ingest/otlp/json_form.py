"""OTLP/JSON requests: spans and log records in plain types.

Identifiers are hexadecimal, 64-bit integers come as text or as numbers, enumerations as numbers or
names, members in lowerCamelCase or, as some senders have it, in snake_case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from locard.ingest.elements import spend
from locard.ingest.otlp.holdable import text
from locard.ingest.otlp.identifiers import (
    SPAN_ID_DIGITS,
    SPAN_KINDS,
    STATUS_CODES,
    TRACE_ID_DIGITS,
    not_a_request,
    optional_id,
    required_id,
    wrong_signal,
)
from locard.ingest.otlp.json_members import Members, read_json, whole
from locard.ingest.otlp.json_values import attributes_of, value_of
from locard.ingest.otlp.records import (
    Decoded,
    Link,
    LogRecord,
    Refusal,
    Resource,
    Scope,
    Span,
    SpanEvent,
    weight_of_source,
)
from locard.schema import RejectedRecord

T = TypeVar("T")
_SIGNALS: Final = frozenset({"resourceLogs", "resourceSpans", "resourceMetrics"})


@dataclass(frozen=True, slots=True)
class _Signal(Generic[T]):
    """What differs between traces and logs."""

    name: str
    groups: str
    scopes: str
    old_scopes: str
    records: str
    convert: Callable[[Members, Resource, Scope], T]


def decode(body: bytes, signal: _Signal[T]) -> Decoded[T]:
    """Return the records of a request.

    Raises:
        RejectedRecord: the body as a whole is no such request.
    """
    return _Walk(signal).decode(read_json(body))


class _Walk(Generic[T]):
    """One pass through a request: what can be read is taken, all else is refused."""

    def __init__(self, signal: _Signal[T]) -> None:
        self._signal = signal
        self._decoded: Decoded[T] = Decoded()
        self._index = 0

    def decode(self, given: Any) -> Decoded[T]:
        """Return the records; see `decode`."""
        expected = f"object with `{self._signal.groups}`"
        if not isinstance(given, dict):
            raise not_a_request(expected)
        request = Members(given)
        groups = request.take(self._signal.groups)
        if groups is None and _SIGNALS & given.keys():
            raise wrong_signal(self._signal.name)
        if not isinstance(groups, list) and given:
            raise not_a_request(expected)
        for group in groups or ():
            self._attempt(self._group, group)
        for _ in request.rest():
            self._attempt(_refuse, None)
        return self._decoded

    def _attempt(self, read: Callable[[Any], None], item: Any) -> None:
        try:
            read(item)
        except RejectedRecord as error:
            self._decoded.rejected.append(Refusal(self._index, error.error_class, str(error)))
            self._index += 1

    def _group(self, item: Any) -> None:
        group = Members(item)
        scopes = group.records(self._signal.scopes, self._signal.old_scopes)
        resource = _resource(group)
        if not scopes and resource.unread:
            raise _unknown_member("within a group")
        for scoped in scopes:
            self._attempt(lambda given: self._scoped(given, resource), scoped)

    def _scoped(self, item: Any, resource: Resource) -> None:
        scoped = Members(item)
        records = scoped.records(self._signal.records)
        scope = _scope(scoped)
        if not records and scope.unread:
            raise _unknown_member("within a scope's group")
        weight = weight_of_source(resource, scope) if records else 0
        for record in records:
            self._attempt(lambda given: self._record(given, resource, scope, weight), record)

    def _record(self, item: Any, resource: Resource, scope: Scope, weight: int) -> None:
        spend(weight)
        self._decoded.records.append(self._signal.convert(Members(item), resource, scope))
        self._index += 1


def _refuse(_: Any) -> None:
    raise _unknown_member("beside the groups")


def _unknown_member(where: str) -> RejectedRecord:
    return RejectedRecord(
        f"there is a member {where} that OTLP 1 does not have; look at the path and the version",
        "unknown_field",
    )


def _inner(outer: Members, name: str, given: Any) -> Members:
    """Return a resource or a scope; one that is no object costs no record."""
    if given is None or isinstance(given, dict):
        return Members(given)
    outer.keep(name, given)
    return Members(None)


def _resource(group: Members) -> Resource:
    replaced: list[str] = []
    resource = _inner(group, "resource", group.take("resource"))
    return Resource(
        attributes_of(resource.items("attributes"), replaced),
        resource.count("droppedAttributesCount"),
        text(group.text("schemaUrl")),
        tuple(replaced),
        (*resource.rest(), *group.rest()),
    )


def _scope(scoped: Members) -> Scope:
    replaced: list[str] = []
    given = scoped.take("scope", scoped.take("instrumentationLibrary"))
    scope = _inner(scoped, "scope", given)
    return Scope(
        text(scope.text("name")),
        text(scope.text("version")),
        attributes_of(scope.items("attributes"), replaced),
        scope.count("droppedAttributesCount"),
        text(scoped.text("schemaUrl")),
        tuple(replaced),
        (*scope.rest(), *scoped.rest()),
    )


def _span(span: Members, resource: Resource, scope: Scope) -> Span:
    replaced: list[str] = []
    status = _inner(span, "status", span.take("status"))
    parent = span.text("parentSpanId")
    parent_span_id = None
    try:
        parent_span_id = optional_id(parent, SPAN_ID_DIGITS, "parent span id")
    except RejectedRecord:
        span.keep("parent_span_id", parent)
    found: dict[str, Any] = {
        "trace_id": required_id(span.text("traceId"), TRACE_ID_DIGITS, "trace id"),
        "span_id": required_id(span.text("spanId"), SPAN_ID_DIGITS, "span id"),
        "name": text(span.text("name")),
        "kind": span.choice("kind", "SPAN_KIND_", SPAN_KINDS),
        "start": span.count("startTimeUnixNano"),
        "end": span.count("endTimeUnixNano"),
        "attributes": attributes_of(span.items("attributes"), replaced),
        "events": tuple(_span_event(item, replaced) for item in _objects(span, "events")),
        "links": tuple(_link(item, replaced) for item in _objects(span, "links")),
        "trace_state": text(span.text("traceState")),
        "flags": span.count("flags"),
        "status": status.choice("code", "STATUS_CODE_", STATUS_CODES),
        "status_message": text(status.text("message")),
        "dropped_attributes": span.count("droppedAttributesCount"),
        "dropped_events": span.count("droppedEventsCount"),
        "dropped_links": span.count("droppedLinksCount"),
    }
    return Span(
        **found,
        parent_span_id=parent_span_id,
        resource=resource,
        scope=scope,
        replaced=tuple(replaced),
        unread=(*span.rest(), *status.rest()),
    )


def _objects(parent: Members, name: str) -> list[Members]:
    """Return the members of a list that are objects; others are kept as unread."""
    found = []
    for item in parent.items(name):
        if isinstance(item, dict):
            found.append(Members(item))
        else:
            parent.keep(name, item)
    return found


def _span_event(event: Members, replaced: list[str]) -> SpanEvent:
    return SpanEvent(
        text(event.text("name")),
        event.count("timeUnixNano"),
        attributes_of(event.items("attributes"), replaced),
        event.count("droppedAttributesCount"),
    )


def _link(link: Members, replaced: list[str]) -> Link:
    return Link(
        text(link.text("traceId")).lower(),
        text(link.text("spanId")).lower(),
        text(link.text("traceState")),
        attributes_of(link.items("attributes"), replaced),
        link.count("droppedAttributesCount"),
        link.count("flags"),
    )


def _log_record(record: Members, resource: Resource, scope: Scope) -> LogRecord:
    replaced: list[str] = []
    found: dict[str, Any] = {
        "trace_id": optional_id(record.text("traceId"), TRACE_ID_DIGITS, "trace id"),
        "span_id": optional_id(record.text("spanId"), SPAN_ID_DIGITS, "span id"),
        "time": record.count("timeUnixNano"),
        "observed_time": record.count("observedTimeUnixNano"),
        "body": value_of(record.take("body"), "body", replaced),
        "event_name": text(record.text("eventName")),
        "severity_number": _severity(record),
        "severity_text": text(record.text("severityText")),
        "attributes": attributes_of(record.items("attributes"), replaced),
        "flags": record.count("flags"),
        "dropped_attributes": record.count("droppedAttributesCount"),
    }
    return LogRecord(
        **found, resource=resource, scope=scope, replaced=tuple(replaced), unread=record.rest()
    )


def _severity(record: Members) -> int:
    """Return a severity's number: `SEVERITY_NUMBER_INFO2` is 10."""
    given = record.take("severityNumber", 0)
    found = whole(given)
    if found is not None and 0 <= found < 2**31:
        return found
    if isinstance(given, str):
        word = given.removeprefix("SEVERITY_NUMBER_")
        level = word.rstrip("234")
        if level in _SEVERITIES:
            return 1 + 4 * _SEVERITIES.index(level) + int(word[len(level) :] or 1) - 1
    record.keep("severityNumber", given)
    return 0


_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


TRACES: Final = _Signal(
    name="span",
    groups="resourceSpans",
    scopes="scopeSpans",
    old_scopes="instrumentationLibrarySpans",
    records="spans",
    convert=_span,
)
LOGS: Final = _Signal(
    name="log record",
    groups="resourceLogs",
    scopes="scopeLogs",
    old_scopes="instrumentationLibraryLogs",
    records="logRecords",
    convert=_log_record,
)
