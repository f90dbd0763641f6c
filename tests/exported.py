"""Short ways to write what OpenTelemetry's file exporter writes."""

from __future__ import annotations

import json
from typing import Any

START = 1_777_887_000_000_000_000  # nanoseconds since 1970
LONG = "Pay the invoice of Keller Paper, but look at the account first. " * 8


def attribute(key: str, value: str) -> dict[str, Any]:
    """Return an attribute of text."""
    return {"key": key, "value": {"stringValue": value}}


RESOURCE = {"attributes": [attribute("service.name", "payer")]}


def said(role: str, words: str) -> dict[str, Any]:
    """Return a message."""
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def chat(number: int, messages: Any, answer: str, *, session: str | None = "s1") -> Any:
    """Return a span of a model's call; the number tells it from others."""
    output = {**said("assistant", answer), "finish_reason": "stop"}
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "some-model",
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps([output]),
    }
    if session is not None:
        attributes["gen_ai.conversation.id"] = session
    return {
        "traceId": f"{7:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "chat some-model",
        "kind": 3,
        "startTimeUnixNano": str(START + number * 10**9),
        "endTimeUnixNano": str(START + number * 10**9 + 5 * 10**8),
        "attributes": [attribute(key, value) for key, value in attributes.items()],
    }


def decision(number: int, *, trace: int | None = None) -> Any:
    """Return a log record of a decision."""
    ids = {} if trace is None else {"traceId": f"{trace:032x}", "spanId": f"{1:016x}"}
    attributes = {
        "event.name": "claude_code.tool_decision",
        "tool_name": "Bash",
        "decision": "reject",
        "source": "user_reject",
    }
    return {
        "timeUnixNano": str(START + number * 10**9),
        "body": {"stringValue": "claude_code.tool_decision"},
        "attributes": [attribute(key, value) for key, value in attributes.items()],
        **ids,
    }


def traces(*spans: Any) -> bytes:
    """Return a line with these spans."""
    scoped = {"scope": {"name": "test"}, "spans": list(spans)}
    return _line({"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [scoped]}]})


def logs(*records: Any) -> bytes:
    """Return a line with these log records."""
    scoped = {"scope": {"name": "test"}, "logRecords": list(records)}
    return _line({"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [scoped]}]})


def conversation(turns: int, session: str = "s1") -> list[bytes]:
    """Return a line for each turn; each repeats the whole conversation before it."""
    messages, lines = [], []
    for number in range(turns):
        messages.append(said("user", f"{number}: {LONG}"))
        lines.append(traces(chat(number, messages, f"{number} done", session=session)))
        messages.append(said("assistant", f"{number} done"))
    return lines


def _line(request: Any) -> bytes:
    return json.dumps(request, separators=(",", ":")).encode()
