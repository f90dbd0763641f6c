"""Messages of OTLP/protobuf, parsed, as spans and log records in plain types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from locard.ingest.elements import Elements
from locard.ingest.otlp.identifiers import (
    SPAN_ID_DIGITS,
    SPAN_KINDS,
    STATUS_CODES,
    TRACE_ID_DIGITS,
    name_of,
    optional_id,
    required_id,
)
from locard.ingest.otlp.protobuf_values import attributes_of, value_of
from locard.ingest.otlp.records import (
    Attributes,
    Link,
    LogRecord,
    Resource,
    Scope,
    Span,
    SpanEvent,
)
from locard.schema import RejectedRecord


@dataclass(frozen=True, slots=True)
class Read:
    """One message, read as far as it could be.

    Args:
        elements: what its request may still hold.
        mended: attributes of which the text was broken.
        unread: fields that could not be read or that nobody knows.
    """

    message: Any
    elements: Elements
    mended: Attributes = field(default_factory=dict)
    unread: list[dict[str, Any]] = field(default_factory=list)


def resource_of(read: Read, schema_url: str) -> Resource:
    """Return a resource."""
    replaced = [*read.mended]
    attributes = attributes_of(read.message.attributes, replaced, read.elements) | read.mended
    dropped = read.message.dropped_attributes_count
    return Resource(attributes, dropped, schema_url, tuple(replaced), tuple(read.unread))


def scope_of(read: Read, schema_url: str) -> Scope:
    """Return a scope."""
    scope, replaced = read.message, [*read.mended]
    attributes = attributes_of(scope.attributes, replaced, read.elements) | read.mended
    dropped = scope.dropped_attributes_count
    kept = tuple(read.unread)
    return Scope(scope.name, scope.version, attributes, dropped, schema_url, tuple(replaced), kept)


def span_of(read: Read, resource: Resource, scope: Scope) -> Span:
    """Return a span.

    Raises:
        RejectedRecord: it has no ids, or wrong ones.
    """
    span: trace_pb2.Span = read.message
    read.elements.take(len(span.events) + len(span.links))
    replaced = [*read.mended]
    trace_id = required_id(span.trace_id.hex(), TRACE_ID_DIGITS, "trace id")
    span_id = required_id(span.span_id.hex(), SPAN_ID_DIGITS, "span id")
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_parent_id(span.parent_span_id.hex(), read.unread),
        name=span.name,
        kind=name_of(span.kind, SPAN_KINDS),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        resource=resource,
        scope=scope,
        attributes=attributes_of(span.attributes, replaced, read.elements) | read.mended,
        events=tuple(_span_event(event, replaced, read.elements) for event in span.events),
        links=tuple(_link(link, replaced, read.elements) for link in span.links),
        trace_state=span.trace_state,
        flags=span.flags,
        status=name_of(span.status.code, STATUS_CODES),
        status_message=span.status.message,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        replaced=tuple(replaced),
        unread=tuple(read.unread),
    )


def _parent_id(given: str, kept: list[dict[str, Any]]) -> str | None:
    """Return the id of a span's parent; one that is none is kept beside, and the span with it."""
    try:
        return optional_id(given, SPAN_ID_DIGITS, "parent span id")
    except RejectedRecord:
        kept.append({"field": "parent_span_id", "value": given})
        return None


def _span_event(event: trace_pb2.Span.Event, replaced: list[str], elements: Elements) -> SpanEvent:
    attributes = attributes_of(event.attributes, replaced, elements)
    return SpanEvent(event.name, event.time_unix_nano, attributes, event.dropped_attributes_count)


def _link(link: trace_pb2.Span.Link, replaced: list[str], elements: Elements) -> Link:
    return Link(
        link.trace_id.hex(),
        link.span_id.hex(),
        link.trace_state,
        attributes_of(link.attributes, replaced, elements),
        link.dropped_attributes_count,
        link.flags,
    )


def log_record_of(read: Read, resource: Resource, scope: Scope) -> LogRecord:
    """Return a log record.

    Raises:
        RejectedRecord: it has wrong ids.
    """
    record: logs_pb2.LogRecord = read.message
    replaced = [*read.mended]
    return LogRecord(
        trace_id=optional_id(record.trace_id.hex(), TRACE_ID_DIGITS, "trace id"),
        span_id=optional_id(record.span_id.hex(), SPAN_ID_DIGITS, "span id"),
        time=record.time_unix_nano,
        observed_time=record.observed_time_unix_nano,
        resource=resource,
        scope=scope,
        body=value_of(record.body, "body", replaced, read.elements),
        event_name=record.event_name,
        severity_number=record.severity_number,
        severity_text=record.severity_text,
        attributes=attributes_of(record.attributes, replaced, read.elements) | read.mended,
        flags=record.flags,
        dropped_attributes=record.dropped_attributes_count,
        replaced=tuple(replaced),
        unread=tuple(read.unread),
    )
