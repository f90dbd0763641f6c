"""The event: what an agent was asked, answered, did or decided, as one strict record.

`Event` is a union of one class for each kind. The core (everything but content fields) says who,
where and when; content fields hold what was said and may hold personal data. In JSON an event is
one object; fields with their default value are left out, and unknown fields are kept.

    >>> event = parse_event(b'{"kind": "lifecycle", ...}')
    >>> event_json(event)
    b'{"kind":"lifecycle",...}'
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, get_args
from uuid import UUID

from pydantic import Field, JsonValue, TypeAdapter, ValidationError, model_validator

from locard.schema.bodies import (
    AccessBody,
    AccountingBody,
    Content,
    ContentBody,
    CustodyBody,
    DecisionBody,
    LifecycleBody,
    ModelOutputBody,
    PromptBody,
    ToolCallBody,
    ToolResultBody,
    content_fields,
)
from locard.schema.canonical import canonical_bytes
from locard.schema.content import MESSAGE_FIELD_NAMES, Absence, Count, Record
from locard.schema.errors import RejectedRecord
from locard.schema.json_rules import CanonicalError, JsonError
from locard.schema.seals import Seal
from locard.schema.strict_json import parse_json
from locard.schema.times import UtcTime

SCHEMA_VERSION = "1.0"

Lane = Literal["recorder", "otlp_trace", "otlp_log", "import"]
TimeSource = Literal["source", "observed", "importer"]
"""Whose clock `occurred_at` is: the source's, the first Locard process's, or nobody's: an
importer made it up because the source record had none; only the order within a session counts."""


class EventCore(Record):
    """The fields that every kind has."""

    event_id: UUID
    schema_version: str = Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")

    occurred_at: UtcTime
    observed_at: UtcTime
    ingested_at: UtcTime | None = None
    time_source: TimeSource = "source"

    collector_id: str | None = None
    incarnation: str | None = None
    seq: Count | None = None
    lane: Lane

    workflow_id: str | None = None
    environment: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    principal: str | None = None
    principal_verified: bool = False
    on_behalf_of: Content[str | None] = None

    session_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    call_id: str | None = None
    caused_by: tuple[UUID, ...] = ()

    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    reasoning_output_tokens: Count | None = None
    finish_reasons: tuple[str, ...] = ()
    parameters: Content[JsonValue] = None

    seal: Seal | None = None

    absent: dict[str, Absence] = Field(default_factory=dict)
    extensions: Content[dict[str, JsonValue]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _absent_names_content(self) -> Self:
        """Only content can be absent: a core field without a value simply has none."""
        if self.absent:
            names = {*content_fields(type(self)), *content_fields(type(self).body_type())}
            if not self.absent.keys() <= names:
                raise ValueError("`absent` names something that is not a content field")
        return self

    @classmethod
    def body_type(cls) -> type[Record]:
        """Return the class of this kind's body."""
        annotation = cls.model_fields["body"].annotation
        if not isinstance(annotation, type) or not issubclass(annotation, Record):
            raise TypeError(f"{cls.__name__} has no body")
        return annotation


class PromptEvent(EventCore):
    """See `PromptBody`."""

    kind: Literal["prompt"]
    body: PromptBody


class ModelOutputEvent(EventCore):
    """See `ModelOutputBody`."""

    kind: Literal["model_output"]
    body: ModelOutputBody


class ToolCallEvent(EventCore):
    """See `ToolCallBody`."""

    kind: Literal["tool_call"]
    body: ToolCallBody


class ToolResultEvent(EventCore):
    """See `ToolResultBody`."""

    kind: Literal["tool_result"]
    body: ToolResultBody


class ContentEvent(EventCore):
    """See `ContentBody`."""

    kind: Literal["content"]
    body: ContentBody


class DecisionEvent(EventCore):
    """See `DecisionBody`."""

    kind: Literal["decision"]
    body: DecisionBody


class LifecycleEvent(EventCore):
    """See `LifecycleBody`."""

    kind: Literal["lifecycle"]
    body: LifecycleBody


class AccountingEvent(EventCore):
    """See `AccountingBody`."""

    kind: Literal["accounting"]
    body: AccountingBody


class AccessEvent(EventCore):
    """See `AccessBody`."""

    kind: Literal["access"]
    body: AccessBody


class CustodyEvent(EventCore):
    """See `CustodyBody`."""

    kind: Literal["custody"]
    body: CustodyBody


Event = Annotated[
    PromptEvent
    | ModelOutputEvent
    | ToolCallEvent
    | ToolResultEvent
    | ContentEvent
    | DecisionEvent
    | LifecycleEvent
    | AccountingEvent
    | AccessEvent
    | CustodyEvent,
    Field(discriminator="kind"),
]

EVENT_TYPES: Final[tuple[type[EventCore], ...]] = get_args(get_args(Event)[0])
KINDS: Final[tuple[str, ...]] = tuple(
    get_args(event_type.model_fields["kind"].annotation)[0] for event_type in EVENT_TYPES
)
EVENT_TYPE_OF_KIND: Final[dict[str, type[EventCore]]] = dict(zip(KINDS, EVENT_TYPES, strict=True))

