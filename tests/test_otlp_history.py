"""History once, sessions, and sending again: what the translator remembers between requests."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from locard.ingest.otlp import Translator, decode_traces
from locard.schema import Event, event_json, event_object
from otlp_requests import (
    OBSERVED,
    TRACE,
    body,
    calls,
    chat,
    log,
    of_kind,
    only,
    said,
    span,
    tells,
    texts,
    traces,
    translated,
)

TURNS = 200


def conversation(turns: int) -> list[dict[str, Any]]:
    """Return the spans of a conversation in which each prompt repeats all that came before."""
    found: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for turn in range(turns):
        call_id = f"call-{turn}"
        history = [*history, said("user", f"question {turn}: " + "why " * 100)]
        asked = calls(call_id, "look_up", {"turn": turn, "where": "everywhere"})
        found.append(chat(history, [asked], session__id="long"))
        history = [*history, {k: v for k, v in asked.items() if k != "finish_reason"}]
        result = {"found": f"thing {turn}", "pad": "x" * 300}
        found.append(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "look_up",
                "gen_ai.tool.call.id": call_id,
                "gen_ai.tool.call.result": json.dumps(result),
                "session.id": "long",
            }
        )
        history = [*history, tells(call_id, json.dumps(result))]
        answer = said("assistant", f"answer {turn}: " + "so " * 100)
        found.append(chat(history, [answer], session__id="long"))
        history = [*history, answer]
    return found


class Together:
    """Puts the messages of prompts together again from what the events hold."""

    def __init__(self, events: list[Event]) -> None:
        self._events = {event.event_id: event_object(event) for event in events}

    def prompt(self, event_id: UUID) -> list[dict[str, Any]]:
        """Return all messages of a prompt."""
        return self._through(str(event_id))

    def _through(self, event_id: str) -> list[dict[str, Any]]:
        event = self._events[UUID(event_id)]
        told = event["body"]
        if event["kind"] == "model_output":
            before = self._through(event["caused_by"][-1])
            return [*before, self._message(told["messages"][0])]
        history = told.get("history")
        before = self._through(history["through"])[: history["messages"]] if history else []
        return [*before, *(self._message(message) for message in told.get("messages", ()))]

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        reference = message.get("same_as")
        if reference is None:
            return message
        event = self._events[UUID(reference["event"])]
        if event["kind"] == "tool_result":
            return tells(event["call_id"], event["body"]["result"])
        found: dict[str, Any] = event["body"]["messages"][reference["message"]]
        return found


def test_the_bytes_of_a_turn_stay_flat_and_every_prompt_can_be_put_together() -> None:
    """Two hundred turns store each message once, though each prompt repeats them all."""
    translator = Translator()
    spans = conversation(TURNS)
    events: list[Event] = []
    sizes = []
    prompts: list[tuple[UUID, list[dict[str, Any]]]] = []
    for turn in range(TURNS):
        made = [
            span(attributes, number=3 * turn + place + 1)
            for place, attributes in enumerate(spans[3 * turn : 3 * turn + 3])
        ]
        translation = translated(*made, translator=translator)
        sizes.append(sum(len(event_json(event)) for event in translation.events))
        events += translation.events
        given = [json.loads(spans[3 * turn + place]["gen_ai.input.messages"]) for place in (0, 2)]
        prompts += zip(
            [event.event_id for event in of_kind(translation, "prompt")], given, strict=True
        )
    assert max(sizes[1:]) < 1.2 * min(sizes[1:])
    together = Together(events)
    for event_id, given in [prompts[0], prompts[1], prompts[199], *prompts[-2:]]:
        assert _plain(together.prompt(event_id)) == _plain(given)


def test_the_bytes_of_a_turn_stay_flat_for_openinference() -> None:
    """Its spans hold the conversation twice: message by message, and as the whole request."""
    translator = Translator()
    history: list[dict[str, str]] = []
    sizes = []
    for turn in range(40):
        history = [*history, {"role": "user", "content": f"question {turn} " + "why " * 50}]
        answer = {"role": "assistant", "content": f"answer {turn} " + "so " * 50}
        attributes: dict[str, Any] = {
            "openinference.span.kind": "LLM",
            "session.id": "s",
            "input.value": json.dumps({"messages": history, "model": "m"}),
            "output.value": json.dumps({"choices": [{"message": answer}], "id": f"r{turn}"}),
        }
        for side, messages in (("input", history), ("output", [answer])):
            for index, message in enumerate(messages):
                for name, text in message.items():
                    attributes[f"llm.{side}_messages.{index}.message.{name}"] = text
        translation = translated(span(attributes, number=turn + 1), translator=translator)
        assert only(translation, "model_output").response_id == f"r{turn}"
        sizes.append(sum(len(event_json(event)) for event in translation.events))
        history = [*history, answer]
    assert max(sizes[1:]) < 1.1 * min(sizes[1:])


def _plain(messages: list[dict[str, Any]]) -> list[Any]:
    """Return messages without what telling adds, JSON text as the value that it holds."""
    return [
        (
            message["role"],
            [
                {
                    name: _value(value)
                    for name, value in part.items()
                    if name not in ("trust", "extensions")
                }
                for part in message["parts"]
            ],
        )
        for message in messages
    ]


def _value(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value


@pytest.mark.parametrize("commits", [True, False])
def test_sending_again_gives_the_same_events(commits: bool) -> None:
    """Byte for byte but for when they were seen, before and after others could refer to them."""
    translator = Translator()
    request = traces(*(span(told, number=n + 1) for n, told in enumerate(conversation(4))))
    spans = decode_traces(body(request), "protobuf").records
    first = translator.spans(spans, observed_at=OBSERVED)
    if commits:
        first.commit()
    later = OBSERVED + timedelta(hours=1)
    again = translator.spans(spans, observed_at=later)
    assert [_without_time(event) for event in first.events] == [
        _without_time(event) for event in again.events
    ]
    assert {event.observed_at for event in again.events} == {later}


def _without_time(event: Event) -> bytes:
    return event_json(event.model_copy(update={"observed_at": event.occurred_at}))


def test_what_was_not_committed_is_not_referred_to() -> None:
    """The log may have refused it; only its own request knows it."""
    translator = Translator()
    spans = [span(told, number=n + 1) for n, told in enumerate(conversation(1))]
    decoded = decode_traces(body(traces(*spans)), "protobuf").records
    translator.spans(decoded[:1], observed_at=OBSERVED)
    second = translator.spans(decoded[2:], observed_at=OBSERVED)
    (prompt,) = [event for event in second.events if event.kind == "prompt"]
    assert prompt.body.history is None
    assert len(prompt.body.messages) == 3


def test_a_trace_without_a_session_is_one() -> None:
    """It is named by the trace."""
    events = translated(span(chat([said("user", "x")]))).events
    assert {event.session_id for event in events} == {f"trace:{TRACE}"}


def test_spans_inherit_the_session_of_their_trace() -> None:
    """From another span of the request, from what was sent before, and for logs as well."""
    translator = Translator()
    first = translated(
        span({}, number=1), span(chat(session__id="s-1"), number=2), translator=translator
    )
    assert {event.session_id for event in first.events} == {"s-1"}
    later = translated(span({}, number=3), translator=translator)
    assert later.events[0].session_id == "s-1"
    told = translated(log({}, trace=TRACE, span_number=3), translator=translator)
    assert told.events[0].session_id == "s-1"
    other = translated(span({}, number=4, trace="f" * 32), translator=translator)
    assert other.events[0].session_id == f"trace:{'f' * 32}"


NAMING = {
    "a span": span({"session.id": "s-1"}, number=1),
    "a log record": log({"session.id": "s-1"}, trace=TRACE, span_number=1),
}


@pytest.mark.parametrize("naming", NAMING.values(), ids=NAMING.keys())
def test_what_names_its_session_names_it_for_its_trace(naming: Any) -> None:
    """Records of later requests follow it, also where no other came with the one that names it."""
    translator = Translator()
    translated(naming, translator=translator)

    assert translated(span({}, number=2), translator=translator).events[0].session_id == "s-1"
    told = translated(log({}, trace=TRACE, span_number=2), translator=translator)
    assert told.events[0].session_id == "s-1"


def test_nobody_chooses_the_session_of_anothers_trace() -> None:
    """A trace is known to many; its session is what its own sender says."""
    translator = Translator()
    translated(span({"session.id": "theirs"}, number=9), translator=translator, sender="other")
    own = translated(span({}, number=1), translator=translator, sender="payer")

    assert own.events[0].session_id == f"trace:{TRACE}"


def test_no_prompt_refers_to_what_somebody_else_sent() -> None:
    """Two senders of one workflow share a session, and each one's prompts stand alone."""
    translator = Translator()
    said_before = [said("user", "pay invoice 42 " + "please " * 100)]
    sent = {"translator": translator, "workflow_id": "payments"}
    translated(span(chat(said_before, session__id="s"), number=1), **sent, sender="other")
    translated(span(chat(said_before, session__id="s"), number=2), **sent, sender="payer")
    third = translated(span(chat(said_before, session__id="s"), number=3), **sent, sender="payer")
    second = translated(span(chat(said_before, session__id="s"), number=2), **sent, sender="new")

    assert only(second, "prompt").body.history is None
    assert only(third, "prompt").body.history is not None


