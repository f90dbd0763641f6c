"""Calls of a model, told by spans: prompts, outputs, requested calls, and what was not captured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from locard.ingest.otlp import Translator
from locard.schema import event_object
from otlp_requests import calls, chat, of_kind, only, said, span, tells, texts, translated

PARTS: list[dict[str, Any]] = [
    {"type": "text", "content": "hello"},
    {"type": "reasoning", "content": "let me think"},
    {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
    {"type": "tool_call", "name": "f", "arguments": None},
    {"type": "server_tool_call", "id": "s1", "name": "search", "server_tool_call": {"type": "x"}},
    {"type": "server_tool_call_response", "id": "s1", "server_tool_call_response": {"type": "x"}},
    {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "aGVsbG8="},
    {"type": "file", "mime_type": "image/png", "modality": "image", "file_id": "file-1"},
    {"type": "uri", "mime_type": "image/png", "modality": "image", "uri": "https://a.example/b"},
    {"type": "something_new", "novelty": [1, 2]},
]


def test_a_call_of_a_model_becomes_a_prompt_and_an_output() -> None:
    """The prompt stands when the span began, the output when it ended, with all that it says."""
    translation = translated(
        span(
            chat(
                [said("user", "Weather in Paris?")],
                [said("assistant", "Rain.", finish_reason="stop")],
                gen_ai__conversation__id="conv-1",
                gen_ai__response__model="gpt-4o-2024",
                gen_ai__response__id="chatcmpl-1",
                gen_ai__response__finish_reasons=["stop"],
                gen_ai__usage__input_tokens=97,
                gen_ai__usage__output_tokens=52,
                gen_ai__usage__cache_read__input_tokens=3,
                gen_ai__usage__cache_creation__input_tokens=4,
                gen_ai__usage__reasoning__output_tokens=5,
                gen_ai__request__temperature=0.5,
                gen_ai__request__max_tokens=200,
                gen_ai__system_instructions='[{"type": "text", "content": "Be short."}]',
                gen_ai__tool__definitions='[{"type": "function", "name": "get_weather"}]',
                server__address="api.example.com",
                user__id="u-1",
            ),
            parent=9,
        )
    )
    prompt, output = translation.events
    assert (prompt.kind, output.kind) == ("prompt", "model_output")
    assert texts(prompt) == [("system", "Be short."), ("user", "Weather in Paris?")]
    assert prompt.body.messages[0].parts[0].trust == "system"
    assert prompt.body.messages[1].parts[0].trust == "user"
    assert prompt.body.tool_definitions == [{"type": "function", "name": "get_weather"}]
    assert prompt.parameters == {"temperature": 0.5, "max_tokens": 200}
    assert texts(output) == [("assistant", "Rain.")]
    assert output.body.messages[0].finish_reason == "stop"
    assert output.caused_by == (prompt.event_id,)
    assert (output.occurred_at - prompt.occurred_at).total_seconds() == 1
    for event in (prompt, output):
        assert (event.provider, event.request_model) == ("openai", "gpt-4o")
        assert (event.session_id, event.on_behalf_of) == ("conv-1", "u-1")
        assert (event.lane, event.agent_name) == ("otlp_trace", "payer")
        assert (event.trace_id, event.span_id) == (
            "5b8efff798038103d269b633813fc60c",
            "0000000000000001",
        )
        assert event.parent_span_id == "0000000000000009"
        assert not event.absent
    assert (output.response_model, output.response_id) == ("gpt-4o-2024", "chatcmpl-1")
    assert (output.input_tokens, output.output_tokens) == (97, 52)
    assert (output.cache_read_input_tokens, output.cache_creation_input_tokens) == (3, 4)
    assert output.reasoning_output_tokens == 5
    assert output.finish_reasons == ("stop",)
    assert prompt.input_tokens is None
    assert prompt.extensions["attributes"]["server.address"] == "api.example.com"
    assert prompt.extensions["resource"] == {"service.name": "payer"}
    assert prompt.extensions["scope"] == {"name": "tests"}
    assert not output.extensions


@pytest.mark.parametrize("operation", ["chat", "generate_content", "text_completion"])
def test_each_inference_operation_is_read_alike(operation: str) -> None:
    """All operations that call a model give a prompt and an output."""
    translation = translated(span(chat([said("user", "x")], gen_ai__operation__name=operation)))
    assert [event.kind for event in translation.events] == ["prompt", "model_output"]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["type"])
@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_every_part_of_the_message_schema_is_kept(part: dict[str, Any], form: str) -> None:
    """Each type of part comes back with all its fields, in a prompt and in an output."""
    message = {"role": "assistant", "parts": [part]}
    translation = translated(span(chat([message], [message])), form=form)
    for event in of_kind(translation, "prompt", "model_output"):
        (told,) = event_object(event)["body"]["messages"]
        (kept,) = told["parts"]
        given = {name: value for name, value in part.items() if value is not None}
        assert {name: kept.get(name) for name in given} == given


def test_a_result_is_told_under_either_name() -> None:
    """`tool_call_response` has `response` in the schema and `result` in the registry's example."""
    for name in ("response", "result"):
        message = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", name: "ok"}]}
        translation = translated(span(chat([said("user", "x"), message])))
        assert only(translation, "tool_result").body.result == "ok"


