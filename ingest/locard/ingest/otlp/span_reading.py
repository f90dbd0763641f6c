"""The spans of one request, each read into the events that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from locard.ingest.conversations import Telling
from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader
from locard.ingest.otlp.classes import Read, reader_of
from locard.ingest.otlp.contexts import (
    TraceSessions,
    batch_of,
    origin_of,
    own_session,
    trace_session,
)
from locard.ingest.otlp.decisions import evaluation
from locard.ingest.otlp.happenings import folded
from locard.ingest.otlp.making import moment
from locard.ingest.otlp.reading import Reading
from locard.ingest.otlp.records import Attributes, Link, Refusal, Resource, Scope, Span, SpanEvent
from locard.ingest.otlp.tools import tool
from locard.ingest.otlp.transcripts import Transcripts
from locard.schema import rfc3339


@dataclass(frozen=True)
class Request:
    """What the records of one request have in common.

    Args:
        observed_at: when it came.
        workflow_id: the one that its sender may send of; `None` where that is not known.
        sender: whose request it is. Nothing is remembered of one sender for another.
    """

    sessions: TraceSessions
    transcripts: Transcripts
    telling: Telling
    observed_at: datetime
    workflow_id: str | None
    sender: str = ""

    @property
    def owner(self) -> str:
        """Whose the traces and conversations are: no name holds such a character."""
        return f"{self.sender}\x00{self.workflow_id or ''}"


class SpanReader:
    """Reads the spans of one request."""

    def __init__(self, spans: Sequence[Span], request: Request) -> None:
        self.refused: list[Refusal] = []
        self._spans = spans
        self._sessions = request.sessions
        self._transcripts = request.transcripts
        self._telling = request.telling
        self._observed_at = rfc3339(request.observed_at)
        self._workflow_id = request.workflow_id
        self._owner = request.owner
        self._batch = batch_of(spans)
        self._origins: dict[int, dict[str, str]] = {}
        self._sources: dict[tuple[int, int], dict[str, Any]] = {}

    def readings(self) -> list[Reading]:
        """Return each span, read, in the order in which the spans began."""
        opened = [(index, self._open(span)) for index, span in enumerate(self._spans)]
        order = sorted(opened, key=lambda item: (self._spans[item[0]].start, item[0]))
        waiting = []
        for index, reading in order:
            events = _folded_events(reading, self._spans[index])
            read, waits = reader_of(reading)
            if waits:
                waiting.append((index, reading, events, read))
            else:
                self._read(index, reading, events, read)
        for index, reading, events, read in waiting:
            self._read(index, reading, events, read)
        return [reading for _, reading in order]

    def _read(self, index: int, reading: Reading, events: list[SpanEvent], read: Read) -> None:
        read(reading)
        _add_evaluations_listed(reading)
        kept = [event for event in events if not _add_evaluation(reading, event)]
        if kept:
            reading.extensions["events"] = [_told_event(event) for event in kept]
        if error := reading.close():
            self.refused.append(Refusal(index, error.error_class, str(error)))

    def _open(self, span: Span) -> Reading:
        reader = Reader(span.attributes, span.replaced)
        workflow = self._workflow_id or ""
        named = own_session(span.attributes) or own_session(span.resource.attributes)
        told = self._batch.sessions.get(span.trace_id) or trace_session(span.trace_id)
        bound = self._sessions.bind(self._owner, span.trace_id, told)
        session = named or bound
        started = moment(span.start) or moment(span.end) or self._observed_at
        ended = moment(span.end) or started
        core: dict[str, Any] = {
            "observed_at": self._observed_at,
            "lane": "otlp_trace",
            "session_id": session,
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            **({"parent_span_id": span.parent_span_id} if span.parent_span_id else {}),
            **({"workflow_id": self._workflow_id} if self._workflow_id is not None else {}),
            **({} if span.start or span.end else {"time_source": "observed"}),
            **self._origin(span.resource),
            **self._batch.agents[span.trace_id, span.span_id],
        }
        take_core(reader, core)
        conversation = f"{self._owner}\x00{session}"
        return Reading(
            name=span.name,
            kind=span.kind,
            reader=reader,
            core=core,
            id_parts=(workflow, span.trace_id, span.span_id),
            started_at=started,
            ended_at=ended,
            telling=self._telling,
            session=conversation,
            earlier=self._transcripts.of(conversation),
            facts=_facts(span),
            is_failed=span.status == "error",
            status_message=span.status_message,
            extensions={**self._source(span.resource, span.scope), **_loss(span)},
        )

    def _origin(self, resource: Resource) -> dict[str, str]:
        found = self._origins.get(id(resource))
        if found is None:
            found = self._origins[id(resource)] = origin_of(resource)
        return found

    def _source(self, resource: Resource, scope: Scope) -> dict[str, Any]:
        key = (id(resource), id(scope))
        found = self._sources.get(key)
        if found is None:
            found = self._sources[key] = source_of(resource, scope)
        return found


def _folded_events(reading: Reading, span: Span) -> list[SpanEvent]:
    """Fold a span's events into its attributes, and return those that are left."""
    if not span.events:
        return []
    is_tool = reader_of(reading)[0] is tool
    attributes, left, restated = folded(span.events, reading.reader.rest(), is_tool)
    reading.reader = Reader(attributes, reading.reader.nonconformant)
    if restated:
        reading.extensions["restated"] = restated
    return left


