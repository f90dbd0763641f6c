"""Chat messages of OpenAI's form as messages of the schema: roles, parts and how far to trust them.

Content that is null, or missing, gives no part; empty text gives a part with empty text. What the
schema has no form for is kept as it came: a part in one of type `openai-messages.part`, a field
under `extensions` of its message or part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from locard.schema import Trust

OTHER_PART: Final = "openai-messages.part"

TRUST_OF_ROLE: Final[dict[str, Trust]] = {
    "system": "system",
    "developer": "operator",
    "user": "user",
}
"""Who stands behind a message. What a model wrote is `unknown`, as is any other role."""

# Where one of these is null it says nothing, and is not worth keeping; others are kept even so.
_OF_THE_FORM: Final = frozenset(
    {"name", "refusal", "audio", "tool_calls", "function_call", "reasoning_content"}
)


def schema_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat message, without its tool calls, as a message of the schema."""
    rest = dict(message)
    role = rest.pop("role")
    trust = TRUST_OF_ROLE.get(role, "unknown")
    said: dict[str, Any] = {"role": role}
    if isinstance(rest.get("name"), str):
        said["name"] = rest.pop("name")
    said["parts"] = [
        *_optional_part("reasoning", rest, "reasoning_content", trust),
        *_parts(rest.pop("content", None), trust),
        *_optional_part("refusal", rest, "refusal", trust),
    ]
    extensions = {k: v for k, v in rest.items() if v is not None or k not in _OF_THE_FORM}
    return {**said, "extensions": extensions} if extensions else said


def _optional_part(
    part_type: str, rest: dict[str, Any], field: str, trust: Trust
) -> list[dict[str, Any]]:
    """Take a field of the message that is text as a part; leave anything else where it is."""
    if not isinstance(rest.get(field), str):
        return []
    return [{"type": part_type, "trust": trust, "content": rest.pop(field)}]


def _parts(content: Any, trust: Trust) -> list[dict[str, Any]]:
    if content is None:
        return []
    return [_part(item, trust) for item in (content if isinstance(content, list) else [content])]


def _part(item: Any, trust: Trust) -> dict[str, Any]:
    if isinstance(item, str):
        return {"type": "text", "trust": trust, "content": item}
    fields = _known_part(item) if isinstance(item, dict) else None
    return {**(fields or {"type": OTHER_PART, "value": item}), "trust": trust}


def _known_part(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a part that the schema has a form for, else `None`."""
    match item:
        case {"type": "text", "text": str(text), **rest}:
            return {"type": "text", "content": text, **_extensions(rest)}
        case {"type": "input_text" | "output_text" as given, "text": str(text), **rest}:
            return {"type": "text", "content": text, **_extensions(rest, type=given)}
        case {"type": "refusal", "refusal": str(text), **rest}:
            return {"type": "refusal", "content": text, **_extensions(rest)}
        case {"type": "image_url", "image_url": {"url": str(url), **details}, **rest}:
            return _image(url) | _extensions(rest, image_url=details)
        case {"type": "input_image", "image_url": str(url), **rest}:
            return _image(url) | _extensions(rest, type="input_image")
        case {
            "type": "input_audio",
            "input_audio": {"data": str(data), "format": str(form), **details},
            **rest,
        }:
            audio = {"type": "blob", "modality": "audio", "mime_type": f"audio/{form}"}
            return {**audio, "content": data, **_extensions(rest, input_audio=details)}
        case {"type": "file", "file": {"file_id": str(file_id), **details}, **rest}:
            return {"type": "file", "file_id": file_id, **_extensions(rest, file=details)}
    return None


def _image(url: str) -> dict[str, Any]:
    """Return an image by its address, or by its bytes where the address holds them."""
    head, comma, data = url.partition(",")
    if url.startswith("data:") and comma and head.endswith(";base64"):
        mime_type = head.removeprefix("data:").removesuffix(";base64")
        return {"type": "blob", "modality": "image", "mime_type": mime_type, "content": data}
    return {"type": "uri", "modality": "image", "uri": url}


def _extensions(rest: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return the fields that are left over, apart, so that none can pass for the schema's own."""
    extensions = {**rest, **{name: value for name, value in more.items() if value}}
    return {"extensions": extensions} if extensions else {}
