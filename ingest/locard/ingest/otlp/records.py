"""What OTLP sends, in plain types: the same from protobuf and from JSON.

Attribute values are JSON values. What JSON cannot hold was replaced when it was read (`holdable`),
and `replaced` names where. Identifiers are lower-case hexadecimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pydantic_core import to_json

from locard.ingest.elements import weight_of
from locard.ingest.intake import RejectedEvent

T = TypeVar("T")
Form = Literal["protobuf", "json"]
"""How a request is written: `application/x-protobuf` or `application/json`."""

Attributes: TypeAlias = dict[str, Any]

Refusal = RejectedEvent
"""A span or log record that cannot be taken, by its index in the request, from 0."""


@dataclass(frozen=True, slots=True)
class Decoded(Generic[T]):
    """What was in a request: each of its records is in exactly one of the two."""

    records: list[T] = field(default_factory=list, repr=False)
    rejected: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Resource:
    """Where records come from; shared by all that do."""

    attributes: Attributes = field(default_factory=dict, repr=False)
    dropped_attributes: int = 0
    schema_url: str = ""
    replaced: tuple[str, ...] = ()
    unread: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which instrumentation made records; shared by all that it made."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict, repr=False)
    dropped_attributes: int = 0
    schema_url: str = ""
    replaced: tuple[str, ...] = ()
    unread: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


def weight_of_source(resource: Resource, scope: Scope) -> int:
    """Return as how many elements a resource and a scope count with each of their records."""
    return weight_of(to_json((resource, scope)))


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened within a span, at `time` nanoseconds since 1970."""

    name: str = field(repr=False)
    time: int = 0
    attributes: Attributes = field(default_factory=dict, repr=False)
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that a span names."""

    trace_id: str
    span_id: str
    trace_state: str = field(default="", repr=False)
    attributes: Attributes = field(default_factory=dict, repr=False)
    dropped_attributes: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Times are nanoseconds since 1970, 0 where there is none.

    Args:
        kind: in lower case, such as `client`; the number as text where it is none we know.
        status: `unset`, `ok` or `error`; the number as text where it is none we know.
        replaced: where values stood that JSON cannot hold.
        unread: fields of the span that could not be read or that nobody knows, as text.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str = field(repr=False)
    kind: str
    start: int
    end: int
    resource: Resource
    scope: Scope
    attributes: Attributes = field(default_factory=dict, repr=False)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()
    trace_state: str = field(default="", repr=False)
    flags: int = 0
    status: str = "unset"
    status_message: str = field(default="", repr=False)
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    replaced: tuple[str, ...] = ()
    unread: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record. `trace_id` and `span_id` are `None` where it belongs to no span."""

    trace_id: str | None
    span_id: str | None
    time: int
    observed_time: int
    resource: Resource
    scope: Scope
    body: Any = field(default=None, repr=False)
    event_name: str = field(default="", repr=False)
    severity_number: int = 0
    severity_text: str = field(default="", repr=False)
    attributes: Attributes = field(default_factory=dict, repr=False)
    flags: int = 0
    dropped_attributes: int = 0
    replaced: tuple[str, ...] = ()
    unread: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
