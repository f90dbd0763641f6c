"""What was put before the model: what the user typed, what tools gave back, what was attached.

What a human typed has the trust `user`. What the program or another agent put in the user's mouth
has `unknown`: it may repeat anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from locard.ingest.chat import chat_messages
from locard.ingest.importers.claude_form import plain_name, trusted
from locard.ingest.importers.claude_step import Step
from locard.ingest.importers.claude_tools import outcome_of, refusal_of, server_of
from locard.ingest.importers.openai_calls import id_text
from locard.schema import Event

NO_CALL: Final = "results whose call is not in the transcript, kept without it; was it cut?"

_BY_THE_PROGRAM: Final = (
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<bash-stdout>",
    "<bash-stderr>",
    "<task-notification>",
    "[Request interrupted by user",
    "[SYSTEM NOTIFICATION",
)
"""How texts of the program begin, which older versions do not mark as such."""

_READ: Final = {
    "file": "file",
    "edited_text_file": "file",
    "compact_file_reference": "file",
    "nested_memory": "memory",
    "instructions": "memory",
    "relevant_memories": "memory",
}
"""Attachments that put a document before the model, and what it is."""


def user_events(step: Step) -> Iterator[Event]:
    """Yield the events of a line of type `user`: results of tools, and a prompt for the rest."""
    message = step.line.message
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else []
    results = [block for block in blocks if _is_result(block)]
    rest = [block for block in blocks if not _is_result(block)]
    around = step.line.content()
    if results and not rest:
        around |= {f"message.{k}": v for k, v in message.items() if k not in ("role", "content")}
    for block in results:
        yield from _result_events(step, block, around)
        around = {}  # told once for the line
    if results and not rest:
        return
    if results:
        message = {**message, "content": rest}
    yield _prompt(step, message, _is_typed(step, message), around)


def attachment_event(step: Step, attachment: dict[str, Any]) -> Event:
    """Return the event of a line of type `attachment`."""
    around = {k: v for k, v in step.line.content().items() if k != "attachment"}
    match attachment:
        case {"type": "queued_command", "prompt": prompt, **rest}:
            message = {"role": "user", "content": prompt}
            is_typed = _is_typed(step, message) and _is_of_the_user(rest)
            return _prompt(step, message, is_typed, {**around, "attachment": rest})
        case {"type": "hook_permission_decision", "decision": verdict}:
            return _hook_decision(step, verdict, {**around, "attachment": attachment})
        case {"type": str(kind)} if kind in _READ:
            return _reading(step, _READ[kind], attachment, around)
    name = plain_name(attachment.get("type"))
    return step.lifecycle(f"attachment.{name}" if name else "attachment", step.line.content())


def _prompt(step: Step, message: Any, is_typed: bool, around: dict[str, Any]) -> Event:
    messages = trusted(chat_messages(message), "user" if is_typed else "unknown")
    extensions = {**step.line.envelope(), **around}
    return step.say(
        "prompt", {"messages": messages}, caused_by=step.causes(), extensions=extensions
    )


def _is_typed(step: Step, message: Any) -> bool:
    """Say whether a human typed this, as far as the program tells."""
    fields = step.line.fields
    origin = fields.get("origin")
    if isinstance(origin, dict) and origin.get("kind") not in (None, "human"):
        return False
    if step.line.is_of_sub_agent or fields.get("isMeta") or fields.get("isCompactSummary"):
        return False
    return not _first_text(message).startswith(_BY_THE_PROGRAM)


def _is_of_the_user(queued: dict[str, Any]) -> bool:
    """Say whether a queued command is the user's, and not another part of the program's."""
    origin = queued.get("origin")
    if isinstance(origin, dict):
        return bool(origin.get("kind") == "human")
    return bool(queued.get("commandMode", "prompt") == "prompt")


def _result_events(step: Step, block: dict[str, Any], around: dict[str, Any]) -> Iterator[Event]:
    """Yield who refused the call, where somebody did, and what it gave back."""
    (message,) = chat_messages({"role": "user", "content": [block]})
    (part,) = message["parts"]
    call_id, result = part.get("id"), part["response"]
    call = step.call(call_id)
    if call is None:
        step.notices[NO_CALL] += 1
    causes = [call.event_id] if call else step.causes()
    refusal = refusal_of(block, step.line.fields)
    if refusal:
        decision = step.make(
            "decision",
            {"decided_by": refusal.decided_by, "verdict": "deny", "rationale": refusal.rationale},
            call_id=call_id,
            caused_by=causes,
            extensions={"told_by": refusal.told_by},
        )
        yield decision
        causes = [*(causes or ()), str(decision.event_id)]
    outcome, error_type = outcome_of(block, step.line.fields)
    yield step.say(
        "tool_result",
        {
            "tool_name": call.tool_name if call else None,
            "tool_server": server_of(call.tool_name) if call else None,
            "outcome": outcome,
            "error_type": error_type,
            "result": result,
        },
        call_id=call_id,
        caused_by=causes,
        absent=None if "content" in block else {"result": "not_captured"},
        extensions=_result_extensions(step, around, result, message.get("extensions", {})),
    )


def _result_extensions(
    step: Step, around: dict[str, Any], result: Any, rest: dict[str, Any]
) -> dict[str, Any]:
    """Return what no column holds; the structured result is left out where it says the same."""
    told = around.get("toolUseResult")
    if told is not None and _says(told, result):
        around = {k: v for k, v in around.items() if k != "toolUseResult"}
    named = {f"tool_result.{name}": value for name, value in rest.items() if value is not None}
    return {**step.line.envelope(), **around, **named}


def _says(told: Any, result: Any) -> bool:
    """Say whether a structured result is the result again, as it is where a call failed."""
    if not isinstance(told, str) or not isinstance(result, str):
        return False
    return told in (result, f"Error: {result}")


def _reading(
    step: Step, resource_type: str, attachment: dict[str, Any], around: dict[str, Any]
) -> Event:
    names = (attachment.get(name) for name in ("filename", "path", "displayPath"))
    return step.say(
        "content",
        {
            "operation": "read",
            "resource_type": resource_type,
            "uri": next((name for name in names if isinstance(name, str)), None),
            "content": attachment,
        },
        caused_by=step.causes(),
        extensions={**step.line.envelope(), **around},
    )


def _hook_decision(step: Step, verdict: Any, around: dict[str, Any]) -> Event:
    call_id = id_text(around["attachment"].get("toolUseID"))
    call = step.call(call_id)
    is_known = isinstance(verdict, str) and verdict in ("allow", "deny", "ask")
    return step.say(
        "decision",
        {"decided_by": "policy", "verdict": verdict if is_known else "unknown"},
        call_id=call_id,
        caused_by=[call.event_id] if call else step.causes(),
        extensions={**step.line.envelope(), **around},
    )


def _is_result(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def _first_text(message: Any) -> str:
    """Return the text that a message begins with, or nothing."""
    content = message.get("content") if isinstance(message, dict) else message
    first = content[0] if isinstance(content, list) and content else content
    text = first.get("text") if isinstance(first, dict) else first
    return text.lstrip() if isinstance(text, str) else ""
