"""Runs of agents as lists of chat messages, in the form of OpenAI's API, become events.

One line is one run: `{"run_id", "messages", "metadata"}`. A run becomes one session, named by its
`run_id`; where another run has that name, a part of the line's digest is added, since two runs must
not be read as one. Every message is in exactly one event:

- `metadata` becomes a `lifecycle` event that starts the session;
- system, developer and user messages that follow each other become one `prompt`, and so do messages
  of roles that the form does not have, which nobody vouches for;
- an assistant message becomes a `model_output`, and each of its tool calls a `tool_call` as well;
- a tool message, or a function message of the older form, becomes a `tool_result`, paired with its
  call by the rules in `openai_pairing`. It counts as `ok` unless it has an `error`; the form has no
  other sign.

The form has traps, and real files have them all: see `openai_calls` for ids and arguments and
`openai_parts` for content. Whatever cannot be held as it is meant is kept as text or as it came,
and said so in `extensions`, never dropped.

There are no times in the form. `occurred_at` counts milliseconds from a given start, in the order
of the messages, and `time_source` says that an importer made it up. Identifiers are derived from
the line's digest, so the same line gives the same events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, ClassVar, Final

from locard.ingest.importers.conversion import NUMBERS, Converted, Surroundings
from locard.ingest.importers.events import EventMaker
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_calls import ABSENT, answered_call, requested_calls
from locard.ingest.importers.openai_form import Run, read_run
from locard.ingest.importers.openai_pairing import Call, Calls
from locard.ingest.importers.openai_parts import TRUST_OF_ROLE, schema_message
from locard.schema import Event, JsonValue, Outcome, canonical_bytes

FORMAT: Final = "openai-messages"
_RESULT_ROLES: Final = ("tool", "function")
_ROLES: Final = frozenset({*TRUST_OF_ROLE, *_RESULT_ROLES, "assistant"})
_RESULT_FIELDS: Final = frozenset({"role", "content", "name", "tool_call_id", "tool_call", "error"})
_CALL_FIELDS: Final = frozenset({"tool_calls", "function_call"})
_DIGEST_DIGITS: Final = 12

NO_RUN_ID: Final = "runs without a `run_id`, named after their digest; give them names to find them"
TAKEN_RUN_ID: Final = "runs whose `run_id` another run has; find them as RUN_ID~DIGEST"
UNKNOWN_ROLE: Final = (
    "messages of an unknown role, kept as prompts of unknown trust; see who wrote them"
)
TEXT_ARGUMENTS: Final = (
    "calls whose arguments are no acceptable JSON, kept as text; read them as text"
)
NO_RESULT: Final = "calls without a result; see whether the run was cut short"
NO_CALL: Final = "results that answer no call, kept without one; see whether the run is whole"


class OpenAIMessages:
    """Converts runs. See `Converter`; each line stands alone."""

    format_name: ClassVar[str] = FORMAT
    unit: ClassVar[str] = "runs"
    remembers: ClassVar[bool] = False

    def convert(self, line: Line, surroundings: Surroundings) -> Converted:
        """Return the events of the run in this line, in order, and what was odd about it."""
        return run_events(line, surroundings)


def run_events(line: Line, surroundings: Surroundings) -> Converted:
    """Return the events of the run in this line; see `Converter.convert`."""
    run = read_run(line)
    notices = Counter({NUMBERS: run.numbers_kept_as_text} if run.numbers_kept_as_text else {})
    session_id = run.run_id or f"run-{line.digest[:_DIGEST_DIGITS]}"
    if run.run_id is None:
        notices[NO_RUN_ID] += 1
    if surroundings.is_taken(session_id):
        session_id = f"{session_id}~{line.digest[:_DIGEST_DIGITS]}"
        notices[TAKEN_RUN_ID] += 1
    core = {
        "session_id": session_id,
        "workflow_id": run.told("workflow_id"),
        "request_model": run.told("model"),
    }
    maker = EventMaker(FORMAT, line, surroundings, core)
    events = tuple(_Conversion(run, maker, notices).events())
    return Converted(events, notices)


class _Conversion:
    """One pass through the messages of a run."""

    def __init__(self, run: Run, maker: EventMaker, notices: Counter[str]) -> None:
        self._run = run
        self._make = maker.make
        self._notices = notices
        self._calls = Calls()
        self._messages = 0
        self._last_message_event: str | None = None
        self._not_reacted_to: list[str] = []  # events that the model has not spoken after yet

    def events(self) -> Iterator[Event]:
        yield self._session_start()
        for is_prompt, messages in groupby(self._run.messages, _is_prompt):
            if is_prompt:
                yield self._prompt(list(messages))
                continue
            for message in messages:
                if message["role"] == "assistant":
                    yield from self._output(message)
                else:
                    yield self._result(message)
        if self._calls.unanswered:
            self._notices[NO_RESULT] += self._calls.unanswered

    def _session_start(self) -> Event:
        body = {"change": "session_start", "attributes": self._run.metadata}
        return self._make("lifecycle", body, extensions=self._run.other_fields or None)

    def _prompt(self, messages: list[dict[str, Any]]) -> Event:
        unknown = sum(message["role"] not in _ROLES for message in messages)
        if unknown:
            self._notices[UNKNOWN_ROLE] += unknown
        body: dict[str, Any] = {"messages": [schema_message(message) for message in messages]}
        if self._last_message_event:
            body["history"] = {"through": self._last_message_event, "messages": self._messages}
        return self._said(self._make("prompt", body), len(messages))

    def _output(self, message: dict[str, Any]) -> Iterator[Event]:
        calls = self._calls.request(list(requested_calls(message)))
        said = schema_message({k: v for k, v in message.items() if k not in _CALL_FIELDS})
        said["parts"] += [_call_part(call) for call in calls]
        causes = self._not_reacted_to or None
        output = self._said(self._make("model_output", {"messages": [said]}, caused_by=causes), 1)
        self._not_reacted_to = []
        yield output
        for call in calls:
            yield self._call(call, output)

    def _call(self, call: Call, output: Event) -> Event:
        requested = call.requested
        extensions = dict(requested.extensions)
        if extensions.get("arguments_kept_as_text", "empty") != "empty":
            self._notices[TEXT_ARGUMENTS] += 1
        if "argument_numbers_kept_as_text" in extensions:
            self._notices[NUMBERS] += extensions["argument_numbers_kept_as_text"]
        if requested.given_id not in (None, call.call_id):
            extensions["source_call_id"] = requested.given_id
        body = {"tool_name": requested.name, "tool_type": requested.tool_type, **_arguments(call)}
        event = self._make(
            "tool_call",
            {**body, "sighting": "requested"},
            call_id=call.call_id,
            caused_by=[str(output.event_id)],
            absent={"arguments": "not_captured"} if requested.arguments is ABSENT else None,
            extensions=extensions or None,
        )
        call.event_id = str(event.event_id)
        return event

    def _result(self, message: dict[str, Any]) -> Event:
        call = self._calls.answer(answered_call(message))
        if call is None:
            self._notices[NO_CALL] += 1
        error = message.get("error")
        given_name = message.get("name")
        name = given_name if isinstance(given_name, str) else None
        event = self._make(
            "tool_result",
            {
                "tool_name": call.requested.name if call else name,
                "outcome": _outcome(message),
                "error_message": _text(error) if error else None,
                "result": message.get("content"),
                "trust": "tool",
            },
            call_id=call.call_id if call else None,
            caused_by=[call.event_id] if call else None,
            absent=None if "content" in message else {"result": "not_captured"},
            extensions=_result_extensions(message, call) or None,
        )
        return self._said(event, 1)

    def _said(self, event: Event, messages: int) -> Event:
        """Note that this event holds the session's next messages."""
        self._messages += messages
        self._last_message_event = str(event.event_id)
        self._not_reacted_to.append(self._last_message_event)
        return event


