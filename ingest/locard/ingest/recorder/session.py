"""A session: the events of one conversation or job, and the tool calls that run in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from locard.ingest.bounded import json_text
from locard.ingest.recorder.context import Entered, Here, here
from locard.ingest.recorder.draft_bytes import plain_fields
from locard.ingest.recorder.harmless import Failures, harmless, short_type_name
from locard.ingest.recorder.recording import (
    Draft,
    Effect,
    Outcome,
    Recorded,
    Recording,
    RequestedCall,
    Sighting,
    causes_of,
)
from locard.schema import Trust, new_event_id

if TYPE_CHECKING:
    from locard.ingest.recorder.recorder import Recorder

_LARGEST_ID: Final = 2**64  # that is a number
_MOST_CALLS: Final = 1_000  # of a session, that were asked for and have not run


class Session(Entered, Recording):
    """The events of one session. Made by `Recorder.session`; use it with `with` or `async with`.

    Entering records its start, leaving its end, with the type of the exception if there was one.
    It can be used without either, and from any thread.
    """

    def __init__(self, recorder: Recorder, session_id: str, core: Mapping[str, Any]) -> None:
        self.session_id = session_id
        self._recorder = recorder
        self._core = {**plain_fields(core), "session_id": session_id}
        # No lock guards it, which a child forked meanwhile would wait for: each step is one step
        # of the interpreter.
        self._calls: dict[str, RequestedCall] = {}

    @property
    def failures(self) -> Failures:
        """What could not be recorded, of all sessions of the recorder."""
        return self._recorder.failures

    @harmless(lambda self, *_, **__: ToolCall(self, None, None, None, "tool"))
    def tool_call(
        self,
        name: str,
        arguments: Any = None,
        *,
        call_id: str | None = None,
        server: str | None = None,
        effect: Effect | None = None,
        sighting: Sighting = "executed",
        trust: Trust = "tool",
        **core: Any,
    ) -> ToolCall:
        """Record that a tool is run; surround the running with it, to record the result.

        Args:
            arguments: what the tool is given, by name.
            call_id: as the model gave it; without it the call that was asked for by that name (and
                with these arguments, if several were) is taken.
            trust: of the result: `external` where strangers may have written it.
        """
        call = ToolCall(self, name, call_id, server, trust)
        call._begin({"arguments": arguments, "effect": effect, "sighting": sighting}, core)
        return call

    @harmless(lambda self: self)
    def start(self) -> Self:
        """Record that the session begins."""
        self.lifecycle("session_start")
        return self

    @harmless(lambda *_, **__: None)
    def end(self, error: BaseException | None = None) -> None:
        """Record that the session ends, and why, if it was an exception: its type, not its text."""
        attributes = {"error_type": short_type_name(type(error))} if error is not None else None
        self.lifecycle("session_end", attributes)

    def _within(self, outside: Here) -> Here:
        self.start()
        return Here(self, None, outside.cause, self, outside, outside.depth + 1)

    def _left(self, error: BaseException | None) -> None:
        self.end(error)

    def is_of(self, recorder: Recorder) -> bool:
        """Say whether the session was made by this recorder."""
        return self._recorder is recorder

    def take_call(self, name: Any, arguments: Any, call_id: str | None) -> RequestedCall | None:
        """Return the call that was asked for and is run now, which is then no longer waiting."""
        if not self._calls or (call_id is None and type(name) is not str):
            return None
        waiting = [
            (key, call)
            for key, call in list(self._calls.items())
            if (call.name == name if call_id is None else call.id == call_id)
        ]
        if len(waiting) > 1:
            told = plain_fields({"arguments": arguments})["arguments"]
            waiting.sort(key=lambda entry: entry[1].arguments != told)
        for key, _ in waiting:
            taken = self._calls.pop(key, None)
            if taken is not None:  # no other thread was faster
                return taken
        return None

    def _draft(self, kind: str, body: Mapping[str, Any], core: dict[str, Any]) -> Draft:
        cause = here.get().cause
        if cause or "caused_by" in core:
            core["caused_by"] = causes_of(core.get("caused_by")) or ([cause] if cause else None)
        return self._recorder.put(kind, body, self._core, core)

    def _note_prompt(self, recorded: Recorded) -> None:
        here.set(here.get()._replace(prompt=(self.session_id, recorded.event_id)))

    def _last_prompt(self) -> str | None:
        prompt = here.get().prompt
        return prompt[1] if prompt and prompt[0] == self.session_id else None

    def _note_call(self, call: RequestedCall) -> None:
        self._calls[call.event_id or ""] = call
        if len(self._calls) > _MOST_CALLS:
            for key in list(self._calls)[:-_MOST_CALLS]:
                self._calls.pop(key, None)


class ToolCall(Entered):
    """A tool call that is running. Leaving it without a result records that it ended, and how.

    Events that are recorded inside are caused by it, those of other sessions included.
    """

    def __init__(self, session: Session, name: Any, call_id: Any, server: Any, trust: Any) -> None:
        self._given_id = id_text(call_id)
        self.call_id = self._given_id or f"call-{new_event_id()}"
        self.recorded = Recorded("")
        self._session = session
        self._name = name
        self._server = server
        self._trust = trust
        self._has_result = False

    @property
    def failures(self) -> Failures:
        """What could not be recorded, of all sessions of the recorder."""
        return self._session.failures

    @harmless(lambda *_: None)
    def _begin(self, told: dict[str, Any], core: dict[str, Any]) -> None:
        """Record that it begins."""
        body = {"tool_name": self._name, "tool_server": self._server, **told}
        body = {key: value for key, value in body.items() if value is not None}
        try:
            requested = self._session.take_call(self._name, told["arguments"], self._given_id)
        except Exception as error:  # noqa: BLE001 - without it the call is recorded all the same
            self.failures.note("the call that was asked for", error)
            requested = None
        if requested is not None:
            self.call_id = self._given_id or requested.id or self.call_id
            core.setdefault("caused_by", [requested.event_id])
        core["call_id"] = self.call_id
        self.recorded = self._session._draft("tool_call", body, core)[0]

    @harmless(lambda _, result=None, *__, **___: result)
    def result(self, result: Any, *, outcome: Outcome = "ok", trust: Trust | None = None) -> Any:
        """Record what the tool gave back, and return it."""
        self._end(result=result, outcome=outcome, trust=self._trust if trust is None else trust)
        return result

    @harmless(lambda *_, **__: None)
    def error(
        self,
        error: BaseException | str,
        *,
        outcome: Outcome = "error",
        error_type: str | None = None,
    ) -> None:
        """Record that the tool failed: an exception with its text, or a text."""
        if error_type is None and issubclass(type(error), BaseException):
            error_type = short_type_name(type(error))
        text = plain_fields({"text": error})["text"]
        message = text if isinstance(text, str) else json_text(text)
        self._end(outcome=outcome, error_type=error_type, error_message=message)

    def _within(self, outside: Here) -> Here:
        cause = self.recorded.event_id
        return Here(outside.session, outside.prompt, cause, self, outside, outside.depth + 1)

    def _left(self, error: BaseException | None) -> None:
        if self._has_result:
            return
        if error is not None:
            self.error(error)
        else:
            self._end(outcome="unknown")

    def _end(self, **told: Any) -> None:
        self._has_result = True
        body = {"tool_name": self._name, "tool_server": self._server, "trust": self._trust, **told}
        core = {"call_id": self.call_id, "caused_by": self.recorded}
        self._session._draft(
            "tool_result",
            {key: value for key, value in body.items() if value is not None or key == "result"},
            core if "result" in told else {**core, "absent": {"result": "not_captured"}},
        )


def id_text(given: Any) -> str | None:
    """Return the text of an id, which may be a number; `None` where it is no id."""
    if issubclass(type(given), str):
        return str.__str__(given) or None
    if type(given) is int and abs(given) < _LARGEST_ID:
        return str(given)
    return str(given) if type(given) is UUID else None
