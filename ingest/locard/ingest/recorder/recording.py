"""What is recorded: one method for each kind of event, for a session and outside of one.

The calling thread makes an id, reads the clocks and writes what it was handed as JSON, so that the
agent may change it afterwards; everything else happens later, on the recorder's own thread.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from locard.ingest.answers import read_answer
from locard.ingest.recorder.harmless import Failures, harmless
from locard.schema import Trust

Effect = Literal["read", "write", "send", "execute", "delete"]
Outcome = Literal["ok", "error", "denied", "timeout", "unknown"]
Sighting = Literal["requested", "executed", "client", "server"]
Verdict = Literal["allow", "deny", "modify", "ask", "unknown"]
Decider = Literal["policy", "human", "guardrail", "model"]

# A text that asks for a tool has one of these, in whatever form.
_ASKS_FOR_TOOLS: Final = (b'"tool_call', b'"tool_use"', b'"function_call"')


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that was recorded. `seq` is `None` where there was no room for it."""

    event_id: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A tool call that a model asked for. `arguments` is an object where they were one as JSON."""

    id: str | None
    name: str
    arguments: Any = field(default=None, repr=False)
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Output(Recorded):
    """What a model gave back, and the tool calls that it asks for, in any library's form."""

    calls: tuple[RequestedCall, ...] = ()


Draft: TypeAlias = tuple[Recorded, bytes, Any]
"""An event that was recorded, what was written of it, and its body as plain JSON values."""


def _not_recorded(*_: Any, **__: Any) -> Recorded:
    return Recorded("")


def _no_output(*_: Any, **__: Any) -> Output:
    return Output("")


