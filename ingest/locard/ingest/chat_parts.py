"""Parts of messages in whatever form a source has them, as parts of the schema.

Known forms, told apart part by part: OpenTelemetry's (`type` and the schema's own fields), the
blocks of content of OpenAI and Anthropic (`type` and theirs), Gemini's parts (no `type`). A part of
another type stays as it is, and what is no part is the `value` of one of the type `other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from locard.ingest.importers.openai_calls import id_text
from locard.ingest.importers.openai_parts import OTHER_PART as UNKNOWN_BLOCK
from locard.ingest.importers.openai_parts import TRUST_OF_ROLE, schema_message
from locard.schema import KNOWN_PART_TYPES, Trust

Part = dict[str, Any]

OTHER_PART: Final = "other"
_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "text": ("content",),
    "reasoning": ("content",),
    "blob": ("content",),
    "tool_call": ("name",),
    "file": ("file_id",),
    "uri": ("uri",),
}
_PLAIN: Final = {
    "text": {"type", "content"},
    "tool_call": {"type", "id", "name", "arguments"},
    "tool_call_response": {"type", "id", "response"},
}
_OPTIONAL_TEXT: Final = ("id", "mime_type", "modality")
_SERVER_ANSWER: Final = "server_tool_call_response"
_OF_TOOLS: Final = frozenset({"tool_call_response", _SERVER_ANSWER})
_GEMINI: Final = {
    "functionCall": "function_call",
    "functionResponse": "function_response",
    "inlineData": "inline_data",
    "fileData": "file_data",
}


def trust_of_role(role: str) -> Trust:
    """Return how far a message of this role can be trusted."""
    return "tool" if role == "tool" else TRUST_OF_ROLE.get(role, "unknown")


def part_of(item: Any, trust: Trust) -> Part:
    """Return a part of the schema, whatever the item is.

    Args:
        trust: of the message that it stands in.
    """
    if isinstance(item, str):
        return {"type": "text", "trust": trust, "content": item}
    if not isinstance(item, dict):
        return {"type": OTHER_PART, "trust": trust, "value": item}
    fields = _schema_part(item) or _block(item) or _gemini_part(item)
    if fields is None:
        fields = {"type": OTHER_PART, "value": item} if _is_untyped(item) else dict(item)
    return _trusted(fields, trust)


def plain_part(item: Any, trust: Trust) -> Part | None:
    """Return what `part_of` does, for a text, a call or an answer without anything special.

    Returns:
        `None` for all others.
    """
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    fields = _PLAIN.get(kind) if isinstance(kind, str) else None
    if fields is None or item.keys() != fields:
        return None
    texts = [item.get(name, kind) for name in ("content", "id", "name")]
    if not all(isinstance(text, str) for text in texts):
        return None
    return {**item, "trust": trust}


def is_part(item: dict[str, Any]) -> bool:
    """Say whether an object that is no message for sure is a part."""
    kind = item.get("type")
    return (isinstance(kind, str) and kind != "message") or _gemini_part(item) is not None


def extended(fields: Mapping[str, Any], rest: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a part or message with what else its source says of it, apart."""
    more = {name: value for name, value in rest.items() if value is not None}
    return {**fields, "extensions": more} if more else dict(fields)


def _trusted(fields: Part, trust: Trust) -> Part:
    """Return a part trusted as its place says; what it says of that itself is a claim."""
    is_answer = fields["type"] in _OF_TOOLS or fields["type"].endswith("_call_output")
    part = {**fields, "trust": "tool" if is_answer else trust}
    if "trust" in fields and fields["trust"] != part["trust"]:
        name = "claimed_trust"
        while name in part:
            name += "'"
        part[name] = fields["trust"]
    return part


def _is_untyped(item: Mapping[str, Any]) -> bool:
    kind = item.get("type")
    return not isinstance(kind, str) or kind in KNOWN_PART_TYPES


def _schema_part(item: Mapping[str, Any]) -> Part | None:
    """Return a part in OpenTelemetry's form as the schema has it, `None` where it is none."""
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in KNOWN_PART_TYPES:
        return None
    part = {k: v for k, v in item.items() if not (k in _OPTIONAL_TEXT and v is None)}
    if kind == "tool_call_response" and "response" not in part and "result" in part:
        part["response"] = part.pop("result")  # the registry's own example says `result`
    if "id" in part and kind in ("tool_call", "tool_call_response"):
        part["id"] = id_text(part["id"]) or part["id"]
    texts = [part.get(name) for name in _REQUIRED.get(kind, ())]
    texts += [part.get(name, "") for name in _OPTIONAL_TEXT]
    return part if all(isinstance(text, str) for text in texts) else None


