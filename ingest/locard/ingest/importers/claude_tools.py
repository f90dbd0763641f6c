"""What is known of the tools of Claude Code, of who refused a call, and of how tokens are counted.

A refusal by the user is told by fields of the program where it writes them (`toolDenialKind`, or a
`toolUseResult` of its own words). Older versions only left a sentence in the result, which a tool
can write as well: `Refusal.told_by` says which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from locard.schema import Outcome

Effect = Literal["read", "write", "send", "execute", "delete"]
Decider = Literal["policy", "human", "guardrail"]

_EFFECTS: Final[dict[str, Effect]] = {
    **dict.fromkeys(
        (
            "Read", "NotebookRead", "Glob", "Grep", "LS", "WebFetch", "WebSearch", "BashOutput",
            "TaskOutput", "ListMcpResourcesTool", "ReadMcpResourceTool", "ToolSearch",
        ),
        "read",
    ),
    **dict.fromkeys(("Write", "Edit", "MultiEdit", "NotebookEdit"), "write"),
    **dict.fromkeys(("Bash", "PowerShell", "KillShell", "KillBash", "Task", "Agent"), "execute"),
    "SendMessage": "send",
}  # fmt: skip

_DECIDERS: Final[dict[str, Decider]] = {
    "user-rejected": "human",
    "permission-rule": "policy",
    "automode-blocked": "guardrail",
    "automode-unavailable": "guardrail",
    "automode-parsing-error": "guardrail",
}
_STOPPED: Final = ("interrupted", "cancelled")  # of `toolDenialKind`: nobody judged the call
_REJECTED: Final = "User rejected tool use"
_SENTENCES: Final = (
    "The user doesn't want to proceed with this tool use.",
    "The user doesn't want to take this action right now.",
)
_SAID: Final = "the user said:\n"

_CACHED: Final = ("cache_creation_input_tokens", "cache_read_input_tokens")
_LARGEST_COUNT: Final = 2**53 - 1


@dataclass(frozen=True)
class Refusal:
    """That a call was not let through, by whom, and which part of the record says so."""

    decided_by: Decider
    told_by: Literal["toolDenialKind", "toolUseResult", "text"]
    rationale: str | None = field(repr=False)


def effect_of(tool_name: str) -> Effect | None:
    """Return what a tool of the program does to the world, `None` where that is not known."""
    return _EFFECTS.get(tool_name)


def server_of(tool_name: str) -> str | None:
    """Return the MCP server that a tool is of: such tools are called `mcp__SERVER__TOOL`."""
    parts = tool_name.split("__", 2)
    return parts[1] or None if len(parts) == 3 and parts[0] == "mcp" else None


def outcome_of(block: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[Outcome, str | None]:
    """Return how a call went, and in one word why it failed where the program says that.

    Args:
        block: the `tool_result`.
        fields: the line that it stands in.
    """
    told, kind = fields.get("toolUseResult"), fields.get("toolDenialKind")
    if isinstance(kind, str) and kind in _STOPPED:
        return "error", kind
    if isinstance(kind, str):
        return "denied", kind if kind in _DECIDERS else None
    if refusal_of(block, fields):
        return "denied", None
    if isinstance(told, dict) and told.get("timedOutAfterMs"):
        return "timeout", None
    if isinstance(told, dict) and told.get("interrupted") is True:
        return "error", "interrupted"
    is_error = block.get("is_error")
    if is_error is None or is_error is False:
        return "ok", None
    return ("error" if is_error is True else "unknown"), None


def refusal_of(block: Mapping[str, Any], fields: Mapping[str, Any]) -> Refusal | None:
    """Return who refused the call that a `tool_result` answers, `None` where nobody did.

    See `outcome_of` for the arguments.
    """
    text = _text_of(block)
    kind = fields.get("toolDenialKind")
    if isinstance(kind, str):
        decider = _DECIDERS.get(kind)
        return Refusal(decider, "toolDenialKind", _reason(text)) if decider else None
    if block.get("is_error") is not True:
        return None
    if fields.get("toolUseResult") == _REJECTED:
        return Refusal("human", "toolUseResult", _reason(text))
    if text is not None and text.startswith(_SENTENCES):
        return Refusal("human", "text", _reason(text))
    return None


def tokens_of(usage: Any) -> dict[str, int]:
    """Return the token columns of a `usage`; what is no count is left out.

    The API counts cached input apart from `input_tokens`. In an event, as in OpenTelemetry, it is a
    part of them.
    """
    if not isinstance(usage, dict):
        return {}
    columns: dict[str, Any] = {name: usage.get(name) for name in _CACHED}
    fresh = usage.get("input_tokens")
    if _is_count(fresh):
        columns["input_tokens"] = fresh + sum(filter(_is_count, columns.values()))
    columns["output_tokens"] = usage.get("output_tokens")
    details = usage.get("output_tokens_details")
    if isinstance(details, dict):
        columns["reasoning_output_tokens"] = details.get("thinking_tokens")
    return {name: count for name, count in columns.items() if _is_count(count)}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_COUNT


def _text_of(block: Mapping[str, Any]) -> str | None:
    content = block.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    return content if isinstance(content, str) else None


def _reason(text: str | None) -> str | None:
    """Return why a call was refused: the user's own words where they stand apart."""
    if text is None or not text.startswith(_SENTENCES):
        return text
    _, mark, words = text.partition(_SAID)
    return words if mark else text
