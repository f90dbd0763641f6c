"""Log records of agents that write their own: Claude Code and Codex.

Both name the event in `event.name`, Claude Code with the full name in the body as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.decisions import verdict
from locard.ingest.otlp.inference import add_output, add_prompt, model_fields
from locard.ingest.otlp.messages import Said
from locard.ingest.otlp.reading import Reading

_PROVIDERS: Final = {"claude_code": "anthropic", "codex": "openai"}
_DECIDERS: Final = {
    "config": "policy",
    "hook": "policy",
    "policy": "policy",
    "automated_reviewer": "guardrail",
    "automatedreviewer": "guardrail",
    "classifier": "guardrail",
}


def vendor_event(name: str) -> Callable[[Reading], None] | None:
    """Return what reads the vendor's event of that name, `None` where it is none we know."""
    vendor, _, event = name.partition(".")
    return _EVENTS.get(event) or _EVENTS.get(name) if vendor in _PROVIDERS else None


def _user_prompt(reading: Reading) -> None:
    found = reading.reader.take("prompt")
    said = Said()
    if found and isinstance(found[1], str) and found[1] in names.HIDDEN:
        said.absence = "redacted_upstream"
    elif found:
        text = found[1] if isinstance(found[1], str) else str(found[1])
        parts = [{"type": "text", "trust": "user", "content": text}]
        said = Said([{"role": "user", "parts": parts}], None)
    add_prompt(reading, said, model_fields(reading.reader))


def _api_request(reading: Reading) -> None:
    """Add what a call of a model cost; what was said is told elsewhere or not at all."""
    model = model_fields(reading.reader)
    model["provider"] = model["provider"] or _PROVIDERS.get(_vendor(reading))
    add_output(reading, Said(), model, None, is_captured=False)


def _stream_event(reading: Reading) -> None:
    if reading.reader.look("event.kind") == "response.completed":
        _api_request(reading)
    else:
        reading.lifecycle("log")


def _tool_decision(reading: Reading) -> None:
    reader = reading.reader
    word, source = reader.look("decision"), reader.text("source", "decision_source")
    told = (source or "").lower()
    decided_by = _DECIDERS.get(told) or ("human" if told.startswith("user") else "policy")
    if source is not None:
        reader.keep("source", source)
    reading.add(
        "decision",
        "decision",
        {"decided_by": decided_by, "verdict": verdict(word), "rule": reader.text(*names.TOOL_NAME)},
        call_id=reader.text(*names.CALL_ID),
    )


def _permission_mode(reading: Reading) -> None:
    reader = reading.reader
    trigger = reader.look("trigger")
    decided_by = "policy" if isinstance(trigger, str) and trigger.startswith("auto") else "human"
    mode = reader.look("to_mode")
    rule = f"permission_mode:{mode}" if isinstance(mode, str) else "permission_mode"
    body = {"decided_by": decided_by, "verdict": "unknown", "rule": rule}
    reading.add("decision", "decision", body)


def _tool_result(reading: Reading) -> None:
    """Add a tool that ran: its call and its result."""
    reader = reading.reader
    name = reader.text(*names.TOOL_NAME) or "unknown"
    call_id = reader.text(*names.CALL_ID)
    arguments = reader.value("arguments", "tool_input", "tool_parameters")
    output = reader.value("output", "result")
    success = reader.look("success")
    succeeded = (
        success
        if isinstance(success, bool)
        else {"true": True, "false": False}.get(str(success).lower())
    )
    error = reader.text("error", "error_message")
    error_type = reader.text("error_type", names.ERROR_TYPE)
    outcome = "unknown" if succeeded is None else "ok" if succeeded else "error"
    call = reading.add(
        "tool_call",
        "call",
        {
            "tool_name": name,
            "sighting": "executed",
            "arguments": arguments[1] if arguments else None,
        },
        call_id=call_id,
        absent=None if arguments else {"arguments": "not_captured"},
    )
    result = output[1] if output else None
    event_id = reading.add(
        "tool_result",
        "result",
        {
            "tool_name": name,
            "outcome": outcome,
            "error_type": error_type,
            "error_message": error,
            "result": result,
        },
        call_id=call_id,
        caused_by=[call],
        absent=None if output or error else {"result": "not_captured"},
    )
    if call_id and output:
        reading.telling.result(reading.session, event_id, call_id, result, name)


def _conversation_starts(reading: Reading) -> None:
    model = model_fields(reading.reader)
    reading.lifecycle("session_start", **model)


def _vendor(reading: Reading) -> str:
    return reading.name.partition(".")[0]


_EVENTS: Final[dict[str, Callable[[Reading], Any]]] = {
    "user_prompt": _user_prompt,
    "claude_code.api_request": _api_request,
    "codex.sse_event": _stream_event,
    "tool_decision": _tool_decision,
    "permission_mode_changed": _permission_mode,
    "tool_result": _tool_result,
    "conversation_starts": _conversation_starts,
}