def _block(item: dict[str, Any]) -> Part | None:
    """Return a block of content of Anthropic's or OpenAI's form, `None` where it is none."""
    match item:
        case {"type": "text" | "input_text" | "output_text", "text": str(text), **rest}:
            said = {name: value for name, value in rest.items() if value != []}
            return extended({"type": "text", "content": text}, said)
        case {"type": "tool_use", "name": str(name), **rest}:
            return call_part(name, rest, "id", "input")
        case {"type": "thinking", "thinking": str(text), **rest}:
            return extended({"type": "reasoning", "content": text}, rest)
        case {
            "type": "server_tool_use" | "mcp_tool_use",
            "name": str(name),
            "id": str(id_),
            **rest,
        }:
            call = {"type": item["type"], **rest}
            return {"type": "server_tool_call", "id": id_, "name": name, "server_tool_call": call}
        case {"type": str(kind), "tool_use_id": str(id_), **rest} if kind.endswith("_tool_result"):
            answer = {"type": kind, **rest}
            return {"type": _SERVER_ANSWER, "id": id_, _SERVER_ANSWER: answer}
        case {"type": "image" | "document" | "video" as kind, "source": dict(source), **rest}:
            return _media(kind, source, rest)
        case {"type": "text" | "image_url" | "input_image" | "input_audio" | "file" | "refusal"}:
            (part,) = schema_message({"role": "", "content": [item]})["parts"]
            return None if part["type"] == UNKNOWN_BLOCK else _without_trust(part)
    return None


def call_part(name: str, rest: Mapping[Any, Any], id_name: str, arguments_name: str) -> Part:
    """Return a call of a tool by its name and the other fields of its source."""
    left = dict(rest)
    part: Part = {"type": "tool_call", "name": name}
    if call_id := id_text(left.get(id_name)):
        part["id"] = call_id
        del left[id_name]
    if arguments_name in left:
        part["arguments"] = left.pop(arguments_name)
    return extended(part, left)


def _media(kind: str, source: dict[Any, Any], rest: Mapping[Any, Any]) -> Part | None:
    """Return what Anthropic's `source` names or holds."""
    match source:
        case {"type": "base64", "data": str(data), **more}:
            fields: Part = {"type": "blob", "modality": kind, "content": data}
        case {"type": "url", "url": str(url), **more}:
            fields = {"type": "uri", "modality": kind, "uri": url}
        case {"type": "file", "file_id": str(file_id), **more}:
            fields = {"type": "file", "modality": kind, "file_id": file_id}
        case _:
            return None
    if isinstance(more.get("media_type"), str):
        fields["mime_type"] = more.pop("media_type")
    return extended(fields, {**rest, **({"source": more} if more else {})})


def gemini_fields(item: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a part of Gemini's form, which has no type, under one name each."""
    if item.get("type") is not None:
        return {}
    given = {name: value for name, value in item.items() if value is not None}
    plain = {_GEMINI.get(name, name): value for name, value in given.items()}
    return plain if len(plain) == len(given) else {}


def _gemini_part(item: dict[str, Any]) -> Part | None:
    """Return a part of Gemini's form as one of the schema, `None` where it is none."""
    plain = gemini_fields(item)
    match plain:
        case {"text": str(text), "thought": True, **rest}:
            return extended({"type": "reasoning", "content": text}, rest)
        case {"text": str(text), **rest}:
            return extended({"type": "text", "content": text}, rest)
        case {"function_call": {"name": str(name), **call}, **rest}:
            part = call_part(name, call, "id", "args")
            return extended(part, {**part.pop("extensions", {}), **_apart(rest)})
        case {"inline_data": {"data": str(data), **about}, **rest}:
            return _with_type({"type": "blob", "content": data}, about, rest)
        case {
            "file_data": {"file_uri": str(uri), **about} | {"fileUri": str(uri), **about},
            **rest,
        }:
            return _with_type({"type": "uri", "uri": uri}, about, rest)
    return None


def _with_type(fields: Part, about: dict[Any, Any], rest: Mapping[Any, Any]) -> Part:
    for name in ("mime_type", "mimeType"):
        if "mime_type" not in fields and isinstance(about.get(name), str):
            fields["mime_type"] = about.pop(name)
    return extended(fields, {**about, **_apart(rest)})


def _apart(rest: Mapping[Any, Any]) -> dict[str, Any]:
    """Return fields of a part under names that those of what it holds cannot have."""
    return {f"part.{name}": value for name, value in rest.items()}


def _without_trust(part: Part) -> Part:
    return {name: value for name, value in part.items() if name != "trust"}
