"""Items of OpenAI's Responses API as parts and messages of the schema.

What a model gives in one turn is several items: its reasoning, a message, calls of tools. Together
they are one message here, in which each part is one item. The answer to a call is a message of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from locard.ingest.chat_parts import Part, call_part, extended, part_of
from locard.ingest.importers.openai_calls import read_arguments
from locard.schema import Trust

_TRUST: Final[Trust] = "unknown"
_HOSTED: Final = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
    }
)
_LOCAL: Final = frozenset({"computer_call", "local_shell_call", "shell_call", "apply_patch_call"})
_MESSAGE_BLOCKS: Final = ("output_text", "input_text", "refusal")
_ABOUT: Final = ("id", "call_id", "status", "created_by", "caller", "pending_safety_checks")


def item_parts(item: Any) -> tuple[list[Part], dict[str, Any]] | None:
    """Return the parts of an item that a model gave, and what else the item says.

    Returns:
        `None` where it is no such item.
    """
    match item:
        case {
            "type": "message",
            "role": "assistant",
            "content": list() | str() as content,
            **rest,
        } if _is_of_responses(content):
            blocks = content if isinstance(content, list) else [content]
            return [part_of(block, _TRUST) for block in blocks], _said(rest)
        case {"type": "function_call" | "custom_tool_call" | "reasoning"}:
            part = _call(item) or _reasoning(item)
        case {"type": str(kind)} if kind in _HOSTED:
            part = _hosted(kind, item)
        case {"type": str(kind)} if kind in _LOCAL:
            part = _local(kind, item)
        case _:
            return None
    if part is None:
        return None
    about = _said(part.pop("extensions", {}))
    return [{**part, "trust": _TRUST}], about


def model_message(items: Sequence[Any]) -> dict[str, Any]:
    """Return what a model gave in one turn as one message.

    What items say beside their content is under `items`, by their order.
    """
    parts: list[Part] = []
    told: dict[str, Any] = {}
    for number, item in enumerate(items):
        found, about = item_parts(item) or ([part_of(item, _TRUST)], {})
        parts += found
        if about:
            told[str(number)] = about
    return extended({"role": "assistant", "parts": parts}, {"items": told or None})


def _is_of_responses(content: list[Any] | str) -> bool:
    """Say whether this is the content of an item, and not of a message of Anthropic's."""
    if isinstance(content, str) or not content:
        return True
    return any(isinstance(b, dict) and b.get("type") in _MESSAGE_BLOCKS for b in content)


def _said(rest: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in rest.items() if value is not None}


def is_output(item: Mapping[str, Any]) -> bool:
    """Say whether an item is the answer to a call."""
    kind = item.get("type")
    return isinstance(kind, str) and kind.endswith("_call_output") and "output" in item


def _call(item: Mapping[str, Any]) -> Part | None:
    match item:
        case {"type": "function_call", "name": str(name), **rest}:
            given = rest.pop("arguments", None)
            arguments, notes = _arguments(given)
            return call_part(
                name, {**rest, "arguments": arguments, **notes}, "call_id", "arguments"
            )
        case {"type": "custom_tool_call", "name": str(name), **rest}:
            return call_part(name, {**rest, "type": item["type"]}, "call_id", "input")
    return None


def _arguments(given: Any) -> tuple[Any, dict[str, Any]]:
    try:
        return read_arguments(given)
    except UnicodeEncodeError:
        return given, {}


def _reasoning(item: Mapping[str, Any]) -> Part | None:
    """Return a model's reasoning: its text, or where that is not given its summary."""
    if item.get("type") != "reasoning" or isinstance(item.get("content"), str):
        return None  # OpenTelemetry's form
    rest = {name: value for name, value in item.items() if name != "type" and value != []}
    text = ""
    for name in ("content", "summary"):
        given = item.get(name)
        if not text and isinstance(given, list) and given and all(map(_is_text, given)):
            del rest[name]
            text = "\n\n".join(block["text"] for block in given)
    return extended({"type": "reasoning", "content": text}, rest)


def _is_text(block: Any) -> bool:
    return (
        isinstance(block, dict)
        and block.keys() == {"type", "text"}
        and block["type"] in ("reasoning_text", "summary_text")
        and isinstance(block["text"], str)
    )


def _hosted(kind: str, item: Mapping[str, Any]) -> Part:
    """Return a call that the provider made and answered itself."""
    rest = {name: value for name, value in item.items() if value is not None}
    name = rest.pop("name") if isinstance(rest.get("name"), str) else kind.removesuffix("_call")
    named = {"id": rest.pop("id")} if isinstance(rest.get("id"), str) else {}
    return {"type": "server_tool_call", **named, "name": name, "server_tool_call": rest}


def _local(kind: str, item: Mapping[str, Any]) -> Part:
    """Return a call of a tool that the API itself defines and the agent runs."""
    told = {name: item[name] for name in _ABOUT if name in item}
    arguments = {k: v for k, v in item.items() if k not in (*_ABOUT, "type") and v is not None}
    given = {**told, "type": kind, "arguments": arguments}
    return call_part(kind.removesuffix("_call"), given, "call_id", "arguments")
