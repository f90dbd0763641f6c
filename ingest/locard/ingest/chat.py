"""Messages of a conversation in whatever form a source has them, as messages of the schema.

Known forms, told apart message by message, since sources mix them:

    OpenTelemetry     {"role", "parts": [{"type": "text", "content"}, {"type": "tool_call", …}]}
    Gemini            {"role", "parts": [{"text"}, {"functionCall"}, {"functionResponse"}]}
    OpenAI            {"role", "content": text or parts, "tool_calls": […], "tool_call_id"}
    OpenAI responses  {"type": "message" | "function_call" | "function_call_output" | …}
    Anthropic         {"role", "content": [{"type": "tool_use"}, {"type": "tool_result"}, …]}
    text, parts       a string; parts or blocks of content without a message around them

A result of a tool is a message of the role `tool` of its own, also where the source has it inside a
message of the user. What no form has is kept under `extensions` or as a part of its own type; what
is nested too deep for an event, as JSON text. Nothing is dropped, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from locard.ingest.bounded import bounded
from locard.ingest.chat_items import is_output, item_parts, model_message
from locard.ingest.chat_parts import (
    Part,
    extended,
    gemini_fields,
    is_part,
    part_of,
    plain_part,
    trust_of_role,
)
from locard.ingest.importers.openai_calls import (
    ABSENT,
    RequestedCall,
    id_text,
    kind_of_call,
    requested_calls,
)
from locard.ingest.importers.openai_parts import schema_message
from locard.schema import Trust

__all__ = ["chat_messages", "is_standard", "parts_of", "trust_of_role"]

Message = dict[str, Any]

_CALL_FIELDS: Final = ("tool_calls", "function_call")
_SHOW_RESULTS: Final = ("user", "tool", "function")  # roles that say no more than the results do


def chat_messages(value: Any, role: str = "user") -> list[Message]:
    """Return the messages that a value holds.

    Args:
        value: a list of messages, one message, or a text.
        role: of what does not say.
    """
    value = bounded(value)
    items = value if isinstance(value, list) else [value]
    found: list[Message] = []
    for group in _groups(items):
        if isinstance(group, _Items):
            found.append(model_message(group))
        elif isinstance(group, _Parts):
            found += _with_parts({"role": role, "parts": group})
        else:
            found += _messages(group, role)
    return found


def parts_of(value: Any, trust: Trust) -> list[dict[str, Any]]:
    """Return parts in the form of the schema from a list of parts in OpenTelemetry's form."""
    value = bounded(value)
    items = value if isinstance(value, list) else [value]
    return [part_of(item, trust) for item in items]


def is_standard(value: Any) -> bool:
    """Say whether a value is a list of messages in OpenTelemetry's own form."""
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("role"), str)
        and isinstance(item.get("parts"), list)
        and all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in item["parts"])
        for item in value
    )


class _Items(list[Any]):
    """Items of the Responses API that a model gave, one after the other."""


class _Parts(list[Any]):
    """Parts without a message around them, one after the other."""


def _groups(items: list[Any]) -> Iterator[Any]:
    """Yield items that are messages, and those together that are one message together."""
    group: _Items | _Parts | None = None
    for item in items:
        kind = _kind(item)
        if group is not None and type(group) is not kind:
            yield group
            group = None
        if kind is None:
            yield item
        else:
            group = kind() if group is None else group
            group.append(item)
    if group is not None:
        yield group


def _kind(item: Any) -> type[_Items | _Parts] | None:
    """Return what an item is one of, `None` where it is a message or a text."""
    if not isinstance(item, dict):
        return None
    if "type" in item and item_parts(item) is not None:
        return _Items
    return _Parts if "role" not in item and _result(item) is None and is_part(item) else None


def _messages(item: Any, role: str) -> Iterator[Message]:
    if item is None:
        return
    if not isinstance(item, dict):
        yield {"role": role, "parts": [part_of(item, trust_of_role(role))]}
        return
    plain = _plain_message(item)
    if plain is not None:
        yield plain
        return
    result = None if "role" in item else _result(item)
    if result is not None:
        yield result
        return
    said = {**item, "role": item["role"] if isinstance(item.get("role"), str) else role}
    if "role" in item and said["role"] is not item["role"]:
        said = _renamed(said, item["role"])
    if isinstance(said.get("parts"), list):
        if said["role"] == "model":
            said = _renamed({**said, "role": "assistant"}, "model")
        yield from _with_parts(said)
    elif said["role"] in ("tool", "function"):
        yield _tool_message(said)
    else:
        yield from _with_content(said)


def _plain_message(item: Message) -> Message | None:
    """Return a message of OpenTelemetry's form that says nothing beyond it, else `None`.

    Most are such; what follows gives the same for them and takes several times as long.
    """
    role, blocks = item.get("role"), item.get("parts")
    if not isinstance(role, str) or role == "model" or not isinstance(blocks, list):
        return None
    message: Message = {"role": role}
    for name in ("name", "finish_reason"):
        if isinstance(item.get(name), str):
            message[name] = item[name]
    trust = trust_of_role(role)
    parts = [plain_part(block, trust) for block in blocks]
    kinds = [part["type"] for part in parts if part is not None]
    results = kinds.count("tool_call_response")  # each is a message of its own
    is_in_place = len(kinds) == results == 1 if role == "tool" else not results
    if None in parts or not is_in_place or len(item) != len(message) + 1:
        return None
    return {**message, "parts": parts}


