"""A session: the events of one conversation or job, and what is going on in it at this moment.

What is going on (the session, the prompt that was asked last, the tool call that is running) is
held by a context variable. So it follows `async` code by itself; a thread that is started by hand
begins with nothing, and is given the session or run in a copy of the context.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from locard.ingest.recorder.recording import (
    Effect,
    Outcome,
    Recorded,
    Recording,
    RequestedCall,
    Sighting,
)
from locard.schema import Trust, new_event_id

if TYPE_CHECKING:
    from locard.ingest.recorder.recorder import Recorder

_MOST_CALLS: Final = 1_000  # of a session, that were asked for and have not run


@dataclass(frozen=True, slots=True)
class Here:
    """What is going on in this task or thread."""

    session: Session | None = None
    prompt: tuple[str, str] | None = None  # the session's id and the event's
    cause: str | None = None  # the tool call inside which all of this happens


here: ContextVar[Here] = ContextVar("locard_here", default=Here())  # noqa: B039 - frozen


class Entered(ABC):
    """What `with` and `async with` enter and leave: events in between belong to it."""

    def __init__(self) -> None:
        self._tokens: list[Token[Here]] = []

    @abstractmethod
    def _within(self, outside: Here) -> Here:
        """Return what goes on inside."""

    @abstractmethod
    def _left(self, error: BaseException | None) -> None:
        """Record that it is left, and by which exception."""

    def __enter__(self) -> Self:
        self._tokens.append(here.set(self._within(here.get())))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(IndexError, ValueError):  # left in another context than it was entered in
            here.reset(self._tokens.pop())
        self._left(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class Session(Entered, Recording):
    """The events of one session. Made by `Recorder.session`; use it with `with` or `async with`.

    Entering records its start, leaving its end, with the type of the exception if there was one.
    It can be used without either, and from any thread.
    """

    def __init__(self, recorder: Recorder, session_id: str, core: Mapping[str, Any]) -> None:
        super().__init__()
        self.session_id = session_id
        self._recorder = recorder
        self._core = {"session_id": session_id, **core}
        self._calls: OrderedDict[str, RequestedCall] = OrderedDict()
        self._lock = threading.RLock()  # a signal handler may record in the midst of it

    def record(self, kind: str, body: Mapping[str, Any], /, **core: Any) -> Recorded:
        """Record an event of this session; see `Recording.record`."""
        return self._draft(kind, body, core)[0]

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
        return ToolCall(self, name, arguments, call_id, server, effect, sighting, trust, core)

    def start(self) -> Self:
        """Record that the session begins."""
        self.lifecycle("session_start")
        return self

    def end(self, error: BaseException | None = None) -> None:
        """Record that the session ends, and why, if it was an exception: its type, not its text."""
        attributes = {"error_type": type(error).__qualname__} if error else None
        self.lifecycle("session_end", attributes)

    def _within(self, outside: Here) -> Here:
        self.start()
        return replace(outside, session=self, prompt=None)

    def _left(self, error: BaseException | None) -> None:
        self.end(error)

    def is_of(self, recorder: Recorder) -> bool:
        """Say whether the session was made by this recorder."""
        return self._recorder is recorder

    def take_call(self, name: str, arguments: Any, call_id: str | None) -> RequestedCall | None:
        """Return the call that was asked for and is run now, which is then no longer waiting."""
        with self._lock:
            waiting = [
                key
                for key, call in list(self._calls.items())
                if (call.id == call_id if call_id else call.name == name)
            ]
            same = [key for key in waiting if self._calls[key].arguments == arguments]
            found = next(iter(same or waiting), None)
            return self._calls.pop(found) if found else None

    def _draft(
        self, kind: str, body: Mapping[str, Any], core: Mapping[str, Any]
    ) -> tuple[Recorded, bytes]:
        cause = here.get().cause
        if cause and not core.get("caused_by"):
            core = {**core, "caused_by": [cause]}
        return self._recorder.put(kind, body, self._core, core)

    def _note_prompt(self, recorded: Recorded) -> None:
        here.set(replace(here.get(), prompt=(self.session_id, recorded.event_id)))

    def _last_prompt(self) -> str | None:
        prompt = here.get().prompt
        return prompt[1] if prompt and prompt[0] == self.session_id else None

    def _note_call(self, call: RequestedCall) -> None:
        with self._lock:
            self._calls[call.event_id or ""] = call
            while len(self._calls) > _MOST_CALLS:
                self._calls.popitem(last=False)


class ToolCall(Entered):
    """A tool call that is running. Leaving it without a result records that it ended, and how.

    Events that are recorded inside are caused by it, those of other sessions included.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        arguments: Any,
        call_id: str | None,
        server: str | None,
        effect: Effect | None,
        sighting: Sighting,
        trust: Trust,
        core: Mapping[str, Any],
    ) -> None:
        super().__init__()
        requested = session.take_call(name, arguments, call_id)
        self.call_id = call_id or (requested.id if requested else None) or f"call-{new_event_id()}"
        self._session = session
        self._name = name
        self._server = server
        self._trust = trust
        self._has_result = False
        optional = {"tool_server": server, "effect": effect, "arguments": arguments}
        given = {key: value for key, value in optional.items() if value is not None}
        body = {"tool_name": name, "sighting": sighting, **given}
        cause = requested.event_id if requested else None
        told = {"caused_by": [cause] if cause else None, **core}
        self.recorded = session.record("tool_call", body, call_id=self.call_id, **told)

    def result(self, result: Any, *, outcome: Outcome = "ok", trust: Trust | None = None) -> Any:
        """Record what the tool gave back, and return it."""
        self._end(result=result, outcome=outcome, trust=trust or self._trust)
        return result

    def error(
        self,
        error: BaseException | str,
        *,
        outcome: Outcome = "error",
        error_type: str | None = None,
    ) -> None:
        """Record that the tool failed: an exception with its text, or a text."""
        is_exception = isinstance(error, BaseException)
        name = type(error).__qualname__ if is_exception else None
        self._end(outcome=outcome, error_type=error_type or name, error_message=_text(error))

    def _within(self, outside: Here) -> Here:
        return replace(outside, cause=self.recorded.event_id)

    def _left(self, error: BaseException | None) -> None:
        if self._has_result:
            return
        if error is not None:
            self.error(error)
        else:
            self._end(outcome="unknown")

    def _end(self, **told: Any) -> None:
        self._has_result = True
        absent = None if "result" in told else {"result": "not_captured"}
        body = {"tool_name": self._name, "tool_server": self._server, "trust": self._trust, **told}
        self._session.record(
            "tool_result",
            {key: value for key, value in body.items() if value is not None or key == "result"},
            call_id=self.call_id,
            caused_by=[self.recorded.event_id],
            absent=absent,
        )


def _text(error: BaseException | str) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of the agent whose text cannot be had
        return ""