_adapter: Final[TypeAdapter[Event]] = TypeAdapter(Event)


def parse_event(data: bytes) -> Event:
    """Return the event that these JSON bytes describe; unknown fields end in `extensions`.

    Raises:
        RejectedRecord: the bytes are no acceptable JSON or no event. The message names the field
            and the kind of fault and holds no text of the input.
    """
    try:
        parse_json(data)  # finds what the validating parser lets pass: duplicate keys, huge numbers
    except JsonError as error:
        raise RejectedRecord(f"not acceptable JSON: {error}", f"json_{error.reason}") from None
    return _event(data)


def validate_event(value: dict[str, Any]) -> Event:
    """Return the event that this JSON object (as Python values) describes; see `parse_event`."""
    try:
        data = canonical_bytes(value)  # and so acceptable JSON
    except CanonicalError as error:
        raise RejectedRecord(f"not canonical JSON: {error}", f"json_{error.reason}") from None
    return _event(data)


def parse_canonical_event(data: bytes) -> Event:
    """Return the event in bytes that `canonical_bytes` wrote: they hide nothing, and parse faster.

    Raises:
        RejectedRecord: they are no event; see `parse_event`.
    """
    return _event(data)


def _event(data: bytes) -> Event:
    try:
        event = _adapter.validate_json(data)
    except ValidationError as error:
        raise RejectedRecord(_describe(error), "invalid_event") from None
    return with_unknown_fields_kept(event)


def event_json(event: Event) -> bytes:
    """Return the event as one JSON object on one line, without fields at their default."""
    return _adapter.dump_json(event, exclude_defaults=True)


def event_object(event: Event) -> dict[str, Any]:
    """Return the event as a JSON object made of Python values; see `event_json`."""
    dumped: dict[str, Any] = _adapter.dump_python(event, mode="json", exclude_defaults=True)
    return dumped


def event_canonical_bytes(event: Event) -> bytes:
    """Return the RFC 8785 bytes of the event; equal events give equal bytes."""
    return canonical_bytes(event_object(event))


def event_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the event, as published in `docs/event.schema.json`."""
    schema = _adapter.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Locard event, schema version {SCHEMA_VERSION}",
        **schema,
    }


def with_unknown_fields_kept(event: Event) -> Event:
    """Move fields that this version does not know into `extensions`, under their JSON Pointer.

    There they are content, and redacted. Unknown fields of a message or a part stay where they are,
    since a message is content as a whole.

    Raises:
        RejectedRecord: they are nested so deep that `extensions` could not be read again.
    """
    history = event.body.history if isinstance(event.body, PromptBody) else None
    drops = event.body.drops if isinstance(event.body, AccountingBody) else ()
    unknown = {
        "/": event.model_extra,
        "/body/": event.body.model_extra,
        "/body/history/": history.model_extra if history else None,
        **{f"/body/drops/{number}/": drop.model_extra for number, drop in enumerate(drops)},
    }
    if not any(unknown.values()):
        return event
    extensions = dict(event.extensions)
    for prefix, extra in unknown.items():
        for name, value in (extra or {}).items():
            key = prefix + name.replace("~", "~0").replace("/", "~1")
            while key in extensions:  # a source may have used the very name; keep both
                key += "'"
            extensions[key] = value
    body = _known_fields(event.body)
    if history:
        body["history"] = _with_known_fields(history)
    if drops:
        body["drops"] = tuple(map(_with_known_fields, drops))
    known = _known_fields(event) | {
        "body": type(event.body).model_construct(**body),
        "extensions": extensions,
    }
    moved = type(event).model_construct(**known)
    try:
        event_canonical_bytes(moved)
    except CanonicalError as error:
        raise RejectedRecord(f"unknown fields: {error}", f"json_{error.reason}") from None
    return moved


def _with_known_fields(record: Record) -> Record:
    return type(record).model_construct(**_known_fields(record))


def _known_fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).model_fields}


def _describe(error: ValidationError) -> str:
    """Say where and of what kind the first faults are, in words of ours alone.

    The parser's own message may quote the input, and so may a place in it: a key of a JSON value
    is payload, so only names of fields are repeated.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{_place(fault['loc'])}: {fault['type']}" for fault in faults[:3]]
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return f"not an event of schema {SCHEMA_VERSION}: {'; '.join(told)}{more}"


_FIELD_NAMES: Final = frozenset(KINDS).union(
    MESSAGE_FIELD_NAMES,
    *(event_type.model_fields for event_type in EVENT_TYPES),
    *(event_type.body_type().model_fields for event_type in EVENT_TYPES),
)


def _place(location: tuple[int | str, ...]) -> str:
    """Return the path to a fault; steps that are neither a field nor an index are left out."""
    steps = [str(step) for step in location if isinstance(step, int) or step in _FIELD_NAMES]
    return ".".join(steps) or "event"
