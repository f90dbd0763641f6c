"""What a model gave back: each library's form is known, nothing is lost, nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from locard.ingest.answers import read_answer, usage_counts
from locard.ingest.chat import chat_messages
from locard.schema import MAX_DEPTH
from making import event
from strategies import json_values
from test_chat import assert_nothing_lost, call, hostile, text

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-x-2026",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": {"content": [{"token": "hm", "logprob": -1.5, "top_logprobs": []}]},
            "message": {
                "role": "assistant",
                "content": "I look",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1}'},
                    }
                ],
            },
        },
        {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "no"}},
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1.0,
    "model": "gpt-x",
    "status": "completed",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "secret",
        },
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "I look",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url": "http://u",
                            "title": "t",
                            "start_index": 0,
                            "end_index": 1,
                        }
                    ],
                },
                {"type": "refusal", "refusal": "not that"},
            ],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "f",
            "arguments": '{"a": 1}',
            "status": "completed",
        },
    ],
    "usage": {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 2},
    },
}
ANTHROPIC: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    ],
    "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4},
}
GEMINI: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}}],
            },
            "finishReason": "STOP",
            "index": 0,
            "safetyRatings": [{"category": "X", "probability": "LOW"}],
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "cachedContentTokenCount": 4,
        "thoughtsTokenCount": 2,
    },
    "modelVersion": "gemini-x",
    "responseId": "g1",
}
COUNTS = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_read_input_tokens": 4,
    "reasoning_output_tokens": 2,
}


def assert_whole(value: Any) -> None:
    """The answer makes a valid output, in which all of the value is."""
    answer = read_answer(value)
    core = {"extensions": {"response": answer.rest}, **answer.core}
    made = event("model_output", {"messages": answer.messages}, **core)

    assert_nothing_lost(value, made.model_dump(mode="json"))


def test_a_chat_completion_of_the_library_is_read_whole():
    """OpenAI's own object gives a message for each choice, its usage, and loses nothing."""
    dumped = ChatCompletion.model_validate(COMPLETION).model_dump(mode="json")

    answer = read_answer(dumped)

    assert answer.messages == [
        {
            "role": "assistant",
            "parts": [text("I look", "unknown"), call(arguments={"a": 1})],
            "finish_reason": "tool_calls",
        },
        {"role": "assistant", "parts": [text("no", "unknown")], "finish_reason": "stop"},
    ]
    assert answer.calls == [call(arguments={"a": 1})]
    assert answer.core == {
        "response_id": "chatcmpl-1",
        "response_model": "gpt-x-2026",
        "finish_reasons": ["tool_calls", "stop"],
        **COUNTS,
    }
    assert answer.rest["choices"]["0"]["logprobs"]["content"][0]["token"] == "hm"
    assert_whole(dumped)


def test_a_response_of_the_library_is_read_whole():
    """OpenAI's Responses object gives one message of all its items, and loses nothing."""
    dumped = Response.model_validate(RESPONSE).model_dump(mode="json")

    answer = read_answer(dumped)

    (message,) = answer.messages
    assert [part["type"] for part in message["parts"]] == [
        "reasoning",
        "server_tool_call",
        "text",
        "refusal",
        "tool_call",
    ]
    assert answer.calls == [call(arguments={"a": 1})]
    assert answer.core == {
        "response_id": "resp_1",
        "response_model": "gpt-x",
        "finish_reasons": ["completed"],
        **COUNTS,
    }
    assert_whole(dumped)


def test_what_a_response_gave_is_the_same_message_in_the_next_prompt():
    """Items that an agent sends back as input are one message again, equal to the answer."""
    dumped = Response.model_validate(RESPONSE).model_dump(mode="json")
    question = {"role": "user", "content": "q"}
    shown = {"type": "function_call_output", "call_id": "c1", "output": "5"}

    prompt = chat_messages([question, *dumped["output"], shown])

    assert prompt[1:-1] == read_answer(dumped).messages
    assert [message["role"] for message in prompt] == ["user", "assistant", "tool"]


def test_a_message_of_anthropics_form_is_read_whole():
    """Anthropic's object gives its message, its reason to stop and its usage."""
    answer = read_answer(ANTHROPIC)

    (message,) = answer.messages
    assert message["finish_reason"] == "tool_use"
    assert [part["type"] for part in message["parts"]] == ["reasoning", "tool_call"]
    assert answer.core == {
        "response_id": "msg_1",
        "response_model": "claude-x",
        "finish_reasons": ["tool_use"],
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 4,
    }
    assert_whole(ANTHROPIC)


def test_candidates_of_geminis_form_are_read_whole():
    """Gemini's object gives a message for each candidate, and its usage."""
    answer = read_answer(GEMINI)

    (message,) = answer.messages
    assert message["parts"] == [call(arguments={"a": 1})]
    assert message["finish_reason"] == "STOP"
    assert answer.core == {
        "response_id": "g1",
        "response_model": "gemini-x",
        "finish_reasons": ["STOP"],
        **COUNTS,
    }
    assert_whole(GEMINI)


@pytest.mark.parametrize(
    ("value", "contents"),
    [("yes", ["yes"]), (None, []), ({"role": "assistant", "content": "yes"}, ["yes"])],
)
def test_a_text_or_a_message_is_an_answer(value, contents):
    """What is no object of a library is read as a message of the assistant."""
    answer = read_answer(value)

    assert [part["content"] for m in answer.messages for part in m["parts"]] == contents
    assert not answer.core
    assert not answer.rest


answers = st.one_of(
    st.fixed_dictionaries({"choices": st.lists(hostile, max_size=3)}),
    st.fixed_dictionaries(
        {
            "choices": st.lists(
                st.dictionaries(
                    st.sampled_from(["message", "text", "finish_reason", "index", "delta"]), hostile
                ),
                max_size=3,
            )
        }
    ),
    st.fixed_dictionaries({"candidates": st.lists(hostile, max_size=3)}),
    st.fixed_dictionaries({"output": st.lists(hostile, max_size=3), "object": st.just("response")}),
    st.fixed_dictionaries({"type": st.just("message"), "content": st.lists(hostile, max_size=3)}),
    hostile,
)
beside = st.dictionaries(
    st.sampled_from(
        [
            "id",
            "model",
            "usage",
            "status",
            "role",
            "stop_reason",
            "usageMetadata",
            "responseId",
            "system_fingerprint",
        ]
    ),
    hostile | st.text(max_size=5),
    max_size=4,
)


@given(answers, beside)
@settings(max_examples=200)
def test_whatever_a_model_gave_is_kept_in_a_valid_output(value, more):
    """Any JSON value, of a known form or nearly, becomes a valid output, and nothing is lost."""
    assert_whole({**more, **value} if isinstance(value, dict) else value)


@given(st.dictionaries(st.sampled_from(["prompt_tokens", "input_tokens", "x"]), json_values))
def test_only_counts_are_counts(usage):
    """A usage report may hold anything; what is no count is none."""
    for count in usage_counts(usage).values():
        assert type(count) is int
        assert 0 <= count < 2**53


@pytest.mark.parametrize("name", ["choices", "output", "content", "usage", "novel"])
def test_an_answer_that_is_nested_too_deep_is_kept(name):
    """An answer deeper than any event can be still makes one."""
    value: Any = "core"
    for _ in range(MAX_DEPTH * 2):
        value = [value]

    assert_whole({"object": "response", "type": "message", "choices": [], name: value})


def test_an_answer_has_no_text_in_its_repr():
    """A `repr` ends in logs: it holds nothing that a model said."""
    assert "I look" not in repr(read_answer(COMPLETION))
