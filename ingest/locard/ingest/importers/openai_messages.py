"""Runs of agents as lists of chat messages, in the form of OpenAI's API, become events.

One line is one run: `{"run_id", "messages", "metadata"}`. A run becomes one session:

- `metadata` becomes a `lifecycle` event that starts the session;
- system, developer and user messages that follow each other become one `prompt`;
- an assistant message becomes a `model_output`, and each of its tool calls a `tool_call` as well;
- a tool message becomes a `tool_result`, paired with its call.

The form has traps, and real files have them all: call ids are empty, missing or used twice;
arguments are objects or JSON text that does not parse; content is null, text or a list of parts.
Whatever cannot be held as it is meant is kept as text and said so, never dropped.

There are no times in the form. `occurred_at` counts milliseconds from a given start, in the order
of the messages, and `time_source` says that an importer made it up. Identifiers are derived from
the line's digest, so the same line gives the same events.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.ingest.importers.lines import Line
from locard.schema import (
    SCHEMA_VERSION,
    CanonicalError,
    Event,
    JsonError,
    JsonValue,
    RejectedRecord,
    Trust,
    canonical_bytes,
    derived_event_id,
    parse_json,
    rfc3339,
    validate_event,
)

FORMAT: Final = "openai-messages"
_PROMPT_ROLES: Final[dict[str, Trust]] = {
    "system": "system",
    "developer": "operator",
    "user": "user",
}
_ROLES: Final = frozenset({*_PROMPT_ROLES, "assistant", "tool", "function"})
_MESSAGE_FIELDS: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "tool_call", "error", "refusal"}
)


def run_events(line: Line, start: datetime, observed_at: datetime) -> Converted:
    """Return the events of the run in this line, in order, and what was odd about it.

    Args:
        start: the made-up time of the run's first event.
        observed_at: when the import began.

    Raises:
        RejectedRecord: the line holds no run. The message says what and what to do.
    """
    try:
        value, numbers_kept_as_text = parse_json_keeping_numbers(line.data)
    except JsonError as error:
        raise RejectedRecord(f"not acceptable JSON: {error}", f"json_{error.reason}") from None
    run = _Run(_checked(value), line, start, observed_at)
    if numbers_kept_as_text:
        run.notices["numbers beyond what JSON keeps exact, kept as text"] = numbers_kept_as_text
    return Converted(tuple(run.events()), run.notices)


def _checked(run: JsonValue) -> dict[str, Any]:
    """Return the run if it has the form that everything below relies on."""
    if not isinstance(run, dict) or not isinstance(run.get("messages"), list):
        raise RejectedRecord(
            "no object with a list `messages`; is this file of chat runs?", "no_run"
        )
    if not run["messages"]:
        raise RejectedRecord("the run has no messages; nothing to import", "empty_run")
    if not isinstance(run.get("run_id"), str) or not run["run_id"]:
        raise RejectedRecord("the run has no `run_id`; give each run a name", "no_run_id")
    for number, message in enumerate(run["messages"]):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RejectedRecord(f"message {number} is no object with a `role`", "invalid_message")
        calls = message.get("tool_calls")
        if calls is not None and not (
            isinstance(calls, list) and all(_is_call(call) for call in calls)
        ):
            raise RejectedRecord(
                f"`tool_calls` of message {number} is no list of calls with a `function.name`",
                "invalid_message",
            )
    return run


def _is_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


@dataclass(frozen=True)
class Converted:
    """The events of one run; `notices` counts what was odd and kept, by a description of it."""

    events: tuple[Event, ...] = field(repr=False)
    notices: Counter[str]


@dataclass
class _Call:
    """A tool call that waits for its result."""

    call_id: str
    source_id: str | None
    name: str
    event_id: str


@dataclass
class _Run:
    """One pass through the messages of a run."""

    run: dict[str, Any]
    line: Line
    start: datetime
    observed_at: datetime
    _count: int = 0
    _messages: int = 0
    notices: Counter[str] = field(default_factory=Counter)
    _last_message_event: str | None = None  # the event that holds the newest message so far
    _unanswered: list[str] = field(default_factory=list)  # what the model has yet to react to
    _ids: Counter[str] = field(default_factory=Counter)
    _open: deque[_Call] = field(default_factory=deque)

    def events(self) -> Iterator[Event]:
        yield self._session_start()
        waiting: list[dict[str, Any]] = []
        for message in self.run["messages"]:
            if message["role"] not in _ROLES:
                self.notices["messages of an unknown role, kept as prompts nobody vouches for"] += 1
            if message["role"] in ("assistant", "tool", "function"):
                if waiting:
                    yield self._prompt(waiting)
                    waiting = []
                yield from (
                    self._output(message)
                    if message["role"] == "assistant"
                    else [self._tool_result(message)]
                )
            else:
                waiting.append(message)
        if waiting:
            yield self._prompt(waiting)
        if self._open:
            self.notices["tool calls without a result"] += len(self._open)

    def _session_start(self) -> Event:
        extra = {k: v for k, v in self.run.items() if k not in ("run_id", "messages", "metadata")}
        body = {"change": "session_start", "attributes": self.run.get("metadata")}
        return self._event("lifecycle", body, extensions=extra)

    def _prompt(self, messages: list[dict[str, Any]]) -> Event:
        body: dict[str, Any] = {"messages": [_message(message) for message in messages]}
        if self._last_message_event:
            body["history"] = {"through": self._last_message_event, "messages": self._messages}
        return self._said(self._event("prompt", body), len(messages))

    def _output(self, message: dict[str, Any]) -> Iterator[Event]:
        calls = [self._call(call) for call in message.get("tool_calls") or ()]
        said = _message(message)
        said["parts"] += [
            {"type": "tool_call", "id": call_id, "name": call["function"]["name"], **arguments}
            for call_id, call, arguments, _ in calls
        ]
        body = {"messages": [said]}
        output = self._said(self._event("model_output", body, caused_by=self._unanswered), 1)
        self._unanswered = []
        yield output
        # A call that is still open when the model speaks again will not be answered any more.
        if self._open:
            self.notices["tool calls without a result"] += len(self._open)
        self._open.clear()
        for call_id, call, arguments, extensions in calls:
            name = call["function"]["name"]
            body = {"tool_name": name, "sighting": "requested", **arguments}
            event = self._event(
                "tool_call",
                body,
                call_id=call_id,
                caused_by=[str(output.event_id)],
                extensions=extensions,
            )
            source_id = call.get("id") if isinstance(call.get("id"), str) else None
            self._open.append(_Call(call_id, source_id, name, str(event.event_id)))
            yield event

    def _said(self, event: Event, messages: int) -> Event:
        """Note that this event holds the session's next messages."""
        self._messages += messages
        self._last_message_event = str(event.event_id)
        self._unanswered = [*self._unanswered, str(event.event_id)]
        return event

    def _call(
        self, call: dict[str, Any]
    ) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return a call's id in this session, the call, its arguments, and what else it had."""
        arguments, note = _arguments(call["function"].get("arguments"))
        source_id = call.get("id")
        known = ("id", "type", "function")
        extensions = {f"tool_call.{k}": v for k, v in call.items() if k not in known}
        function = {k: v for k, v in call["function"].items() if k not in ("name", "arguments")}
        extensions |= {f"function.{k}": v for k, v in function.items()}
        if note:
            extensions["arguments_kept_as_text"] = note
            self.notices["tool calls whose arguments are no JSON, kept as text"] += 1
        call_id = self._unique(source_id if isinstance(source_id, str) and source_id else "call")
        if call_id != source_id:
            extensions["source_call_id"] = source_id
        return call_id, call, arguments, extensions

    def _unique(self, source_id: str) -> str:
        """Return an id that no other call of this session has; sources use one twice, or none."""
        while True:
            self._ids[source_id] += 1
            count = self._ids[source_id]
            call_id = source_id if count == 1 and source_id != "call" else f"{source_id}~{count}"
            if call_id == source_id or call_id not in self._ids:
                self._ids[call_id] += call_id != source_id
                return call_id

    def _tool_result(self, message: dict[str, Any]) -> Event:
        call = self._answered(message)
        error = message.get("error")
        body: dict[str, Any] = {
            "tool_name": call.name if call else message.get("name"),
            "outcome": "error" if error else "ok",
            "result": message.get("content"),
            "trust": "tool",
        }
        if error:
            body["error_message"] = error if isinstance(error, str) else _text(error)
        extensions = _unknown(message)
        if "tool_call" in message:
            extensions["tool_call"] = message["tool_call"]
        if call is None:
            self.notices["tool results without a call"] += 1
            extensions["source_call_id"] = message.get("tool_call_id")
        event = self._event(
            "tool_result",
            {name: value for name, value in body.items() if value is not None},
            call_id=call.call_id if call else None,
            caused_by=[call.event_id] if call else [],
            extensions=extensions,
        )
        return self._said(event, 1)

    def _answered(self, message: dict[str, Any]) -> _Call | None:
        """Find the open call that a result answers: by id, else the oldest without another id."""
        given = message.get("tool_call_id") or None
        repeated = message.get("tool_call")
        name = message.get("name") or (
            repeated.get("function") if isinstance(repeated, dict) else None
        )
        for call in self._open:
            fits = call.source_id == given if given else not call.source_id
            if fits and (not isinstance(name, str) or name == call.name):
                self._open.remove(call)
                return call
        return None

    def _event(
        self,
        kind: str,
        body: dict[str, Any],
        *,
        call_id: str | None = None,
        caused_by: list[str] | None = None,
        extensions: dict[str, Any] | None = None,
    ) -> Event:
        number = self._count
        self._count += 1
        metadata = self.run.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        model, workflow = metadata.get("model"), metadata.get("workflow_id")
        event = {
            "kind": kind,
            "event_id": str(derived_event_id(FORMAT, self.line.digest, str(number))),
            "schema_version": SCHEMA_VERSION,
            "occurred_at": rfc3339(self.start + timedelta(milliseconds=number)),
            "observed_at": rfc3339(self.observed_at),
            "time_source": "importer",
            "lane": "import",
            "session_id": self.run["run_id"],
            "body": body,
            "caused_by": caused_by,
            "call_id": call_id,
            "workflow_id": workflow if isinstance(workflow, str) else None,
            "request_model": model if isinstance(model, str) else None,
            "extensions": extensions or None,
        }
        return validate_event({name: value for name, value in event.items() if value is not None})


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """Return a chat message in the schema's form, with its text as parts."""
    trust = _PROMPT_ROLES.get(message["role"], "unknown")
    said: dict[str, Any] = {"role": message["role"], "parts": _parts(message.get("content"), trust)}
    if isinstance(message.get("name"), str):
        said["name"] = message["name"]
    if isinstance(message.get("refusal"), str):
        said["parts"].append({"type": "refusal", "trust": trust, "content": message["refusal"]})
    return said | _unknown(message)


def _unknown(message: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in message.items() if k not in _MESSAGE_FIELDS}


def _parts(content: Any, trust: Trust) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "trust": trust, "content": content}]
    items = content if isinstance(content, list) else [content]
    return [_part(item, trust) for item in items]


def _part(item: Any, trust: Trust) -> dict[str, Any]:
    """Return one content part; a type that the schema has no form for is kept as it came."""
    if isinstance(item, str):
        return {"type": "text", "trust": trust, "content": item}
    if isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str):
        rest = {k: v for k, v in item.items() if k not in ("type", "text")}
        return {**rest, "type": "text", "trust": trust, "content": item["text"]}
    return {"type": f"{FORMAT}.part", "trust": trust, "value": item}


def _arguments(arguments: Any) -> tuple[dict[str, Any], str | None]:
    """Return the arguments as a value where that loses nothing, else as the text they came as."""
    if not isinstance(arguments, str):
        return {"arguments": arguments}, None
    try:
        return {"arguments": parse_json(arguments.encode())}, None
    except JsonError as error:
        return {"arguments": arguments}, error.reason


def _text(value: JsonValue) -> str:
    try:
        return canonical_bytes(value).decode()
    except CanonicalError:
        return str(value)