def take_core(reader: Reader, core: dict[str, Any]) -> None:
    """Take from the attributes what the core of an event holds: session, agent and user."""
    reader.text(*names.SESSION)
    for aliases in (names.AGENT_ID, names.AGENT_NAME, names.AGENT_VERSION):
        reader.text(*aliases)
    if user := reader.text(*names.USER):
        core["on_behalf_of"] = user


def source_of(resource: Resource, scope: Scope) -> dict[str, Any]:
    """Return resource and scope in the form of `extensions`."""
    told: dict[str, Any] = {
        "name": scope.name,
        "version": scope.version,
        "schema_url": scope.schema_url,
        "attributes": scope.attributes,
    }
    found = {
        "resource": resource.attributes,
        "resource_schema_url": resource.schema_url,
        "scope": {name: value for name, value in told.items() if value},
        "source_unread": [*resource.unread, *scope.unread],
        "source_nonconformant": [*resource.replaced, *scope.replaced],
    }
    dropped = {"resource": resource.dropped_attributes, "scope": scope.dropped_attributes}
    found["source_dropped"] = {name: count for name, count in dropped.items() if count}
    return {name: value for name, value in found.items() if value}


def _facts(span: Span) -> dict[str, Any]:
    facts = {
        "name": span.name,
        "kind": "" if span.kind == "unspecified" else span.kind,
        "ended_at": moment(span.end),
        "status": "" if span.status == "unset" else span.status,
        "status_message": span.status_message,
        "flags": span.flags,
        "trace_state": span.trace_state,
    }
    return {name: value for name, value in facts.items() if value}


def _loss(span: Span) -> dict[str, Any]:
    dropped = {
        "attributes": span.dropped_attributes,
        "events": span.dropped_events,
        "links": span.dropped_links,
    }
    if not (span.links or span.unread or any(dropped.values())):
        return {}
    found = {
        "dropped": {name: count for name, count in dropped.items() if count},
        "links": [_told_link(link) for link in span.links],
        "unread": [dict(item) for item in span.unread],
    }
    return {name: value for name, value in found.items() if value}


def _told_link(link: Link) -> dict[str, Any]:
    told = {
        "trace_id": link.trace_id,
        "span_id": link.span_id,
        "trace_state": link.trace_state,
        "attributes": link.attributes,
        "dropped_attributes": link.dropped_attributes,
        "flags": link.flags,
    }
    return {name: value for name, value in told.items() if value}


def _told_event(event: SpanEvent) -> dict[str, Any]:
    told = {
        "name": event.name,
        "time": moment(event.time),
        "attributes": event.attributes,
        "dropped_attributes": event.dropped_attributes,
    }
    return {name: value for name, value in told.items() if value}


def _add_evaluation(reading: Reading, event: SpanEvent) -> bool:
    """Add the decision that an event of a span is, if it is one."""
    if event.name != names.EVENT_EVALUATION:
        return False
    _add_decision(reading, event.attributes, moment(event.time) or reading.ended_at)
    return True


def _add_evaluations_listed(reading: Reading) -> None:
    """Add the decisions that OpenInference lists among the attributes of what they are about."""
    if not reading.reader.has_lists():
        return
    for prefix, inner in names.EVALUATION_LISTS.items():
        for item in reading.reader.indexed(prefix):
            told = item.get(inner, item) if isinstance(item, dict) else {inner: item}
            fields = told if isinstance(told, dict) else {inner: told}
            attributes = {f"evaluation.{name}": value for name, value in fields.items()}
            _add_decision(reading, attributes, reading.ended_at)


def _add_decision(reading: Reading, attributes: Attributes, at: str) -> None:
    inner = Reading(
        name="",
        kind=reading.kind,
        reader=Reader(attributes),
        core=reading.core,
        id_parts=(*reading.id_parts, f"evaluation.{len(reading.drafts)}"),
        started_at=at,
        ended_at=at,
        telling=reading.telling,
        session=reading.session,
    )
    evaluation(inner)
    reading.drafts.extend(inner.finish())