class Recording:
    """The kinds of events. Core fields of the schema can be given to each by name.

    No method raises anything, whatever it is called with: what cannot be recorded is counted.
    """

    @property
    @abstractmethod
    def failures(self) -> Failures:
        """What could not be recorded."""

    @harmless(_not_recorded)
    def record(self, kind: str, body: Mapping[str, Any], /, **core: Any) -> Recorded:
        """Record an event of any kind; see `docs/event.schema.json` for its body.

        Args:
            body: anything that JSON can hold, and more: objects of pydantic, data classes, dates.
            core: fields of the core by name, such as `caused_by` or `extensions`.
        """
        return self._draft(kind, body, core)[0]

    @abstractmethod
    def _draft(self, kind: str, body: Mapping[str, Any], core: dict[str, Any]) -> Draft:
        """Record an event. `core` is this method's own; its `caused_by` may be in any form."""

    @harmless(_not_recorded)
    def prompt(
        self,
        messages: Any,
        *,
        system: Any = None,
        tools: Any = None,
        model: str | None = None,
        **core: Any,
    ) -> Recorded:
        """Record what a model is about to be asked.

        Args:
            messages: the whole conversation, as the model is given it; what was said before in the
                session is stored once. A text, or messages as OpenAI, Anthropic or OpenTelemetry
                have them.
            system: instructions that stand beside the messages.
            tools: the definitions of tools that the model may ask for.
            model: the model that is asked.
        """
        body = {"messages": messages, "system": system, "tools": tools}
        if model is not None:
            core["request_model"] = model
        recorded = self._draft("prompt", body, core)[0]
        self._note_prompt(recorded)
        return recorded

    @harmless(_no_output)
    def model_output(
        self, output: Any, *, prompt: Recorded | str | None = None, **core: Any
    ) -> Output:
        """Record what a model gave back, and each tool call that it asks for.

        Args:
            output: the answer as the library gave it (OpenAI's or Anthropic's, as an object or as
                JSON), messages, or a text.
            prompt: what it answers; by default the last prompt recorded in this task.
        """
        asked = _event_id(prompt) or self._last_prompt()
        causes = causes_of(core.get("caused_by"))
        if asked and asked not in filter(_is_text, causes):
            causes.append(asked)  # the last prompt named is the one that it answers
        core["caused_by"] = causes
        body = {"output": output, "prompt": asked}
        recorded, data, told = self._draft("model_output", body, core)
        calls = self._requested(recorded, data, told)
        return Output(recorded.event_id, recorded.seq, calls)

    @harmless(_not_recorded)
    def tool_result(
        self,
        result: Any,
        *,
        call_id: str | None = None,
        name: str | None = None,
        outcome: Outcome = "ok",
        trust: Trust = "tool",
        server: str | None = None,
        error_type: str | None = None,
        error_message: str | None = None,
        **core: Any,
    ) -> Recorded:
        """Record what a tool gave back. `Session.tool_call` does so for a call that it surrounds.

        Args:
            trust: `external` where strangers may have written it: mails, web pages, tickets.
        """
        told = {"result": result, "outcome": outcome, "trust": trust}
        if name is not None:
            told["tool_name"] = name
        if server is not None:
            told["tool_server"] = server
        if error_type is not None:
            told["error_type"] = error_type
        if error_message is not None:
            told["error_message"] = error_message
        if call_id is not None:
            core["call_id"] = call_id
        return self._draft("tool_result", told, core)[0]

    @harmless(_not_recorded)
    def decision(
        self,
        verdict: Verdict,
        *,
        by: Decider,
        call_id: str | None = None,
        rule: str | None = None,
        rationale: str | None = None,
        latency_ms: float | None = None,
        **core: Any,
    ) -> Recorded:
        """Record why something was allowed, refused or changed, and by whom.

        Args:
            by: a policy, a human, a guardrail or the model itself.
            call_id: the tool call that it is about.
            rule: which rule decided.
        """
        body = {
            "verdict": verdict,
            "decided_by": by,
            "rule": rule,
            "rationale": rationale,
            "latency_ms": latency_ms,
        }
        told = {key: value for key, value in body.items() if value is not None}
        core["call_id"] = call_id
        return self._draft("decision", told, core)[0]

    @harmless(_not_recorded)
    def content(
        self,
        operation: Literal["read", "write"],
        content: Any = None,
        *,
        uri: str | None = None,
        title: str | None = None,
        resource_type: str | None = None,
        media_type: str | None = None,
        trust: Trust = "unknown",
        **core: Any,
    ) -> Recorded:
        """Record a document, mail or memory that the agent read or wrote outside a tool."""
        body = {
            "operation": operation,
            "content": content,
            "uri": uri,
            "title": title,
            "resource_type": resource_type,
            "media_type": media_type,
            "trust": trust,
        }
        told = {key: value for key, value in body.items() if value is not None}
        return self._draft("content", told, core)[0]

    @harmless(_not_recorded)
    def lifecycle(self, change: str, attributes: Any = None, **core: Any) -> Recorded:
        """Record a change of model, prompt, tools, permissions or anything else of the agent."""
        body = {"change": change, **({} if attributes is None else {"attributes": attributes})}
        return self._draft("lifecycle", body, core)[0]

    def _note_prompt(self, recorded: Recorded) -> None:
        """Remember the prompt that the next output answers."""

    def _last_prompt(self) -> str | None:
        """Return the prompt that an output answers, where none is named."""
        return None

    def _note_call(self, call: RequestedCall) -> None:
        """Remember a call that was asked for."""

    def _requested(self, output: Recorded, data: bytes, body: Any) -> tuple[RequestedCall, ...]:
        """Record the calls that an output asks for; most ask for none, and cost nothing here."""
        if not any(sign in data for sign in _ASKS_FOR_TOOLS):
            return ()
        try:
            calls = read_answer(body["output"]).calls
            return tuple(self._request(part, output) for part in calls)
        except Exception as error:  # noqa: BLE001 - the output itself is recorded
            self.failures.note("calls of an output", error)
            return ()

    def _request(self, part: Mapping[str, Any], output: Recorded) -> RequestedCall:
        body = {"tool_name": part["name"], "sighting": "requested"}
        if "arguments" in part:
            body["arguments"] = part["arguments"]
        core = {"call_id": part.get("id"), "caused_by": output}
        recorded = self._draft("tool_call", body, core)[0]
        call = RequestedCall(part.get("id"), part["name"], part.get("arguments"), recorded.event_id)
        self._note_call(call)
        return call


def causes_of(given: Any) -> list[Any]:
    """Return causes as a list of the ids of events; what is no cause is in it as it is."""
    if given is None:
        return []
    causes = given if type(given) in (list, tuple) else [given]
    named = [_event_id(cause) or cause for cause in causes]
    return [
        cause for cause in named if not issubclass(type(cause), Recorded)
    ]  # it was not recorded


def _event_id(given: Any) -> str | None:
    """Return the id that names an event, `None` where what was given names none."""
    if issubclass(type(given), Recorded):
        given = given.event_id
    if type(given) is UUID:
        return str(given)
    if type(given) is not str:
        return None
    try:
        return str(UUID(given))
    except ValueError:
        return None


def _is_text(value: Any) -> bool:
    return type(value) is str
