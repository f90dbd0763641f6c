"""Short ways to write transcripts of Claude Code, and to convert them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from importing import OBSERVED, START, line
from locard.ingest.importers.claude_code import ClaudeCode
from locard.ingest.importers.conversion import Converted, Surroundings
from locard.schema import Event

SESSION = "5f0c1f9e-6f8e-4c57-9a3e-0f3f4f9d1a10"
REJECTED = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was "
    "a file edit, the new_string was NOT written to the file). "
)
STOP = REJECTED + "STOP what you are doing and wait for the user to tell you how to proceed."


def step(kind: str, uuid: str | None = None, parent: str | None = None, **fields: Any) -> Any:
    """Return a line of a transcript; its second of the minute is its number where it has one."""
    second = int(uuid[1:]) % 60 if uuid and uuid[1:].isdigit() else 0
    envelope = {
        "parentUuid": parent,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/dana/shop",
        "sessionId": SESSION,
        "version": "2.1.205",
        "gitBranch": "main",
        "type": kind,
        "uuid": uuid,
        "timestamp": f"2026-05-04T09:30:{second:02}.250Z",
    }
    if uuid is None:
        del envelope["uuid"], envelope["parentUuid"], envelope["timestamp"]
    return {**envelope, **fields}


def typed(uuid: str, content: Any = "do it", parent: str | None = None, **fields: Any) -> Any:
    """Return a line of type `user`."""
    return step("user", uuid, parent, message={"role": "user", "content": content}, **fields)


def answered(
    uuid: str, *blocks: Any, parent: str | None = None, of: str = "msg_1", **fields: Any
) -> Any:
    """Return a line of type `assistant`; fields that the message has by their names."""
    own = {"usage", "stop_reason", "model", "stop_sequence", "container"}
    message = {
        "model": "claude-sonnet-4-5",
        "id": of,
        "type": "message",
        "role": "assistant",
        "content": list(blocks),
        **{name: fields.pop(name) for name in own & fields.keys()},
    }
    return step("assistant", uuid, parent, message=message, requestId="req_1", **fields)


def text(words: str) -> Any:
    """Return a block of text."""
    return {"type": "text", "text": words}


def uses(call_id: str, name: str = "Bash", **arguments: Any) -> Any:
    """Return a block that asks for a call."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def gives(call_id: str, content: Any = "done", **fields: Any) -> Any:
    """Return a block with a result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **fields}


def returned(uuid: str, *blocks: Any, parent: str | None = None, **fields: Any) -> Any:
    """Return a line of type `user` with results of tools."""
    return typed(uuid, list(blocks), parent, **fields)


def told(*steps: Any, file_name: str = "a.jsonl") -> list[Converted]:
    """Convert lines of one file, each after the others were taken."""
    converter = ClaudeCode()
    results = []
    for number, one in enumerate(steps, 1):
        data = one if isinstance(one, bytes) else json.dumps(one).encode()
        surroundings = Surroundings(START, OBSERVED, file_name)
        results.append(converter.convert(line(data, number), surroundings))
        results[-1].commit()
    return results


def events_of(*steps: Any, kind: str | None = None) -> list[Any]:
    """Return the events of lines, of one kind or of all; the start of the session is left out."""
    found = [event for result in told(*steps) for event in result.events]
    return [
        event
        for event in found
        if kind in (None, event.kind)
        and not (event.kind == "lifecycle" and event.body.change == "session_start")
    ]


def only(*steps: Any, kind: str | None = None) -> Any:
    """Return the one event that lines give, of one kind or of any."""
    (event,) = events_of(*steps, kind=kind)
    return event


def notices_of(results: Iterable[Converted]) -> Counter[str]:
    """Return all notices."""
    return sum((result.notices for result in results), Counter())


def by_id(events: Iterable[Event]) -> dict[Any, Event]:
    """Return events by their ids."""
    return {event.event_id: event for event in events}


def write_steps(path: Path, *steps: Any) -> Path:
    """Write lines to a file."""
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in steps]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