def test_messages_may_be_structured_or_json_text() -> None:
    """The same messages give the same event, as JSON text and as a structured value."""
    messages = [said("user", "x"), calls("c1", "f", {"a": 1, "b": [True, None, 1.5]})]
    as_text = translated(span(chat(messages)))
    structured = translated(span(chat(gen_ai__input__messages=messages)))
    assert as_text.events[0].body == structured.events[0].body
    assert "schema_nonconformant" not in structured.events[0].extensions


def test_each_requested_call_is_an_event_of_its_own() -> None:
    """A call that a model asks for is kept even if nothing ever ran it."""
    parts = [
        {"type": "text", "content": "I look it up."},
        {"type": "tool_call", "id": "c1", "name": "read_mail", "arguments": '{"folder": "inbox"}'},
        {"type": "tool_call", "id": "c2", "name": "pay", "arguments": {"amount": 5}},
        {"type": "tool_call", "id": "c3", "name": "wait", "arguments": "no json"},
        {"type": "tool_call", "name": "stop"},
    ]
    translation = translated(span(chat([], [{"role": "assistant", "parts": parts}])))
    output = only(translation, "model_output")
    requested = of_kind(translation, "tool_call")
    assert [call.call_id for call in requested] == ["c1", "c2", "c3", None]
    assert [call.body.tool_name for call in requested] == ["read_mail", "pay", "wait", "stop"]
    assert [call.body.arguments for call in requested] == [
        {"folder": "inbox"},
        {"amount": 5},
        "no json",
        None,
    ]
    assert {call.body.sighting for call in requested} == {"requested"}
    assert all(call.caused_by == (output.event_id,) for call in requested)
    assert requested[3].absent == {"arguments": "not_captured"}
    assert len({event.event_id for event in translation.events}) == len(translation.events)


def test_what_a_provider_ran_itself_is_told_with_its_result() -> None:
    """A tool that ran at the provider is a sighting from the server, and its result external."""
    translation = translated(span(chat([], [{"role": "assistant", "parts": PARTS[4:6]}])))
    call, result = only(translation, "tool_call"), only(translation, "tool_result")
    assert (call.body.tool_name, call.body.sighting, call.call_id) == ("search", "server", "s1")
    assert (result.body.trust, result.call_id) == ("external", "s1")


@pytest.mark.parametrize("told_in", ["attribute", "message"])
def test_a_filtered_answer_is_a_decision(told_in: str) -> None:
    """The finish reason `content_filter` says that a guardrail refused."""
    reason = "content_filter"
    answer = said("assistant", "", finish_reason=reason if told_in == "message" else "stop")
    more = {"gen_ai.response.finish_reasons": [reason]} if told_in == "attribute" else {}
    translation = translated(span(chat([said("user", "x")], [answer]) | more))
    decision = only(translation, "decision")
    assert (decision.body.decided_by, decision.body.verdict) == ("guardrail", "deny")
    assert decision.body.rule == "content_filter"
    assert decision.caused_by == (only(translation, "model_output").event_id,)


def test_content_that_is_not_captured_differs_from_empty_content() -> None:
    """Capturing is a choice of the source: without it, it is not known what was said."""
    hidden = translated(span(chat()))
    assert [event.absent for event in hidden.events] == [{"messages": "not_captured"}] * 2
    empty = translated(span(chat([], [])))
    assert [event.absent for event in empty.events] == [{}, {}]
    assert [event.body.messages for event in empty.events] == [(), ()]


def test_a_failed_call_keeps_its_error_and_claims_no_answer() -> None:
    """With the prompt captured, an error without answer means that there was none."""
    translation = translated(
        span(chat([said("user", "x")], error__type="RateLimitError"), failed="slow down")
    )
    output = only(translation, "model_output")
    assert output.extensions["error"] == {"type": "RateLimitError", "message": "slow down"}
    assert not output.absent
    assert only(translation, "prompt").extensions["source"]["status"] == "error"


