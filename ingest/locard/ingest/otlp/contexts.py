"""Which session and which agent the records of a trace belong to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader, first_text
from locard.ingest.otlp.classes import is_agent
from locard.ingest.otlp.records import Resource, Span

_MOST_TRACES: Final = 50_000
_AGENT_FIELDS: Final = {
    "agent_id": names.AGENT_ID,
    "agent_name": names.AGENT_NAME,
    "agent_version": names.AGENT_VERSION,
}
_AGENT_NAMES: Final = tuple(name for aliases in _AGENT_FIELDS.values() for name in aliases)


class TraceSessions:
    """The session of each trace, as it was first said; bounded, and safe to share."""

    def __init__(self, most_traces: int = _MOST_TRACES) -> None:
        self._most_traces = most_traces
        self._sessions: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def bind(self, owner: str, trace_id: str, session_id: str) -> str:
        """Return the session of a trace: what was bound first stays, so that order decides once.

        Args:
            owner: who sent it, and of which workflow: nobody else can choose its session.
        """
        key = (owner, trace_id)
        with self._lock:
            found = self._sessions.setdefault(key, session_id)
            self._sessions.move_to_end(key)
            if len(self._sessions) > self._most_traces:
                self._sessions.popitem(last=False)
        return found


def own_session(attributes: Mapping[str, Any]) -> str | None:
    """Return the session that a record names itself."""
    return first_text(attributes, names.SESSION)


def trace_session(trace_id: str) -> str:
    """Return the session of a trace in which nobody names one."""
    return f"trace:{trace_id}"


@dataclass(frozen=True, slots=True)
class Batch:
    """What the spans of one request say for each other.

    Args:
        sessions: by trace, the session that its first span that names one does.
        agents: by trace and span, the agent that the span itself or its nearest ancestor names.
    """

    sessions: Mapping[str, str]
    agents: Mapping[tuple[str, str], Mapping[str, str]]


def batch_of(spans: Sequence[Span]) -> Batch:
    """Return what these spans say for each other."""
    sessions: dict[str, str] = {}
    for span in sorted(spans, key=lambda span: (span.start, span.span_id)):
        found = own_session(span.attributes) or own_session(span.resource.attributes)
        if found is not None:
            sessions.setdefault(span.trace_id, found)
    return Batch(sessions, _agents(spans))


def agent_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the agent that a record names itself, in the fields of an event."""
    if attributes.keys().isdisjoint(_AGENT_NAMES):
        return {}
    found = {field: first_text(attributes, aliases) for field, aliases in _AGENT_FIELDS.items()}
    return {field: text for field, text in found.items() if text is not None}


def origin_of(resource: Resource) -> dict[str, str]:
    """Return the agent and environment of records whose resource this is."""
    agent = first_text(resource.attributes, ("service.name",))
    environment = first_text(resource.attributes, names.ENVIRONMENT)
    found = {"agent_name": agent, "environment": environment}
    return {field: text for field, text in found.items() if text is not None}


def _agents(spans: Sequence[Span]) -> dict[tuple[str, str], dict[str, str]]:
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    own = {key: agent_of(span.attributes) for key, span in by_id.items()}
    naming = {key for key, told in own.items() if told and is_agent(Reader(by_id[key].attributes))}
    if not naming:
        return own
    found: dict[tuple[str, str], dict[str, str]] = {}
    for start in by_id:
        path: dict[tuple[str, str], None] = {}
        key: tuple[str, str] | None = start
        inherited: dict[str, str] = {}
        while key is not None and key in by_id and key not in path:  # a cycle of parents has no end
            if key in found:
                inherited = found[key]
                break
            path[key] = None
            parent = by_id[key].parent_span_id
            if key in naming:
                break
            key = (key[0], parent) if parent else None
        for step in reversed(path):
            inherited = own[step] or inherited
            found[step] = inherited
    return found
