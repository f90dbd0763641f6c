"""What the model answered, and the calls that it asks for.

One answer is spread over several lines, and each repeats its `usage` so far: a line counts the
tokens that no earlier one did. Where the program itself wrote an error or a filler in the model's
place, that is no output of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from locard.ingest.chat import chat_messages
from locard.ingest.importers.claude_form import trusted
from locard.ingest.importers.claude_memory import KnownCall
from locard.ingest.importers.claude_step import Step
from locard.ingest.importers.claude_tools import effect_of, server_of, tokens_of
from locard.ingest.importers.openai_calls import id_text
from locard.schema import Event

_SYNTHETIC: Final = "<synthetic>"
_CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_OF_A_CALL: Final = frozenset({"type", "id", "name", "input"})


def assistant_events(step: Step) -> Iterator[Event]:
    """Yield the events of a line of type `assistant`."""
    given = step.line.message
    message = given if isinstance(given, dict) else {"content": given}
    is_error = step.line.fields.get("isApiErrorMessage") is True
    if is_error or message.get("model") == _SYNTHETIC:
        change = "api_error" if is_error else "synthetic_message"
        yield step.lifecycle(change, {"message": given, **step.line.content()})
        return
    columns = _columns(message)
    said = {"role": message.get("role", "assistant"), "content": message.get("content")}
    output = step.say(
        "model_output",
        {"messages": trusted(chat_messages(said, role="assistant"), "unknown")},
        caused_by=step.causes(),
        **columns,
        **_tokens(step, message),
        extensions={
            **step.line.envelope(),
            **step.line.content(),
            **_without_column(message, columns),
        },
    )
    yield output
    blocks = message.get("content")
    for block in blocks if isinstance(blocks, list) else ():
        if _is_call(block):
            yield _call(step, block, output)


def _columns(message: dict[str, Any]) -> dict[str, Any]:
    model, reason = message.get("model"), message.get("stop_reason")
    return {
        "provider": "anthropic",
        "response_model": model if isinstance(model, str) and model else None,
        "response_id": id_text(message.get("id")),
        "finish_reasons": [reason] if isinstance(reason, str) and reason else None,
    }


def _without_column(message: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an answer that no column holds."""
    held = {
        "role": True,
        "content": True,
        "type": message.get("type") == "message",
        "model": columns["response_model"] is not None,
        "id": columns["response_id"] is not None,
        "stop_reason": columns["finish_reasons"] is not None,
    }
    return {
        f"message.{name}": value
        for name, value in message.items()
        if value is not None and not held.get(name)
    }


def _tokens(step: Step, message: dict[str, Any]) -> dict[str, int]:
    """Return the tokens that no earlier line counted of this answer."""
    if step.line.is_copy:
        return {}
    given = tokens_of(message.get("usage"))
    answer = id_text(message.get("id"))
    if answer is None:
        return given
    before = step.memory.counted(step.line.session_id, answer)
    most = {name: max(count, before.get(name, 0)) for name, count in given.items()}
    step.learned.answer, step.learned.counted = answer, before | most
    return {
        name: count - before.get(name, 0)
        for name, count in given.items()
        if name not in before or count > before[name]
    }


def _is_call(block: Any) -> bool:
    """Say whether a block asks for a call. One without a name stays a part of the output alone."""
    if not isinstance(block, dict) or not isinstance(block.get("name"), str):
        return False
    kind = block.get("type")
    return isinstance(kind, str) and kind in _CALLS


def _call(step: Step, block: dict[str, Any], output: Event) -> Event:
    name, kind, call_id = block["name"], block["type"], id_text(block.get("id"))
    rest = {f"{kind}.{field}": value for field, value in block.items() if field not in _OF_A_CALL}
    event = step.make(
        "tool_call",
        {
            "tool_name": name,
            "tool_server": server_of(name),
            "tool_type": None if kind == "tool_use" else kind,
            "sighting": "requested",
            "effect": effect_of(name),
            "arguments": block.get("input"),
        },
        call_id=call_id,
        caused_by=[str(output.event_id)],
        absent=None if "input" in block else {"arguments": "not_captured"},
        extensions=rest or None,
    )
    if call_id is not None:
        step.learned.calls[call_id] = KnownCall(name, str(event.event_id))
    return event