def _is_prompt(message: dict[str, Any]) -> bool:
    return message["role"] != "assistant" and message["role"] not in _RESULT_ROLES


def _arguments(call: Call, name: str = "arguments") -> dict[str, JsonValue]:
    """Return the arguments under a name, or nothing where the source has none."""
    arguments = call.requested.arguments
    return {} if arguments is ABSENT else {name: arguments}


def _call_part(call: Call) -> dict[str, Any]:
    part = {"type": "tool_call", "id": call.call_id, "name": call.requested.name}
    return {**part, **_arguments(call)}


def _result_extensions(message: dict[str, Any], call: Call | None) -> dict[str, Any]:
    """Return what a result says that neither its event's fields nor its call's event have."""
    extensions = {f"message.{k}": v for k, v in message.items() if k not in _RESULT_FIELDS}
    if message["role"] != "tool":
        extensions["source_role"] = message["role"]
    given_id, given_name = message.get("tool_call_id"), message.get("name")
    if given_id is not None and (call is None or given_id != call.requested.given_id):
        extensions["source_call_id"] = given_id
    if given_name is not None and (call is None or given_name != call.requested.name):
        extensions["source_tool_name"] = given_name
    repeated = message.get("tool_call")
    if repeated is not None and not (call and _is_repetition(repeated, call)):
        extensions["tool_call"] = repeated
    if message.get("error") not in (None, "") and not message["error"]:
        extensions["error"] = message["error"]
    return extensions


def _is_repetition(repeated: JsonValue, call: Call) -> bool:
    """Say whether this says nothing that the call does not: sources repeat all of it or a part."""
    if not isinstance(repeated, dict):
        return False
    requested = call.requested
    once = {"id": requested.given_id, "function": requested.name, **_arguments(call, "args")}
    told = {name: value for name, value in repeated.items() if value is not None}
    # Canonical bytes tell 1 from true, which `==` does not.
    return told.keys() <= once.keys() and all(
        canonical_bytes(value) == canonical_bytes(once[name]) for name, value in told.items()
    )


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_bytes(value).decode()


def _outcome(message: dict[str, Any]) -> Outcome:
    """Say how a call went; the form has no sign of it, and only some sources add `error`.

    A result whose text begins with "Error" may be one: that is for whoever reads it to judge.
    """
    if "error" not in message:
        return "unknown"
    return "error" if message["error"] else "ok"
