"""What is recorded: one method for each kind of event, for a session and outside of one.

The calling thread makes an id, reads the clocks and writes what it was handed as JSON, so that the
agent may change it afterwards; everything else happens later, on the recorder's own thread. Nothing
raises: what goes wrong here is the recorder's trouble and never the agent's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import jiter

from locard.ingest.answers import read_answer
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


class Recording:
    """The kinds of events. Core fields of the schema can be given to each by name."""

    @abstractmethod
    def record(self, kind: str, body: Mapping[str, Any], /, **core: Any) -> Recorded:
        """Record an event of any kind; see `docs/event.schema.json` for its body.

        Args:
            body: anything that JSON can hold, and more: objects of pydantic, data classes, dates.
            core: fields of the core by name, such as `caused_by` or `extensions`.
        """

    @abstractmethod
    def _draft(
        self, kind: str, body: Mapping[str, Any], core: Mapping[str, Any]
    ) -> tuple[Recorded, bytes]:
        """Record an event, and return it with the JSON that was written."""

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
        recorded = self.record("prompt", body, request_model=model, **core)
        self._note_prompt(recorded)
        return recorded

    def model_output(self, output: Any, *, prompt: Recorded | None = None, **core: Any) -> Output:
        """Record what a model gave back, and each tool call that it asks for.

        Args:
            output: the answer as the library gave it (OpenAI's or Anthropic's, as an object or as
                JSON), messages, or a text.
            prompt: what it answers; by default the last prompt recorded in this task.
        """
        asked = prompt.event_id if prompt else self._last_prompt()
        causes = list(core.pop("caused_by", None) or ())
        if asked and asked not in causes:
            causes.append(asked)  # the last prompt named is the one that it answers
        core["caused_by"] = causes or None
        recorded, written = self._draft("model_output", {"output": output, "prompt": asked}, core)
        calls = self._requested(written, recorded.event_id)
        return Output(recorded.event_id, recorded.seq, calls)

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
        body = {
            "result": result,
            "tool_name": name,
            "tool_server": server,
            "outcome": outcome,
            "trust": trust,
            "error_type": error_type,
            "error_message": error_message,
        }
        told = {key: value for key, value in body.items() if value is not None or key == "result"}
        return self.record("tool_result", told, call_id=call_id, **core)

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
        return self.record("decision", told, call_id=call_id, **core)

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
        return self.record("content", told, **core)

    def lifecycle(self, change: str, attributes: Any = None, **core: Any) -> Recorded:
        """Record a change of model, prompt, tools, permissions or anything else of the agent."""
        body = {"change": change, **({} if attributes is None else {"attributes": attributes})}
        return self.record("lifecycle", body, **core)

    def _note_prompt(self, recorded: Recorded) -> None:
        """Remember the prompt that the next output answers."""

    def _last_prompt(self) -> str | None:
        """Return the prompt that an output answers, where none is named."""
        return None

    def _note_call(self, call: RequestedCall) -> None:
        """Remember a call that was asked for."""

    def _requested(self, written: bytes, output_id: str) -> tuple[RequestedCall, ...]:
        """Record the calls that an output asks for; most ask for none, and cost nothing here."""
        if not any(sign in written for sign in _ASKS_FOR_TOOLS):
            return ()
        try:
            answer = read_answer(jiter.from_json(written)["b"]["output"])
            return tuple(self._request(part, output_id) for part in answer.calls)
        except Exception:  # noqa: BLE001 - never the agent's trouble; the output itself is recorded
            return ()

    def _request(self, part: Mapping[str, Any], output_id: str) -> RequestedCall:
        body = {"tool_name": part["name"], "sighting": "requested"}
        if "arguments" in part:
            body["arguments"] = part["arguments"]
        recorded = self.record("tool_call", body, call_id=part.get("id"), caused_by=[output_id])
        call = RequestedCall(part.get("id"), part["name"], part.get("arguments"), recorded.event_id)
        self._note_call(call)
        return call