@pytest.mark.parametrize(
    ("given", "expected"), [("97", 97), (97.0, 97), ("many", None), (-1, None), (True, None)]
)
def test_odd_token_counts_are_read_and_flagged(given: Any, expected: int | None) -> None:
    """A count as text or as a float counts; anything else is kept as it came. Both are flagged."""
    translation = translated(span(chat(gen_ai__usage__input_tokens=given)))
    extensions = translation.events[0].extensions
    assert only(translation, "model_output").input_tokens == expected
    assert extensions["schema_nonconformant"] == ["gen_ai.usage.input_tokens"]
    assert extensions["attributes"]["gen_ai.usage.input_tokens"] == given


@pytest.mark.parametrize("given", ["stop", '["stop"]'])
def test_odd_finish_reasons_are_read_and_flagged(given: str) -> None:
    """Reasons as text are no list of texts, but say the same."""
    translation = translated(span(chat(gen_ai__response__finish_reasons=given)))
    assert only(translation, "model_output").finish_reasons == ("stop",)
    extensions = translation.events[0].extensions
    assert extensions["schema_nonconformant"] == ["gen_ai.response.finish_reasons"]
    assert extensions["attributes"]["gen_ai.response.finish_reasons"] == given


def test_messages_in_a_providers_form_are_read_and_flagged() -> None:
    """Messages of OpenAI's form in an attribute of OpenTelemetry's are no reason to lose them."""
    openai = [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
    ]
    translation = translated(span(chat(gen_ai__input__messages=json.dumps(openai))))
    prompt = only(translation, "prompt")
    assert texts(prompt) == [("user", "hello"), ("assistant", "")]
    assert prompt.body.messages[1].parts[0].id == "c1"
    assert prompt.extensions["schema_nonconformant"] == ["gen_ai.input.messages"]


def test_messages_that_are_no_json_are_kept_as_text() -> None:
    """Text that was cut off on its way is still what the prompt said."""
    cut = '[{"role": "user", "parts": [{"type": "te'
    translation = translated(span(chat(gen_ai__input__messages=cut)))
    prompt = only(translation, "prompt")
    assert texts(prompt) == [("user", cut)]
    assert prompt.extensions["schema_nonconformant"] == ["gen_ai.input.messages"]


def test_a_result_that_a_prompt_shows_becomes_an_event_once() -> None:
    """A result of which no span tells is known from the prompt, which refers to it."""
    translator = Translator()
    first = [said("user", "x"), calls("c1", "f", {}), tells("c1", '{"n": 1}')]
    one = translated(span(chat(first, session__id="s")), translator=translator)
    result = only(one, "tool_result")
    assert (result.call_id, result.body.outcome, result.body.trust) == ("c1", "unknown", "tool")
    assert result.body.result == '{"n": 1}'
    prompt = only(one, "prompt")
    assert prompt.body.messages[2].same_as.event == result.event_id
    assert not prompt.body.messages[2].parts
    two = translated(
        span(chat([*first, said("assistant", "1"), said("user", "y")], session__id="s"), number=2),
        translator=translator,
    )
    assert not of_kind(two, "tool_result")


def test_a_result_that_a_span_told_is_only_referred_to() -> None:
    """The span of a tool and the prompt that shows its result tell of one result."""
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "f",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.result": '{"n": 1}',
    }
    shown = [said("user", "x"), calls("c1", "f", {}), tells("c1", {"n": 1})]
    translation = translated(span(chat(shown), number=2), span(tool, number=1))
    result = only(translation, "tool_result")
    assert only(translation, "prompt").body.messages[2].same_as.event == result.event_id


def test_several_results_in_one_message_are_each_told() -> None:
    """Results that stand together in one message, of whatever role, are told one by one."""
    parts = [tells("c1", "a")["parts"][0], tells("c2", "b")["parts"][0]]
    message = {"role": "user", "parts": [*parts, {"type": "text", "content": "go on"}]}
    translation = translated(span(chat([message])))
    assert [event.call_id for event in of_kind(translation, "tool_result")] == ["c1", "c2"]
    assert [role for role, _ in texts(only(translation, "prompt"))] == ["tool", "tool", "user"]


def test_what_stands_beside_several_results_is_kept() -> None:
    """As a message of its own, where nothing else is left of it."""
    parts = [tells("c1", "a")["parts"][0], tells("c2", "b")["parts"][0]]
    translation = translated(span(chat([{"role": "tool", "parts": parts, "weight": 3}])))
    first, second, rest = event_object(only(translation, "prompt"))["body"]["messages"]
    assert "same_as" in first
    assert "same_as" in second
    assert rest["extensions"] == {"weight": 3}


def test_a_message_with_a_field_nobody_knows_keeps_it() -> None:
    """What the schema of messages does not have is kept with the message."""
    translation = translated(span(chat([said("user", "x", weight=3, name="ann")])))
    (message,) = event_object(translation.events[0])["body"]["messages"]
    assert (message["name"], message["extensions"]) == ("ann", {"weight": 3})
