"""Passages: each piece of text that a session holds, with who speaks in it. Pure.

Four voices speak in a session. The *person* is served, the *operator* set the agent up, the *agent*
is the model, and everything else comes from *outside*: results of tools, documents, mail, memory.
The trust that stands on each part decides; the role of a message decides only where the trust is
unknown, since whoever sent the event chose both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from locard.query.provenance.writings import Writing, writings

Event: TypeAlias = Mapping[str, Any]
Voice: TypeAlias = Literal["person", "operator", "agent", "outside"]

_VOICE_OF_TRUST: Final[dict[str, Voice]] = {
    "user": "person",
    "system": "operator",
    "operator": "operator",
    "tool": "outside",
    "external": "outside",
}
_VOICE_OF_ROLE: Final[dict[str, Voice]] = {
    "user": "person",
    "system": "operator",
    "developer": "operator",
    "assistant": "agent",
}
_MOST_LEAVES: Final = 20_000  # of one JSON value; what is nested further is not looked into


@dataclass(frozen=True)
class Passage:
    """A piece of text and where it stands.

    Args:
        event_id: the event that has it.
        position: where that event stands in the order of the session, from 0.
        path: where it stands in the event, such as `result` or `messages[0].parts[1]`.
        trust: as recorded.
        source: the tool, document or role that it came from.
        text: hostile, and redacted as the lake has it.
    """

    event_id: str
    position: int
    path: str
    voice: Voice
    trust: str
    source: str
    text: str = field(repr=False)

    @cached_property
    def writings(self) -> tuple[Writing, ...]:
        """The text as it is compared, and what is encoded in it."""
        return tuple(map(Writing, writings(self.text)))


def passages_of(event: Event, position: int) -> Iterator[Passage]:
    """Yield the passages of one row of the view `events`.

    Args:
        event: its columns; JSON as text, as the lake has it.
        position: where it stands in its session.
    """
    kind = event["kind"]
    if kind in ("prompt", "model_output"):
        yield from _of_messages(event, position)
    elif kind in ("tool_result", "content"):
        default = "tool" if kind == "tool_result" else "unknown"
        trust = event.get("trust") or default
        voice = _VOICE_OF_TRUST.get(trust, "outside")
        source = event.get("tool_name") or event.get("uri") or event.get("resource_type") or kind
        for name in ("result", "error_message", "title", "content"):
            for path, text in leaves(parsed(event.get(name)), name):
                yield Passage(event["event_id"], position, path, voice, trust, source, text)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and text of each string and number in a JSON value, in order."""
    waiting, count = [(path, value)], 0
    while waiting and count < _MOST_LEAVES:
        here, item = waiting.pop()
        count += 1
        if isinstance(item, dict):
            waiting += [(f"{here}.{key}" if here else key, item[key]) for key in reversed(item)]
        elif isinstance(item, list):
            waiting += [(f"{here}[{n}]", item[n]) for n in reversed(range(len(item)))]
        elif isinstance(item, str):
            yield here, item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield here, repr(item)


def parsed(text: Any) -> Any:
    """Return what JSON text says; other text as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # plain text, or a lake that was damaged
        return text


def _of_messages(event: Event, position: int) -> Iterator[Passage]:
    messages = parsed(event.get("messages"))
    for m, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        role = str(message.get("role", "unknown"))
        parts = message.get("parts")
        for p, part in enumerate(parts if isinstance(parts, list) else ()):
            if not isinstance(part, dict) or part.get("type") in ("tool_call", "blob"):
                continue
            trust = str(part.get("trust", "unknown"))
            voice = _voice(event["kind"], role, trust, str(part.get("type")))
            said = part.get("content", part.get("response", part.get("uri")))
            for path, text in leaves(said, f"messages[{m}].parts[{p}]"):
                yield Passage(event["event_id"], position, path, voice, trust, role, text)


def _voice(kind: str, role: str, trust: str, part: str) -> Voice:
    if kind == "model_output":
        return "agent"
    if part == "tool_call_response":
        return "outside"
    return _VOICE_OF_TRUST.get(trust) or _VOICE_OF_ROLE.get(role, "outside")
