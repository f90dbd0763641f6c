"""Messages of any source's form: each form is known, nothing is lost, nothing raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.ingest.chat import chat_messages, is_standard, parts_of, trust_of_role
from locard.schema import MAX_DEPTH, JsonError, event_object, parse_json
from making import event
from strategies import json_values, texts
from strategies import messages as schema_messages

NAMES = [
    "type", "role", "content", "parts", "text", "name", "id", "trust", "value", "extensions",
    "tool_calls", "function_call", "function", "custom", "arguments", "input", "tool_call_id",
    "tool_use_id", "call_id", "output", "summary", "source", "data", "url", "media_type",
    "functionCall", "functionResponse", "function_response", "args", "response", "result",
    "thinking", "inlineData", "mimeType", "fileData", "fileUri", "reasoning_content",
    "refusal", "image_url", "file", "file_id", "source_role", "claimed_trust", "finish_reason",
    "uri",
]  # fmt: skip
TYPES = [
    "text", "reasoning", "tool_call", "tool_call_response", "blob", "file", "uri", "message",
    "tool_use", "tool_result", "thinking", "image", "document", "server_tool_use", "refusal",
    "web_search_tool_result", "function_call", "function_call_output", "custom_tool_call",
    "web_search_call", "local_shell_call", "local_shell_call_output", "input_text", "function",
    "base64", "url", "image_url", "input_image", "input_audio", "item_reference", "custom",
]  # fmt: skip
ROLES = ["system", "developer", "user", "assistant", "tool", "function", "model"]
leaves = texts | st.sampled_from([*TYPES, *ROLES, '{"a": "b"}', "[1]", "{"])
hostile: st.SearchStrategy[Any] = st.recursive(
    json_values | leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=5)
        | st.builds(
            lambda kind, rest: {**rest, "type": kind},
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        )
        | st.builds(
            lambda role, rest: {**rest, "role": role},
            st.sampled_from(ROLES),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        )
    ),
    max_leaves=25,
)


def leaf_texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, those in JSON text one by one."""
    if isinstance(value, str):
        try:
            inner = parse_json(value.encode())
        except JsonError:
            yield value
        else:
            yield from [value] if isinstance(inner, str) else leaf_texts(inner)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaf_texts(item)


def assert_nothing_lost(value: Any, found: Any) -> None:
    """Every text of the value is somewhere in what was made of it; names of forms may not be."""
    there = list(leaf_texts(found))
    known = set(there)
    for text in leaf_texts(value):
        if text not in known and text not in TYPES and text not in ("output_text", "summary_text"):
            assert any(text in other for other in there), text


def prompt_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of a prompt that holds these messages, which is valid."""
    return event_object(event("prompt", {"messages": messages}))["body"]


def text(content: str, trust: str = "user") -> dict[str, Any]:
    return {"type": "text", "trust": trust, "content": content}


def answer(response: Any, call_id: str | None = "c1") -> dict[str, Any]:
    named = {} if call_id is None else {"id": call_id}
    return {"type": "tool_call_response", "trust": "tool", "response": response, **named}


def call(name: str = "f", arguments: Any = None, call_id: str | None = "c1") -> dict[str, Any]:
    named = {} if call_id is None else {"id": call_id}
    given = {} if arguments is None else {"arguments": arguments}
    return {"type": "tool_call", "trust": "unknown", "name": name, **named, **given}


@given(hostile, st.sampled_from(["user", "system", "assistant", "tool"]))
@settings(max_examples=250)
def test_whatever_is_handed_over_is_kept_in_messages_that_make_an_event(value, role):
    """Any JSON value becomes messages of a valid prompt and of a valid output, without a loss."""
    messages = chat_messages(value, role)

    assert_nothing_lost(value, prompt_of(messages))
    event("model_output", {"messages": messages})


@given(hostile, st.sampled_from(["user", "system"]))
@settings(max_examples=200)
def test_whatever_is_handed_over_as_parts_is_kept(value, trust):
    """Any JSON value becomes parts of a valid message, trusted as they are said to be."""
    parts = parts_of(value, trust)

    assert_nothing_lost(value, prompt_of([{"role": "user", "parts": parts}]))
    assert {part["trust"] for part in parts} <= {trust, "tool"}


@given(
    st.recursive(
        st.none() | st.floats() | st.binary() | st.text(st.characters()) | st.builds(object),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.integers(), inner),
    )
    | hostile
)
@settings(max_examples=200)
def test_nothing_raises_whatever_its_type(value):
    """Values that are no JSON do not raise either; the event is refused later."""
    assert isinstance(chat_messages(value), list)
    assert isinstance(chat_messages([{"role": value, "type": value, "content": [value]}]), list)
    assert isinstance(parts_of(value, "user"), list)
    assert is_standard(value) in (True, False)


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH, 20_000])
@pytest.mark.parametrize("name", ["content", "parts", "tool_calls", "input", "novel"])
def test_what_is_nested_too_deep_is_kept_as_text(name, levels):
    """A value that no event could hold becomes JSON text, to the last bracket."""
    value: Any = "core"
    for _ in range(levels):
        value = [value]

    for given_value in (
        {"role": "user", name: value},
        {"role": "user", "content": [{name: value}]},
    ):
        told = json.dumps(prompt_of(chat_messages(given_value)))
        assert "core" in told
        assert told.count("[") >= levels


@given(schema_messages)
def test_messages_in_the_form_of_the_schema_stay_as_they_are(messages):
    """What is of OpenTelemetry's form already changes only in how far it is trusted."""
    found = chat_messages(messages)

    assert_nothing_lost(messages, found)
    kept = [without_trust(message) for message in found]
    for message in messages:
        kinds = {part["type"] for part in message.get("parts", [])}
        if kinds and "tool_call_response" not in kinds:
            assert without_trust(message) in kept


