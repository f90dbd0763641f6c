"""Calls of a model: a prompt, an output, the tool calls that it requests, and what was filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from locard.ingest.elements import affords
from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader, structured
from locard.ingest.otlp.message_forms import Message
from locard.ingest.otlp.messages import Said, said, system_message
from locard.ingest.otlp.reading import Reading, error_of

_TOLD_COSTS: Final = 2  # elements for each message that is compared with those before
_FILTERED: Final = frozenset({"content_filter", "content-filter"})


def inference(reading: Reading) -> None:
    """Add the events of one call of a model."""
    reader = reading.reader
    model, asked = model_fields(reader), parameters(reader)
    named = asked.get("model")
    if isinstance(named, str) and named != model["request_model"]:
        # OpenInference has one name for both; what was asked for is among the parameters then.
        model["response_model"] = model["response_model"] or model["request_model"]
        model["request_model"] = named
    given, answered = said(reader, "input", reading.earlier), said(reader, "output")
    prompt_id = add_prompt(reading, given, model, asked)
    add_output(reading, answered, model, prompt_id, is_captured=given.messages is not None)


def model_fields(reader: Reader) -> dict[str, Any]:
    """Take which model was called, in the fields of an event."""
    given = reader.text(*names.PROVIDER)
    if given in names.PROVIDERS_RENAMED:
        reader.keep("gen_ai.provider.name", given)
        given = names.PROVIDERS_RENAMED[given]
    return {
        "provider": given,
        "request_model": reader.text(*names.REQUEST_MODEL),
        "response_model": reader.text(*names.RESPONSE_MODEL),
        "response_id": reader.text(*names.RESPONSE_ID),
    }


def usage_fields(reader: Reader) -> dict[str, Any]:
    """Take how many tokens were used, in the fields of an event."""
    return {column: reader.count(*aliases) for column, aliases in names.TOKENS.items()}


def parameters(reader: Reader) -> dict[str, Any]:
    """Take what the model was asked for beside its messages."""
    found = reader.group(names.PARAMETERS_PREFIX)
    for name, given in reader.take_all(names.PARAMETERS):
        value = reader.parsed(name, given)
        is_all = name == "llm.invocation_parameters" and isinstance(value, dict)
        found = {**value, **found} if is_all else {**found, name: value}
    return found


def add_prompt(
    reading: Reading,
    given: Said,
    model: dict[str, Any],
    parameters: dict[str, Any] | None = None,
) -> UUID | None:
    """Add a prompt, and events for results of tools that nothing else of the session holds.

    Returns:
        the prompt's id.
    """
    tools = tool_definitions(reading.reader)
    leading = system_message(reading.reader)
    body: dict[str, Any] = {"tool_definitions": tools}
    prompt_id = reading.event_id("prompt")
    if given.messages is not None or leading:
        messages = [*leading, *(given.messages or ())]
        if affords(_TOLD_COSTS * len(messages)):
            add_results_shown(reading, messages)
            told = reading.telling.prompt(reading.session, prompt_id, messages)
            body |= {"messages": told.messages, "history": told.history}
        else:
            body["messages"] = messages
    reading.add(
        "prompt",
        "prompt",
        body,
        **{name: model[name] for name in ("provider", "request_model")},
        parameters=parameters,
        absent={"messages": given.absence} if given.absence else None,
        extensions=_notes(given),
    )
    return prompt_id


def add_results_shown(reading: Reading, messages: list[Message]) -> None:
    """Add an event for each result of a tool in these messages that the session does not hold."""
    for number, message in enumerate(messages):
        part = message["parts"][0] if len(message["parts"]) == 1 else {}
        if part.get("type") != "tool_call_response":
            continue
        slot = f"result.{number}"
        holder = reading.telling.holds(reading.session, message)
        if holder not in (None, reading.event_id(slot), reading.event_id("prompt")):
            continue
        call_id, name = part.get("id"), message.get("name")
        result_id = reading.add(
            "tool_result",
            slot,
            {
                "tool_name": name,
                "outcome": "unknown",
                "trust": "tool",
                "result": part.get("response"),
            },
            call_id=call_id,
        )
        reading.told_beside.add(result_id)
        if call_id is not None:
            reading.telling.result(reading.session, result_id, call_id, part.get("response"), name)


def add_output(
    reading: Reading,
    answered: Said,
    model: dict[str, Any],
    prompt_id: UUID | None,
    *,
    is_captured: bool,
    usage: bool = True,
) -> UUID:
    """Add what a model answered, the calls that it requests, and a decision where it was filtered.

    Args:
        is_captured: the record tells its prompt, so that no answer means that there was none.
        usage: tokens belong to this call, and are not the sum of others.

    Returns:
        the output's id.
    """
    reader = reading.reader
    error_type, error_message = error_of(reading)
    absence = answered.absence
    if absence == "not_captured" and is_captured and (reading.is_failed or error_type):
        absence = None
    reasons = finish_reasons(reader, answered)
    tokens = usage_fields(reader) if usage else {}
    facts = answered.beside
    extensions = _notes(answered)
    if error_type or error_message:
        error = {"type": error_type, "message": error_message}
        extensions["error"] = {name: text for name, text in error.items() if text}
    fallback_id = facts.get("id") if isinstance(facts.get("id"), str) else None
    output_id = reading.add(
        "model_output",
        "output",
        {"messages": answered.messages},
        at_end=True,
        **{**model, "response_id": model["response_id"] or fallback_id},
        **tokens,
        finish_reasons=reasons,
        caused_by=[prompt_id] if prompt_id else None,
        absent={"messages": absence} if absence else None,
        extensions=extensions,
    )
    if answered.messages:
        reading.telling.output(reading.session, output_id, prompt_id, answered.messages[0])
    add_requested_calls(reading, answered.messages or (), output_id)
    if _FILTERED & {reason.lower() for reason in reasons}:
        reading.add(
            "decision",
            "filtered",
            {"decided_by": "guardrail", "verdict": "deny", "rule": "content_filter"},
            at_end=True,
            caused_by=[output_id],
        )
    return output_id


def add_requested_calls(reading: Reading, messages: Sequence[Message], output_id: UUID) -> None:
    """Add an event for each call that a model asks for, or that its provider made."""
    parts = [part for message in messages for part in message["parts"]]
    number = 0
    for part in parts:
        if part["type"] == "tool_call":
            body = {"tool_name": part["name"], "sighting": "requested"}
            _add_call(reading, f"requested.{number}", part, "arguments", body, output_id)
        elif part["type"] == "server_tool_call":
            name = part.get("name") if isinstance(part.get("name"), str) else ""
            body = {"tool_name": name, "sighting": "server", "tool_type": "server"}
            _add_call(reading, f"requested.{number}", part, "server_tool_call", body, output_id)
        elif part["type"] == "server_tool_call_response":
            call_id = part.get("id")
            reading.add(
                "tool_result",
                f"requested.{number}",
                {
                    "tool_name": part.get("name") if isinstance(part.get("name"), str) else None,
                    "outcome": "unknown",
                    "trust": "external",
                    "result": part.get("server_tool_call_response"),
                },
                at_end=True,
                call_id=call_id if isinstance(call_id, str) else None,
                caused_by=[output_id],
            )
        else:
            continue
        number += 1


def finish_reasons(reader: Reader, answered: Said) -> list[str]:
    """Take why a model stopped, from the attribute or from its messages."""
    found = reader.take(*names.FINISH_REASONS)
    if found is not None:
        name, given = found
        value = structured(given)[0]
        if isinstance(value, str) and name != names.FINISH_REASONS[0]:
            return [value]
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            if value is not given:
                reader.flag(name, given)
            return value
        reader.flag(name, given)
        if isinstance(value, str):
            return [value]
    told = [message.get("finish_reason") for message in answered.messages or ()]
    reasons = [reason for reason in told if isinstance(reason, str)]
    stopped = answered.beside.get("stop_reason")
    return reasons or ([stopped] if isinstance(stopped, str) else [])


def tool_definitions(reader: Reader) -> Any:
    """Take the definitions of the tools that the model was offered, `None` where there are none."""
    if found := reader.value(*names.TOOL_DEFINITIONS):
        return found[1]
    if not reader.has_lists():
        return None
    indexed = [
        item.get("tool", {}).get("json_schema", item) if _is_tool(item) else item
        for item in reader.indexed("llm.tools")
    ]
    return [structured(item)[0] for item in indexed] or None


def _is_tool(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("tool"), dict)


def _add_call(
    reading: Reading,
    slot: str,
    part: dict[str, Any],
    arguments: str,
    body: dict[str, Any],
    output_id: UUID,
) -> None:
    value = structured(part.get(arguments))[0]
    call_id = part.get("id")
    is_hidden = isinstance(value, str) and value in names.HIDDEN
    absence = "redacted_upstream" if is_hidden else None if arguments in part else "not_captured"
    reading.add(
        "tool_call",
        slot,
        {**body, "arguments": None if is_hidden else value},
        at_end=True,
        call_id=call_id if isinstance(call_id, str) and call_id else None,
        caused_by=[output_id],
        absent={"arguments": absence} if absence else None,
    )


def _notes(told: Said) -> dict[str, Any]:
    notes: dict[str, Any] = {"restated": told.restated} if told.restated else {}
    if told.beside:
        notes["beside_messages"] = told.beside
    if told.is_partly_hidden:
        notes["redacted_upstream"] = ["messages"]
    return notes
