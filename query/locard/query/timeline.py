"""The timeline of one session: what happened, in order, one row for each event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb

_COLUMNS: Final = (
    "event_id, kind, occurred_at, time_source, session_id, workflow_id, agent_name, principal,"
    " coalesce(response_model, request_model) AS model, call_id, tool_name, tool_server, sighting,"
    " outcome, trust, verdict, decided_by, rule, change, action, custody_action, statement,"
    " messages, arguments, result, error_message, rationale, attributes, content, title, uri,"
    " query, reason, history, absent, redaction"
)
_SQL: Final = f"""
    SELECT {_COLUMNS} FROM events WHERE session_id = $1
    ORDER BY occurred_at, log_topic_id, log_partition, log_offset, event_id
"""  # noqa: S608 - the columns are the constant above


@dataclass(frozen=True)
class TimelineRow:
    """One event of a timeline.

    Args:
        occurred_at: in UTC; made up by an importer where `time_made_up`.
        who: the role, model, tool or decider that the event is of.
        what: the event in words, on as many lines as it has; hostile text, not made inert.
        trust: the least trusted of its parts, `None` where nothing is said.
        fields: the event's columns that are not NULL.
    """

    event_id: str
    occurred_at: datetime
    time_made_up: bool
    kind: str
    who: str
    what: str
    trust: str | None
    fields: dict[str, Any] = field(repr=False)


TIMELINE_COLUMNS: Final = (
    "event_id",
    "occurred_at",
    "time_made_up",
    "kind",
    "who",
    "trust",
    "what",
)

_LEAST_TRUSTED_FIRST: Final = ("external", "unknown", "tool", "user", "operator", "system")


def timeline(connection: duckdb.DuckDBPyConnection, session_id: str) -> list[TimelineRow]:
    """Return the session's events in order; none where the lake does not know the session."""
    cursor = connection.execute(_SQL, [session_id])
    names = [column[0] for column in cursor.description or ()]
    return [_row(dict(zip(names, values, strict=True))) for values in cursor.fetchall()]


def _row(columns: dict[str, Any]) -> TimelineRow:
    who, what, trust = _told(columns)
    return TimelineRow(
        event_id=columns["event_id"],
        occurred_at=columns["occurred_at"],
        time_made_up=columns["time_source"] == "importer",
        kind=columns["kind"],
        who=who,
        what=what,
        trust=trust,
        fields={name: value for name, value in columns.items() if value is not None},
    )


def _told(event: dict[str, Any]) -> tuple[str, str, str | None]:
    """Return who, what and how far trusted, by kind."""
    match event["kind"]:
        case "prompt" | "model_output" as kind:
            messages = json.loads(event["messages"] or "[]")
            roles = dict.fromkeys(message["role"] for message in messages)
            who = (event["model"] or "model") if kind == "model_output" else "+".join(roles)
            trust = None if kind == "model_output" else _least_trusted(messages)
            return who, "\n".join(_said(messages)), trust
        case "tool_call":
            return event["tool_name"], f"calls {_call(event)}", None
        case "tool_result":
            told = event["error_message"] or _text(event["result"])
            return event["tool_name"] or "tool", f"{event['outcome']}: {told}", event["trust"]
        case "decision":
            told = " ".join(filter(None, (event["verdict"], event["rule"], event["rationale"])))
            return event["decided_by"], told, None
        case "content":
            told = " ".join(filter(None, (event["title"], event["uri"], _text(event["content"]))))
            return event["agent_name"] or "agent", told, event["trust"]
        case kind:
            told = event["change"] or event["action"] or event["custody_action"]
            details = _text(event["attributes"]) or event["query"] or event["reason"] or ""
            who = event["principal"] or event["agent_name"] or kind
            return who, f"{told or event['statement']} {details}".strip(), None


def _said(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        for part in message.get("parts", ()):
            if part["type"] == "tool_call":
                yield f"→ asks for {part['name']}"
            elif isinstance(part.get("content"), str):
                yield part["content"]
            else:
                rest = {name: value for name, value in part.items() if name != "trust"}
                yield json.dumps(rest, ensure_ascii=False)


def _least_trusted(messages: list[dict[str, Any]]) -> str | None:
    found = {part.get("trust", "unknown") for m in messages for part in m.get("parts", ())}
    return next((trust for trust in _LEAST_TRUSTED_FIRST if trust in found), None)


def _call(event: dict[str, Any]) -> str:
    arguments = json.loads(event["arguments"] or "null")
    if not isinstance(arguments, dict):
        return f"{event['tool_name']}({_text(event['arguments'])})"
    given = (f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in arguments.items())
    return f"{event['tool_name']}({', '.join(given)})"


def _text(value: str | None) -> str:
    """Return JSON text as it reads best: a string without its quotes, the rest as JSON."""
    if value is None:
        return ""
    parsed = json.loads(value)
    return parsed if isinstance(parsed, str) else value
