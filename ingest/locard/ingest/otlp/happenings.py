"""Events of OpenTelemetry, whether they come within a span or as log records of their own.

Those within a span that hold what its attributes do not are folded into it: messages of a call of a
model, arguments and results of a tool.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import structured
from locard.ingest.otlp.message_forms import Message, messages_of
from locard.ingest.otlp.messages import digest_of
from locard.ingest.otlp.records import Attributes, SpanEvent
from locard.ingest.sameness import marked

_FIELDS: Final = (
    "role",
    "content",
    "tool_calls",
    "name",
    "id",
    "finish_reason",
    "message",
    "index",
)


def is_message(name: str) -> bool:
    """Say whether an event of that name holds one message of a conversation."""
    return name in names.ROLE_OF_MESSAGE_EVENT or name == names.EVENT_CHOICE


def event_messages(name: str, body: Any, attributes: Attributes) -> tuple[list[Message], set[str]]:
    """Return the message that an event holds, and which attributes it was read from.

    Args:
        body: of the log record; `None` for an event of a span.
    """
    used: set[str] = set()
    told = structured(body)[0]
    if not isinstance(told, dict) and names.EVENT_CONTENT in attributes:
        told = structured(attributes[names.EVENT_CONTENT])[0]
        used.add(names.EVENT_CONTENT)
    if not isinstance(told, dict):
        told = {} if told is None else {"content": told}
    for field in _FIELDS:
        if field not in told and field in attributes:
            told = {**told, field: structured(attributes[field])[0]}
            used.add(field)
    if not told:
        return [], used
    if name == names.EVENT_CHOICE:
        return _choice(told), used
    # Marked, since each message is compared again with those that follow.
    return [marked(one) for one in _messages(told, names.ROLE_OF_MESSAGE_EVENT[name])], used


class Folded(NamedTuple):
    """A span's attributes with what its events add, the events that are left, and repetitions."""

    attributes: Attributes
    events: list[SpanEvent]
    restated: dict[str, Any]


def folded(events: Iterable[SpanEvent], attributes: Attributes, is_tool: bool) -> Folded:
    """Fold events into the attributes of their span, as far as they add to them."""
    found = Folded(dict(attributes), [], {})
    messages: dict[str, list[Message]] = {}
    for event in events:
        if not _fold(event, found, messages, is_tool):
            found.events.append(event)
        elif event.dropped_attributes:
            found.events.append(replace(event, attributes={}))
    for name, told in messages.items():
        if name in found.attributes:
            found.restated[f"{name} as events"] = digest_of(told)
        else:
            found.attributes[name] = told
    return found


def _fold(
    event: SpanEvent, found: Folded, messages: dict[str, list[Message]], is_tool: bool
) -> bool:
    """Fold one event, and say whether it could be."""
    if event.name == names.EVENT_DETAILS:
        if not _adds_only(found.attributes, event.attributes):
            return False
        found.attributes.update(event.attributes)
        return True
    if not is_message(event.name):
        return False
    if is_tool:
        return _tool_value(event, found.attributes)
    told, used = event_messages(event.name, None, event.attributes)
    is_answer = event.name == names.EVENT_CHOICE
    name = (names.OUTPUT_MESSAGES if is_answer else names.INPUT_MESSAGES)[0]
    messages.setdefault(name, []).extend(told)
    for key, value in event.attributes.items():
        if key not in used:
            found.attributes.setdefault(key, value)
    return bool(told)


def _adds_only(found: Attributes, more: Attributes) -> bool:
    """Say whether these attributes say nothing else than what is there already."""
    return all(name not in found or found[name] == value for name, value in more.items())


def _tool_value(event: SpanEvent, found: Attributes) -> bool:
    """Put into a tool's attributes what an event says of its arguments or its result."""
    is_result = event.name == names.EVENT_CHOICE
    field = "message" if is_result else "content"
    name = "gen_ai.tool.call.result" if is_result else "gen_ai.tool.call.arguments"
    if field not in event.attributes or name in found:
        return False
    found[name] = event.attributes[field]
    call_id = event.attributes.get("id")
    if call_id is not None:
        found.setdefault("gen_ai.tool.call.id", call_id)
    return True


def _choice(told: dict[str, Any]) -> list[Message]:
    inner = told.get("message")
    if isinstance(inner, dict):
        said = {"role": "assistant", **inner}
    else:
        said = {"role": "assistant", "content": told.get("content") if inner is None else inner}
    if "tool_calls" in told and "tool_calls" not in said:
        said["tool_calls"] = told["tool_calls"]
    found = _messages(said, "assistant")
    reason = told.get("finish_reason")
    if found and isinstance(reason, str):
        found[-1]["finish_reason"] = reason
    return found


def _messages(told: dict[str, Any], role: str) -> list[Message]:
    said = {"role": role, **told}
    if role == "tool":
        said["tool_call_id"] = said.pop("id", said.get("tool_call_id"))
    content = said.get("content")
    if isinstance(content, list) and said["role"] != "tool":
        blocks = messages_of(content, said["role"])
        if blocks and "tool_calls" not in said:
            return blocks
    return messages_of(said, role)