def without_trust(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the schema without what it says of trust."""
    fields = ("trust", "claimed_trust")
    parts = [{k: v for k, v in part.items() if k not in fields} for part in message["parts"]]
    return {**message, "parts": parts}


FORMS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "text": ("hello", [{"role": "user", "parts": [text("hello")]}]),
    "nothing": (None, []),
    "texts": (["a", "b"], [{"role": "user", "parts": [text(t)]} for t in "ab"]),
    "OpenAI": (
        [
            {"role": "system", "content": "be exact"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "five"},
        ],
        [
            {"role": "system", "parts": [text("be exact", "system")]},
            {"role": "assistant", "parts": [call(arguments={"a": 1})]},
            {"role": "tool", "parts": [answer("five")]},
        ],
    ),
    "OpenAI, of a custom tool": (
        {"role": "assistant", "tool_calls": [
            {"id": 7, "type": "custom", "custom": {"name": "f", "input": "x = 1"}}
        ]},
        [{"role": "assistant", "parts": [
            {**call(arguments="x = 1", call_id="7"), "extensions": {"tool_call.type": "custom"}}
        ]}],
    ),
    "OpenAI, with ids that are none": (
        [
            {"role": "assistant", "tool_calls": [{"id": ["x"], "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": {"y": 1}, "content": "five"},
        ],
        [
            {
                "role": "assistant",
                "parts": [{**call(call_id=None), "extensions": {"tool_call.id": ["x"]}}],
            },
            {
                "role": "tool",
                "parts": [answer("five", None)],
                "extensions": {"tool_call_id": {"y": 1}},
            },
        ],
    ),
    "responses": (
        [
            {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "five"},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "five", "annotations": []}
            ]},
        ],
        [
            {"role": "user", "parts": [text("q")]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "trust": "unknown", "content": "hm"},
                    call(arguments={}),
                ],
                "extensions": {"items": {"0": {"id": "r"}}},
            },
            {"role": "tool", "parts": [answer("five")]},
            {"role": "assistant", "parts": [text("five", "unknown")]},
        ],
    ),
    "responses, of tools that the API defines": (
        [
            {"type": "local_shell_call", "call_id": "c1", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "call_id": "c1", "output": "a.txt"},
            {"type": "web_search_call", "id": "w", "action": {"query": "q"}},
        ],
        [
            {"role": "assistant", "parts": [
                call("local_shell", {"action": {"command": ["ls"]}})
            ], "extensions": {"items": {"0": {"type": "local_shell_call"}}}},
            {"role": "tool", "parts": [answer("a.txt")],
             "extensions": {"type": "local_shell_call_output"}},
            {"role": "assistant", "parts": [
                {"type": "server_tool_call", "trust": "unknown", "id": "w", "name": "web_search",
                 "server_tool_call": {"type": "web_search_call", "action": {"query": "q"}}}
            ]},
        ],
    ),
    "Anthropic": (
        [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "zz"},
                {"type": "text", "text": "I look"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": [
                    {"type": "text", "text": "five"}
                ]},
                {"type": "text", "text": "go on"},
            ]},
        ],
        [
            {"role": "assistant", "parts": [
                {"type": "reasoning", "trust": "unknown", "content": "hm",
                 "extensions": {"signature": "s"}},
                {"type": "redacted_thinking", "trust": "unknown", "data": "zz"},
                text("I look", "unknown"),
                call(arguments={"a": 1}),
            ]},
            {"role": "tool", "parts": [answer("five")], "extensions": {"is_error": True}},
            {"role": "user", "parts": [text("go on")]},
        ],
    ),
    "Anthropic, answers sent back as they came": (
        [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": t}]}
         for t in "ab"],
        [{"role": "assistant", "parts": [text(t, "unknown")], "extensions": {"type": "message"}}
         for t in "ab"],
    ),
    "Anthropic, with what its server did": (
        {"role": "assistant", "content": [
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
        ]},
        [{"role": "assistant", "parts": [
            {"type": "server_tool_call", "trust": "unknown", "id": "s1", "name": "web_search",
             "server_tool_call": {"type": "server_tool_use", "input": {"query": "q"}}},
            {"type": "server_tool_call_response", "trust": "tool", "id": "s1",
             "server_tool_call_response":
                {"type": "web_search_tool_result", "content": [{"url": "u"}]}},
        ]}],
    ),
    "Anthropic, media": (
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
            {"type": "document", "source": {"type": "url", "url": "http://d"}, "title": "T"},
            {"type": "document", "source": {"type": "file", "file_id": "f1"}},
            {"type": "document", "source": {"type": "text", "data": "d"}},
        ]},
        [{"role": "user", "parts": [
            {"type": "blob", "trust": "user", "modality": "image", "mime_type": "image/png",
             "content": "A"},
            {"type": "uri", "trust": "user", "modality": "document", "uri": "http://d",
             "extensions": {"title": "T"}},
            {"type": "file", "trust": "user", "modality": "document", "file_id": "f1"},
            {"type": "document", "trust": "user", "source": {"type": "text", "data": "d"}},
        ]}],
    ),
    "blocks without a message": (
        [{"type": "text", "text": "a"}, {"type": "text", "content": "b"}],
        [{"role": "user", "parts": [text("a"), text("b")]}],
    ),
    "Gemini": (
        [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": True},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"r": 5}}},
                {"inlineData": {"mimeType": "image/png", "data": "A"}},
                {"file_data": {"mime_type": "text/plain", "file_uri": "gs://x"}},
            ]},
        ],
        [
            {"role": "user", "parts": [text("q")]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "trust": "unknown", "content": "hm"},
                    call(arguments={"a": 1}),
                ],
                "extensions": {"source_role": "model"},
            },
            {"role": "tool", "name": "f", "parts": [answer({"r": 5})]},
            {"role": "user", "parts": [
                {"type": "blob", "trust": "user", "mime_type": "image/png", "content": "A"},
                {"type": "uri", "trust": "user", "mime_type": "text/plain", "uri": "gs://x"},
            ]},
        ],
    ),
    "OpenTelemetry": (
        [
            {"role": "assistant", "finish_reason": "stop", "parts": [
                {"type": "text", "content": "a"},
                {"type": "tool_call", "id": 5, "name": "f", "arguments": {"a": 1}},
                {"type": "server_tool_call", "name": "s", "server_tool_call": {"type": "x"}},
                {"type": "blob", "modality": "image", "mime_type": None, "content": "A"},
                {"type": "novel", "content": "n"},
            ]},
            {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "result": "r"}]},
        ],
        [
            {"role": "assistant", "finish_reason": "stop", "parts": [
                text("a", "unknown"),
                call(arguments={"a": 1}, call_id="5"),
                {"type": "server_tool_call", "trust": "unknown", "name": "s",
                 "server_tool_call": {"type": "x"}},
                {"type": "blob", "trust": "unknown", "modality": "image", "content": "A"},
                {"type": "novel", "trust": "unknown", "content": "n"},
            ]},
            {"role": "tool", "parts": [answer("r")]},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), FORMS.values(), ids=FORMS.keys())
def test_each_form_becomes_messages_of_the_schema(value, expected):
    """The forms that sources use give the same kinds of parts, and valid events."""
    assert chat_messages(value) == expected
    event("prompt", {"messages": chat_messages(value)})


def test_what_a_source_says_of_trust_is_only_a_claim():
    """No text is trusted more than the role of its message; the claim is kept."""
    (message,) = chat_messages(
        {"role": "assistant", "parts": [{"type": "text", "content": "x", "trust": "system"}]}
    )

    assert message["parts"] == [{**text("x", "unknown"), "claimed_trust": "system"}]


@pytest.mark.parametrize("content", [[{"type": "tool_result", "tool_use_id": "c1"}]])
def test_what_is_said_beside_a_result_is_kept(content):
    """A message that has nothing but a result, and a name of its own, is not lost with it."""
    messages = chat_messages({"role": "user", "content": content, "id": "msg_1"})

    assert messages == [
        {"role": "tool", "parts": [answer(None)]},
        {"role": "user", "parts": [], "extensions": {"id": "msg_1"}},
    ]


@pytest.mark.parametrize(
    ("role", "trust"),
    [
        ("system", "system"),
        ("developer", "operator"),
        ("user", "user"),
        ("tool", "tool"),
        ("assistant", "unknown"),
        ("root", "unknown"),
    ],
)
def test_trust_comes_from_the_role(role, trust):
    """Who stands behind a message is known of four roles; a model may repeat anybody."""
    assert trust_of_role(role) == trust


@pytest.mark.parametrize(
    "value",
    [None, "x", {}, [1], [{"role": 1, "parts": []}], [{"role": "user", "parts": [{"type": 1}]}]],
)
def test_only_opentelemetrys_own_form_is_standard(value):
    """Whatever is not a list of messages of parts with a type is another form."""
    assert not is_standard(value)
    assert is_standard([{"role": "user", "parts": [{"type": "text", "content": "x"}]}])
