"""Messages in whatever a request, a response or an instrumentation writes them in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from locard.ingest.chat import chat_messages
from locard.ingest.otlp.attributes import structured
from locard.schema import CanonicalError, canonical_bytes

Message: TypeAlias = dict[str, Any]
"""A message in the form of the schema."""

_OF_CHOICE: Final = ("message", "text", "finish_reason", "index")
_SIGNS_OF_RESPONSE: Final = frozenset({"stop_reason", "usage"})

Told: TypeAlias = tuple[list[Message], dict[str, Any]]
"""Messages, and what was said beside them."""


def told_in(value: Any, role: str) -> Told:
    """Return the messages in a value of whatever form: a request, a response, a list, a text.

    An object or a list that holds no messages is one, as its JSON.
    """
    found = _in_container(value, role) if isinstance(value, dict | list) else None
    if found is not None:
        return found
    return [] if value in (None, "", []) else chat_messages(as_text(value), role), {}


def messages_of(value: Any, role: str) -> list[Message]:
    """Return the messages alone; see `told_in`."""
    return told_in(value, role)[0]


def holds_messages(value: Any) -> bool:
    """Say whether a value tells messages, and is not only some object or list."""
    read = structured(value)[0]
    return not isinstance(read, dict | list) or _in_container(read, "") is not None


def _in_container(value: dict[str, Any] | list[Any], role: str) -> Told | None:
    if isinstance(value, list):
        return _in_list(value, role)
    match value:
        case {"messages": list() as inner}:
            return _with_beside(_in_list(inner, role), _beside(value, "messages"))
        case {"output": list() as inner}:
            return _with_beside(_in_list(inner, role), _beside(value, "output"))
        case {"choices": list() as choices} if all(isinstance(c, dict) for c in choices):
            messages = [message for choice in choices for message in _choice(choice, role)]
            return messages, _beside(value, "choices")
        case {"content": list() | str() as content} if _SIGNS_OF_RESPONSE & value.keys():
            said = {"role": value.get("role"), "content": content}
            return chat_messages(said, role), _beside(value, "role", "content")
        case {"role": str()} | {"parts": list()}:
            return [_with_reason(one) for one in chat_messages(value, role)], {}
    return None


def _in_list(value: list[Any], role: str) -> Told | None:
    if len(value) == 1 and isinstance(value[0], list):
        return _in_list(value[0], role)
    if all(isinstance(item, str) for item in value):
        return chat_messages(value, role), {}
    if all(_is_message(item) or _is_block(item) for item in value):
        items = [_block(_without_wrapping(item)) for item in value]
        return [_with_reason(message) for message in chat_messages(items, role)], {}
    return None


def _with_beside(found: Told | None, beside: dict[str, Any]) -> Told | None:
    return found and (found[0], beside | found[1])


def _beside(value: Mapping[Any, Any], *said: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in said and item is not None}


def _choice(choice: Mapping[str, Any], role: str) -> list[Message]:
    found = messages_of(choice.get("message", choice.get("text")), role)
    reason = choice.get("finish_reason")
    rest = _beside(choice, *_OF_CHOICE)
    if found and isinstance(reason, str):
        found[-1].setdefault("finish_reason", reason)
    if found and rest:
        found[-1]["extensions"] = {**rest, **found[-1].get("extensions", {})}
    return found


def indexed_message(item: Any, wrapping: str) -> Any:
    """Return one item of an indexed list as a message that `chat` knows."""
    if wrapping and isinstance(item, dict):
        item = item.get(wrapping, item)
    if not isinstance(item, dict):
        return item
    if set(item) == {"text"}:
        return item["text"]
    return _openinference(item)


def _openinference(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message of OpenInference, or of the older indexed form, as one of OpenAI's form."""
    message = dict(item)
    contents = message.pop("contents", None)
    if isinstance(contents, list):
        message["content"] = [_content(one) for one in contents]
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [_call(one) for one in calls]
    name = message.pop("function_call_name", None)
    arguments = message.pop("function_call_arguments_json", None)
    if name is not None:
        message["function_call"] = {"name": name, "arguments": arguments}
    if isinstance(message.get("content"), str):
        blocks = structured(message["content"])[0]
        if isinstance(blocks, list) and blocks and all(_is_block(block) for block in blocks):
            message["content"] = [_block(block) for block in blocks]
    return message


def _content(item: Any) -> Any:
    inner = item.get("message_content", item) if isinstance(item, dict) else item
    match inner:
        case {"type": "image", "image": {"image": {"url": str(url)}}}:
            return {"type": "image_url", "image_url": {"url": url}}
    return inner


def _call(item: Any) -> Any:
    inner = item.get("tool_call", item) if isinstance(item, dict) else item
    if isinstance(inner, dict) and "function" not in inner and isinstance(inner.get("name"), str):
        function = {name: inner[name] for name in ("name", "arguments") if name in inner}
        rest = {k: v for k, v in inner.items() if k not in function}
        return {**rest, "type": "function", "function": function}
    return {"type": "function", **inner} if isinstance(inner, dict) else inner


def _with_reason(message: Message) -> Message:
    """Return a message with its finish reason where the schema has it."""
    match message:
        case {"extensions": {"finish_reason": str(reason), **rest}}:
            others = {name: value for name, value in message.items() if name != "extensions"}
            kept = {"extensions": rest} if rest else {}
            return {**others, "finish_reason": reason, **kept}
    return message


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and (isinstance(item.get("role"), str) or "message" in item)


def _without_wrapping(item: dict[str, Any]) -> Any:
    inner = item.get("message")
    return inner if isinstance(inner, dict) and "role" not in item else item


def _is_block(item: Any) -> bool:
    return isinstance(item, dict) and (
        isinstance(item.get("type"), str) or bool({"text", "toolUse", "toolResult"} & item.keys())
    )


def _block(item: dict[str, Any]) -> dict[str, Any]:
    """Return a block of content of Bedrock's form as one of Anthropic's, others as they are."""
    match item:
        case {"text": str(text)} if "type" not in item:
            return {"type": "text", **item, "text": text}
        case {"toolUse": {"name": str(name), **rest}}:
            return {
                "type": "tool_use",
                "id": rest.get("toolUseId"),
                "name": name,
                "input": rest.get("input"),
            }
        case {"toolResult": {"toolUseId": str(call_id), **rest}}:
            return {"type": "tool_result", "tool_use_id": call_id} | _beside(rest)
    return item


def as_text(value: Any) -> str:
    """Return a text as it is, any other value as its JSON."""
    if isinstance(value, str):
        return value
    try:
        return canonical_bytes(value).decode()
    except CanonicalError:
        return repr(value)
