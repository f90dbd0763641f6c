"""Short ways to tell a session, event by event, for tests of what made an action happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from locard.query.provenance import Session
from locard.schema import Event, rfc3339
from making import event

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


class Story:
    """A session that is told step by step; each step is a second after the one before.

    Args:
        session_id: of all its events.
    """

    def __init__(self, session_id: str = "s1") -> None:
        self.session_id = session_id
        self.events: list[Event] = []

    def person(self, text: str) -> Story:
        """The person says something."""
        return self._said("prompt", "user", text, "user")

    def operator(self, text: str) -> Story:
        """The operator instructs the agent."""
        return self._said("prompt", "system", text, "system")

    def agent(self, text: str) -> Story:
        """The model says something."""
        return self._said("model_output", "assistant", text, "unknown")

    def call(self, tool: str, call_id: str | None = None, **arguments: Any) -> Story:
        """The agent calls a tool."""
        body = {"tool_name": tool, "sighting": "executed", "arguments": arguments}
        return self._add("tool_call", body, call_id=call_id or self._next())

    def result(self, result: Any, outcome: str = "ok", trust: str = "external") -> Story:
        """The call before gives this."""
        call = self.events[-1]
        body = {"tool_name": call.body.tool_name, "outcome": outcome, "result": result}
        return self._add("tool_result", {**body, "trust": trust}, call_id=call.call_id)

    def read(self, text: Any, tool: str = "read_mail") -> Story:
        """The agent reads a text from outside."""
        return self.call(tool).result(text)

    def session(self) -> Session:
        """Return the session as it is read from the lake."""
        return Session(self.session_id, [_row(event) for event in self.events])

    def _said(self, kind: str, role: str, text: str, trust: str) -> Story:
        part = {"type": "text", "content": text, "trust": trust}
        return self._add(kind, {"messages": [{"role": role, "parts": [part]}]})

    def _next(self) -> str:
        return f"call-{len(self.events)}"

    def _add(self, kind: str, body: dict[str, Any], **core: Any) -> Story:
        moment = BEGAN + timedelta(seconds=len(self.events))
        told: dict[str, Any] = {
            "session_id": self.session_id,
            "occurred_at": rfc3339(moment),
            **core,
        }
        if self.events:
            told["caused_by"] = [str(self.events[-1].event_id)]
        self.events.append(event(kind, body, **told))
        return self


def _row(event: Event) -> dict[str, Any]:
    """Return an event as a row of the view `events`: its columns side by side, content as JSON."""
    core = event.model_dump(exclude={"body"})
    body = event.body.model_dump(mode="json", exclude_none=True)
    for name in ("messages", "arguments", "result"):
        if name in body:
            body[name] = json.dumps(body[name])
    return {**core, "kind": event.kind, **body}
