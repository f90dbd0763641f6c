"""What a model gave back, in whatever form its library has it: messages, usage, names, reasons.

Known forms: OpenAI's chat completions and responses, Anthropic's messages, Gemini's candidates,
messages of the schema or of OpenTelemetry, one message, a text. What else there is is kept as it
came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from locard.ingest.bounded import bounded
from locard.ingest.chat import chat_messages
from locard.ingest.chat_items import model_message

_MOST_COUNT: Final = 2**53 - 1
_USAGE: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "input_tokens": (
        ("prompt_tokens",),
        ("input_tokens",),
        ("promptTokenCount",),
        ("prompt_token_count",),
    ),
    "output_tokens": (
        ("completion_tokens",),
        ("output_tokens",),
        ("candidatesTokenCount",),
        ("candidates_token_count",),
    ),
    "cache_read_input_tokens": (
        ("prompt_tokens_details", "cached_tokens"),
        ("input_tokens_details", "cached_tokens"),
        ("cache_read_input_tokens",),
        ("cachedContentTokenCount",),
        ("cached_content_token_count",),
    ),
    "cache_creation_input_tokens": (("cache_creation_input_tokens",),),
    "reasoning_output_tokens": (
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
        ("thoughtsTokenCount",),
        ("thoughts_token_count",),
    ),
}
_USAGE_REPORTS: Final = ("usage", "usageMetadata", "usage_metadata")
_CORE: Final = {
    "response_id": ("id", "responseId", "response_id"),
    "response_model": ("model", "modelVersion", "model_version"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer.

    Args:
        messages: one for each choice, in the form of the schema.
        core: core fields of the event that the answer itself tells: usage, model, id, reasons.
        rest: what else it says.
    """

    messages: list[dict[str, Any]] = field(repr=False)
    core: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The parts in which it asks for tool calls."""
        return [
            part
            for message in self.messages
            for part in message["parts"]
            if part.get("type") == "tool_call"
        ]


def read_answer(value: Any) -> Answer:
    """Return the answer that a value is; never raises."""
    value = bounded(value)
    match value:
        case {"choices": [*choices]}:
            return _choices(value, choices, "choices", ("message", "text"), ("finish_reason",))
        case {"candidates": [*choices]}:
            reason = ("finishReason", "finish_reason")
            return _choices(value, choices, "candidates", ("content",), reason)
        case {"output": [*items], "object": "response"}:
            return _response(value, items)
        case {"type": "message", "content": [*_] | str()}:
            return _anthropic(value)
    return Answer(chat_messages(value, "assistant"))


def _choices(
    value: dict[str, Any],
    choices: list[Any],
    name: str,
    message_names: Sequence[str],
    reason_names: Sequence[str],
) -> Answer:
    """Return an answer that is a list of choices; what else they say stays where they were."""
    messages: list[dict[str, Any]] = []
    reasons = []
    told: dict[str, Any] = {}
    for number, choice in enumerate(choices):
        said = dict(choice) if isinstance(choice, dict) else {message_names[0]: choice}
        given = _take(said, message_names, object)
        found = chat_messages(given, "assistant") or [{"role": "assistant", "parts": []}]
        reason = _take(said, reason_names, str)
        if reason is not None:
            found[-1]["finish_reason"] = reason
            reasons.append(reason)
        messages += found
        if said.get("index") == number:
            del said["index"]
        if more := {k: v for k, v in said.items() if v is not None}:
            told[str(number)] = more
    return _answer({**value, name: told or None}, messages, reasons)


def _take(said: dict[str, Any], names: Sequence[str], kind: type) -> Any:
    """Take the first of these fields that has a value of this type."""
    for name in names:
        if said.get(name) is not None and isinstance(said[name], kind):
            return said.pop(name)
    return None


def _response(value: dict[str, Any], items: list[Any]) -> Answer:
    """Return an answer of OpenAI's responses, whose items together are one message."""
    status = value.get("status")
    reasons = [status] if isinstance(status, str) else []
    return _answer({**value, "output": None}, [model_message(items)], reasons)


def _anthropic(value: dict[str, Any]) -> Answer:
    rest = {name: item for name, item in value.items() if name not in ("type", "content")}
    role = _take(rest, ("role",), str) or "assistant"
    messages = chat_messages({"role": role, "content": value["content"]}, "assistant")
    reason = _take(rest, ("stop_reason",), str)
    if reason is not None:
        messages[-1]["finish_reason"] = reason
    return _answer(rest, messages, [reason] if reason is not None else [])


def _answer(value: dict[str, Any], messages: list[dict[str, Any]], reasons: list[str]) -> Answer:
    rest = {name: item for name, item in value.items() if item is not None}
    core: dict[str, Any] = {}
    for name, given in _CORE.items():
        found = _take(rest, given, str)
        if found is not None:
            core[name] = found
    if reasons:
        core["finish_reasons"] = reasons
    for name in _USAGE_REPORTS:
        if isinstance(rest.get(name), dict):
            core |= usage_counts(rest[name])
    return Answer(messages, core, rest)


def usage_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return the token counts of a usage report under the names of the schema."""
    found = {}
    for name, paths in _USAGE.items():
        for path in paths:
            value: Any = usage
            for step in path:
                value = value.get(step) if isinstance(value, Mapping) else None
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNT:
                found[name] = value
                break
    return found