def test_the_first_session_of_a_trace_stays() -> None:
    """Else sending again would put events into another session."""
    translator = Translator()
    first = translated(span({}, number=1), translator=translator)
    second = translated(
        span({}, number=2), span(chat(session__id="s-1"), number=3), translator=translator
    )
    assert {event.session_id for event in second.events} == {first.events[0].session_id, "s-1"}
    assert translated(span({}, number=1), translator=translator).events == first.events


def test_workflows_share_neither_ids_nor_conversations() -> None:
    """Two senders may use one id of a trace, a session and a span."""
    translator = Translator()
    attributes = chat([said("user", "x" * 500)], session__id="s")
    one = translated(span(attributes), translator=translator, workflow_id="one")
    two = translated(span(attributes), translator=translator, workflow_id="two")
    assert {event.workflow_id for event in two.events} == {"two"}
    assert not {e.event_id for e in one.events} & {e.event_id for e in two.events}
    assert only(two, "prompt").body.history is None
    assert texts(only(two, "prompt")) == [("user", "x" * 500)]


def test_events_come_in_the_order_in_which_spans_began() -> None:
    """Whatever order they were exported in."""
    translation = translated(span({}, number=3), span({}, number=1), span({}, number=2))
    assert [event.span_id[-1] for event in translation.events] == ["1", "2", "3"]