def _renamed(said: Message, source_role: Any) -> Message:
    """Return a message that keeps what its source calls its role."""
    name = "source_role"
    while name in said:
        name += "'"
    return {**said, name: source_role}


def _with_parts(said: Message) -> Iterator[Message]:
    """Yield the messages that one of OpenTelemetry's or Gemini's form is."""
    rest = dict(said)
    message: Message = {"role": rest.pop("role")}
    for name in ("name", "finish_reason"):
        if isinstance(rest.get(name), str):
            message[name] = rest.pop(name)
    blocks = rest.pop("parts")
    if message["role"] == "tool" and len(blocks) == 1:
        part = part_of(blocks[0], "tool")
        if part["type"] == "tool_call_response":
            yield extended({**message, "parts": [part]}, rest)
            return
    yield from _apart(extended({**message, "parts": []}, rest), blocks)


def _with_content(said: Message) -> Iterator[Message]:
    """Yield the messages that one of OpenAI's or Anthropic's form is."""
    content = said.get("content")
    blocks = content if isinstance(content, list) else [] if content is None else [content]
    calls = _calls(said)
    taken = {"content", *(_CALL_FIELDS if calls is not None else ())}
    left = {k: v for k, v in said.items() if k not in taken and v is not None}
    message = schema_message(left)
    leading = [part for part in message["parts"] if part["type"] == "reasoning"]
    refusals = [part for part in message["parts"] if part["type"] != "reasoning"]
    yield from _apart({**message, "parts": leading}, blocks, [*refusals, *(calls or [])])


def _apart(
    message: Message, blocks: Sequence[Any], following: Sequence[Part] = ()
) -> Iterator[Message]:
    """Yield the results of tools among the blocks, each as a message, and then the message.

    The message has the other blocks after its own parts; where it says no more than the results, it
    is left out.
    """
    trust = trust_of_role(message["role"])
    results = [_result(block) for block in blocks]
    yield from (result for result in results if result is not None)
    others = [block for block, result in zip(blocks, results, strict=True) if result is None]
    parts = [*message["parts"], *(part_of(block, trust) for block in others), *following]
    is_shell = message["role"] in _SHOW_RESULTS and message.keys() <= {"role", "parts"}
    if parts or not any(results) or not is_shell:
        yield {**message, "parts": parts}


def _tool_message(said: Message) -> Message:
    """Return a message of OpenAI's form that shows a tool's result to the model."""
    role = said["role"]
    rest = {name: value for name, value in said.items() if name != "role"}
    return _shown(rest if role == "tool" else _renamed(rest, role), "tool_call_id", "content")


def _result(block: Any) -> Message | None:
    """Return the message that a block shows if it is a result of a tool, else `None`."""
    if not isinstance(block, dict):
        return None
    match block:
        case {"type": "tool_result", **rest}:
            rest["content"] = _plain(rest.get("content"))
            return _shown(rest, "tool_use_id", "content")
        case {"type": "tool_call_response"}:
            part = part_of(block, "tool")
            is_sound = part["type"] == "tool_call_response"
            return {"role": "tool", "parts": [part]} if is_sound else None
        case {"type": "function_call_output", "output": output, **rest}:
            return _shown({**rest, "output": _plain(output)}, "call_id", "output")
    if is_output(block):
        return _shown({**block, "output": _plain(block["output"])}, "call_id", "output")
    match gemini_fields(block):
        case {"function_response": dict(answer), **rest} if "part" not in answer:
            return _shown({**answer, "part": rest or None}, "id", "response")
    return None


def _shown(rest: Mapping[Any, Any], id_name: str, answer_name: str) -> Message:
    """Return the message that shows a tool's answer to the model."""
    left = dict(rest)
    part: Part = {"type": "tool_call_response", "trust": "tool"}
    part["response"] = left.pop(answer_name, None)
    if call_id := id_text(left.get(id_name)):
        part["id"] = call_id
        del left[id_name]
    named = {"name": left.pop("name")} if isinstance(left.get("name"), str) else {}
    return extended({"role": "tool", **named, "parts": [part]}, left)


def _plain(content: Any) -> Any:
    """Return the text of content that is one text and nothing else."""
    match content:
        case [{"type": "text" | "input_text", "text": str(text), **rest}] if not rest:
            return text
    return content


def _calls(said: Mapping[str, Any]) -> list[Part] | None:
    """Return the calls of a message as parts, or `None` where they are not of OpenAI's form."""
    given = said.get("tool_calls") or []
    older = said.get("function_call")
    is_form = isinstance(given, list) and all(
        isinstance(c, dict) and kind_of_call(c) for c in given
    )
    if not is_form or (older is not None and not kind_of_call({"function": older})):
        return None
    try:
        return [_call(call) for call in requested_calls(said)]
    except UnicodeEncodeError:  # arguments that are no Unicode
        return None


def _call(call: RequestedCall) -> Part:
    part: Part = {"type": "tool_call", "trust": "unknown", "name": call.name}
    about = dict(call.extensions)
    if call.source_id:
        part["id"] = call.source_id
    elif call.given_id:
        about["tool_call.id"] = call.given_id
    if call.tool_type not in (None, "function", "function_call"):
        about["tool_call.type"] = call.tool_type
    if call.arguments is not ABSENT:
        part["arguments"] = call.arguments
    return extended(part, about)
