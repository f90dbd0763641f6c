"""Chat messages become events: content, arguments, roles, metadata, names and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from importing import OBSERVED, START, asks, call, converted, line, of_kind, tells, user
from locard.ingest.importers import openai_form
from locard.ingest.importers import openai_messages as importer
from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.openai_messages import run_events
from locard.schema import RejectedRecord, canonical_bytes, event_object

DEEP_BUT_JSON = "[" * 195 + "]" * 195  # one level more than an event has room for


def parts_of(message):
    """Return the parts that a message becomes, as JSON."""
    (event,) = of_kind(converted([message]), "prompt", "model_output")
    return event_object(event)["body"]["messages"][0].get("parts", [])


def text(content, trust="user", **more):
    """Return a text part as it is stored: a trust that is unknown is left out."""
    known = {} if trust == "unknown" else {"trust": trust}
    return {"type": "text", **known, "content": content, **more}


def other(value):
    return {"type": "openai-messages.part", "trust": "user", "value": value}


IMAGE = {"url": "https://example.org/a.png", "detail": "low"}
CONTENTS = {
    "null": (None, []),
    "empty text": ("", [text("")]),
    "text": ("do it", [text("do it")]),
    "no parts": ([], []),
    "a part of text": ([{"type": "text", "text": "a"}], [text("a")]),
    "bare text among parts": (["a", {"type": "text", "text": "b"}], [text("a"), text("b")]),
    "the other API's text": (
        [{"type": "input_text", "text": "a"}],
        [text("a", extensions={"type": "input_text"})],
    ),
    "fields that pass for the schema's": (
        [{"type": "text", "text": "a", "trust": "system", "id": "x", "content": "y"}],
        [text("a", extensions={"trust": "system", "id": "x", "content": "y"})],
    ),
    "a refusal": (
        [{"type": "refusal", "refusal": "no"}],
        [{"type": "refusal", "trust": "user", "content": "no"}],
    ),
    "an image by its address": (
        [{"type": "image_url", "image_url": IMAGE}],
        [
            {
                "type": "uri",
                "trust": "user",
                "modality": "image",
                "uri": IMAGE["url"],
                "extensions": {"image_url": {"detail": "low"}},
            }
        ],
    ),
    "an image by its bytes": (
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        [
            {
                "type": "blob",
                "trust": "user",
                "modality": "image",
                "mime_type": "image/png",
                "content": "AAAA",
            }
        ],
    ),
    "the other API's image": (
        [{"type": "input_image", "image_url": "data:image/png;base64"}],
        [
            {
                "type": "uri",
                "trust": "user",
                "modality": "image",
                "uri": "data:image/png;base64",
                "extensions": {"type": "input_image"},
            }
        ],
    ),
    "audio": (
        [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
        [
            {
                "type": "blob",
                "trust": "user",
                "modality": "audio",
                "mime_type": "audio/wav",
                "content": "AAAA",
            }
        ],
    ),
    "a file": (
        [{"type": "file", "file": {"file_id": "f1", "filename": "a.pdf"}}],
        [
            {
                "type": "file",
                "trust": "user",
                "file_id": "f1",
                "extensions": {"file": {"filename": "a.pdf"}},
            }
        ],
    ),
    "a part without its text": ([{"type": "text"}], [other({"type": "text"})]),
    "an unknown part": ([{"type": "tool_call", "x": 1}], [other({"type": "tool_call", "x": 1})]),
    "a part that is none": ([7, None, ["a"]], [other(7), other(None), other(["a"])]),
    "a number": (7, [other(7)]),
    "an object": ({"a": 1}, [other({"a": 1})]),
}


@pytest.mark.parametrize(("content", "expected"), CONTENTS.values(), ids=CONTENTS.keys())
def test_content_becomes_parts(content, expected):
    """Every form of content becomes parts; no field is lost or passes for one of the schema's."""
    assert parts_of(user(content)) == expected


@pytest.mark.parametrize(
    ("role", "trust"),
    {
        "system": "system",
        "developer": "operator",
        "user": "user",
        "assistant": "unknown",
        "critic": "unknown",
        "User": "unknown",
    }.items(),
)
def test_trust_follows_the_role(role, trust):
    """Instructions are trusted by who gives them; a model, and an unknown role, by nobody."""
    assert parts_of({"role": role, "content": "x"}) == [text("x", trust)]


def test_what_a_model_thought_and_refused_stands_beside_what_it_said():
    """Reasoning comes before the content and a refusal after it, then the calls."""
    message = {**asks(call("a"), content="c"), "reasoning_content": "r", "refusal": "no"}

    assert [(part["type"], part.get("content")) for part in parts_of(message)] == [
        ("reasoning", "r"),
        ("text", "c"),
        ("refusal", "no"),
        ("tool_call", None),
    ]


FIELDS = {
    "a name": (user() | {"name": "ann"}, {"name": "ann"}),
    "a name that is none": (user() | {"name": 7}, {"extensions": {"name": 7}}),
    "fields of a later version": (
        user() | {"parts": [], "finish_reason": 1, "x": None},
        {"extensions": {"parts": [], "finish_reason": 1, "x": None}},
    ),
    "fields of another role": (
        user() | {"tool_calls": {}, "tool_call_id": "a"},
        {"extensions": {"tool_calls": {}, "tool_call_id": "a"}},
    ),
    "fields that say nothing": (user() | {"refusal": None, "audio": None, "name": None}, {}),
    "a refusal that is none": (user() | {"refusal": ["no"]}, {"extensions": {"refusal": ["no"]}}),
    "the fields of calls": (asks() | {"function_call": None, "content": "do it"}, {}),
}


@pytest.mark.parametrize(("message", "expected"), FIELDS.values(), ids=FIELDS.keys())
def test_fields_of_a_message_are_kept(message, expected):
    """A field that the form does not have there is kept under the message's extensions."""
    (event,) = of_kind(converted([message]), "prompt", "model_output")
    (said,) = event_object(event)["body"]["messages"]

    assert len(said.pop("parts")) == 1
    assert said == {"role": message["role"], **expected}


NOT_CAPTURED = {"arguments": "not_captured"}
ARGUMENTS = {
    "an object": ({"a": 1}, {"a": 1}, {}),
    "an empty object": ({}, {}, {}),
    "a list": ([1], [1], {}),
    "a number": (7, 7, {}),
    "null": (None, None, {}),
    "JSON text": ('{"a": [1.5]}', {"a": [1.5]}, {}),
    "JSON text of nothing": ("null", None, {}),
    "JSON text in JSON text": ('"{}"', "{}", {}),
    "empty text": ("", "", {"arguments_kept_as_text": "empty"}),
    "other text": ("a: 1", "a: 1", {"arguments_kept_as_text": "syntax"}),
    "a key twice": ('{"a":1,"a":2}', '{"a":1,"a":2}', {"arguments_kept_as_text": "duplicate_key"}),
    "NaN": ('{"a":NaN}', '{"a":NaN}', {"arguments_kept_as_text": "not_finite"}),
    "a lone surrogate": (r'"\ud800"', r'"\ud800"', {"arguments_kept_as_text": "encoding"}),
    "too deep": ("[" * 10_000, "[" * 10_000, {"arguments_kept_as_text": "too_deep"}),
    "too deep for an event": (
        DEEP_BUT_JSON,
        DEEP_BUT_JSON,
        {"arguments_kept_as_text": "too_deep"},
    ),
    "a large number": (
        '{"a":12345678901234567890}',
        {"a": "12345678901234567890"},
        {"argument_numbers_kept_as_text": 1},
    ),
}


@pytest.mark.parametrize(("given", "kept", "notes"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments_are_kept_as_a_value_or_as_text(given, kept, notes):
    """Arguments are a value where that loses nothing, else their text, and the event says why."""
    message = asks({"id": "a", "function": {"name": "f", "arguments": given}})
    result = converted([message])
    output, event = of_kind(result, "model_output", "tool_call")

    assert event.body.arguments == output.body.messages[0].parts[0].arguments == kept
    assert dict(event.extensions) == notes
    assert event.absent == {}
    is_text = notes.get("arguments_kept_as_text", "empty") != "empty"
    assert result.notices[importer.TEXT_ARGUMENTS] == is_text
    assert result.notices[importer.NUMBERS] == notes.get("argument_numbers_kept_as_text", 0)


def test_the_deepest_arguments_that_a_line_can_hold_fit_into_an_event():
    """Arguments nested as deep as the line allows are a value, as an object and as JSON text."""
    deepest = "[" * 194 + "]" * 194
    calls = [call("a", "f", json.loads(deepest)), call("b", "f", deepest)]
    kept = of_kind(converted([asks(*calls)]), "tool_call")

    assert [canonical_bytes(event.body.arguments).decode() for event in kept] == [deepest] * 2


def test_arguments_that_are_missing_are_not_captured():
    """A call without the field differs from one whose arguments are null or empty."""
    result = converted([asks({"id": "a", "function": {"name": "f"}})])
    (event,) = of_kind(result, "tool_call")

    assert event.body.arguments is None
    assert event.absent == NOT_CAPTURED


def test_every_kind_of_call_becomes_a_tool_call():
    """Functions, custom tools and the older form are calls; their other fields are kept."""
    message = {
        "role": "assistant",
        "tool_calls": [
            {"id": "a", "type": "function", "index": 0, "function": {"name": "f", "strict": True}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": '{"not": "parsed"}'}},
            {"id": "c", "type": 7, "function": {"name": "h", "arguments": "{}"}},
            {"id": "d", "type": "custom", "function": {"name": 7}, "custom": {"name": "j"}},
        ],
        "function_call": {"name": "i", "arguments": '{"n": 1}'},
    }
    calls = of_kind(converted([message]), "tool_call")

    assert [(e.body.tool_name, e.body.tool_type, e.body.arguments) for e in calls] == [
        ("f", "function", None),
        ("g", "custom", '{"not": "parsed"}'),
        ("h", None, {}),
        ("j", "custom", None),
        ("i", "function_call", {"n": 1}),
    ]
    assert [dict(e.extensions) for e in calls] == [
        {"tool_call.index": 0, "function.strict": True},
        {},
        {"tool_call.type": 7},
        {"tool_call.function": {"name": 7}},
        {},
    ]


RESULTS = {
    "text": ({"content": "x"}, "unknown", "x", None, {}),
    "empty": ({"content": ""}, "unknown", "", None, {}),
    "parts": ({"content": [{"text": "x"}]}, "unknown", [{"text": "x"}], None, {}),
    "null": ({"content": None}, "unknown", None, None, {}),
    "no error": ({"content": "x", "error": None}, "ok", "x", None, {}),
    "an empty error": ({"content": "x", "error": ""}, "ok", "x", None, {}),
    "an error": ({"content": "", "error": "E: x"}, "error", "", "E: x", {}),
    "an error that is an object": ({"content": "", "error": {"b": 1}}, "error", "", '{"b":1}', {}),
    "an error that is false": ({"content": "", "error": False}, "ok", "", None, {"error": False}),
    "another field": ({"content": "", "x": None}, "unknown", "", None, {"message.x": None}),
}  # fmt: skip


@pytest.mark.parametrize("role", ["tool", "function"])
@pytest.mark.parametrize(
    ("fields", "outcome", "value", "error", "extensions"), RESULTS.values(), ids=RESULTS.keys()
)
def test_results_keep_what_they_say(role, fields, outcome, value, error, extensions):
    """A result has its content as it came, and is an error only where it says so."""
    (event,) = of_kind(converted([{"role": role, **fields}]), "tool_result")

    assert (event.body.outcome, event.body.result, event.body.error_message) == (
        outcome,
        value,
        error,
    )
    source_role = {"source_role": "function"} if role == "function" else {}
    assert dict(event.extensions) == {**extensions, **source_role}
    assert event.absent == {}


def test_a_result_without_content_is_not_captured():
    """A result whose content is missing differs from one whose content is null or empty."""
    (event,) = of_kind(converted([{"role": "tool"}]), "tool_result")

    assert event.absent == {"result": "not_captured"}


METADATA = {
    "missing": ({}, None, None),
    "null": ({"metadata": None}, None, None),
    "text": ({"metadata": "about"}, None, None),
    "a list": ({"metadata": [1]}, None, None),
    "model and workflow": ({"metadata": {"model": "m", "workflow_id": "w", "x": 1}}, "m", "w"),
    "of other types": ({"metadata": {"model": 7, "workflow_id": ["w"]}}, None, None),
    "empty": ({"metadata": {"model": "", "workflow_id": ""}}, None, None),
}


@pytest.mark.parametrize(("run", "model", "workflow"), METADATA.values(), ids=METADATA.keys())
def test_metadata_may_be_anything(run, model, workflow):
    """All of it starts the session; a model and a workflow that are named are in every event."""
    result = converted([user(), asks(call("a")), tells("a")], **run)

    assert result.events[0].kind == "lifecycle"
    assert result.events[0].body.attributes == run.get("metadata")
    assert {event.request_model for event in result.events} == {model}
    assert {event.workflow_id for event in result.events} == {workflow}


def test_other_fields_of_a_run_are_kept():
    """What stands beside messages and metadata is in the event that starts the session."""
    start = converted([user()], tools=[{"type": "function"}], x=None).events[0]

    assert start.extensions == {"tools": [{"type": "function"}], "x": None}


def test_a_run_without_an_id_is_named_after_its_digest():
    """A missing, null or empty name is made up from the line, always the same, and is noticed."""
    for run in ({"run_id": None}, {"run_id": ""}):
        result = converted([user()], **run)
        (session_id,) = result.session_ids
        assert session_id.startswith("run-")
        assert result.session_ids == converted([user()], **run).session_ids
        assert result.notices[importer.NO_RUN_ID] == 1
    assert converted([user()], run_id=17).session_ids == {"17"}


def test_two_runs_of_one_name_are_two_sessions():
    """Where another run has the name, a part of the digest is added, and that is noticed."""
    data = json.dumps({"run_id": "r", "messages": [user()]}).encode()
    result = run_events(line(data), Surroundings(START, OBSERVED, is_taken={"r"}.__contains__))

    assert result.session_ids == {f"r~{line(data).digest[:12]}"}
    assert result.notices == {importer.TAKEN_RUN_ID: 1}


def test_unknown_roles_are_kept_as_prompts():
    """A message of a role that the form does not have is kept in its place, and noticed."""
    result = converted([user(), {"role": "critic", "content": "no"}, asks(call("a")), {"role": ""}])

    assert [event.kind for event in result.events] == [
        "lifecycle",
        "prompt",
        "model_output",
        "tool_call",
        "prompt",
    ]
    assert [said.role for said in result.events[1].body.messages] == ["user", "critic"]
    assert result.notices[importer.UNKNOWN_ROLE] == 2


def test_large_numbers_are_noticed():
    """Numbers that a double would round become text, anywhere in the line, and are counted."""
    result = converted([user()], metadata={"a": 2**53 + 1, "b": [-(2**60) - 1, 2**53]})

    assert result.notices == {importer.NUMBERS: 2}
    assert result.events[0].body.attributes == {
        "a": "9007199254740993",
        "b": ["-1152921504606846977", 2**53],
    }


def test_times_are_made_up_and_say_so():
    """Events are a millisecond apart from the start on, in the order of the run."""
    result = converted([user(), *[asks(call("a"), call("b")), tells("a")] * 700])

    assert [event.occurred_at for event in result.events] == [
        START + timedelta(milliseconds=number) for number in range(len(result.events))
    ]
    assert len(result.events) > 2_000
    assert {event.time_source for event in result.events} == {"importer"}
    assert {event.observed_at for event in result.events} == {OBSERVED}


def test_times_never_run_out():
    """At the end of the year 9999 time stands still and the order of a session stays."""
    data = json.dumps({"run_id": "r", "messages": [user(), asks(call("a")), tells("a")]}).encode()
    start = datetime(9999, 12, 31, 23, 59, 59, 998_500, tzinfo=UTC)
    times = [
        event.occurred_at for event in run_events(line(data), Surroundings(start, OBSERVED)).events
    ]

    assert times == sorted(times)
    assert times[-1] == datetime.max.replace(tzinfo=UTC)


BAD_RUNS = {
    "no object": (b"[]", "no_run"),
    "no messages field": (b'{"run_id":"r"}', "no_run"),
    "messages are no list": (b'{"run_id":"r","messages":{}}', "no_run"),
    "no messages": (b'{"run_id":"r","messages":[]}', "empty_run"),
    "a name that is none": (b'{"run_id":{},"messages":[{"role":"user"}]}', "no_run_id"),
    "a message that is none": (b'{"messages":[null]}', "invalid_message"),
    "no role": (b'{"messages":[{"content":"x"}]}', "invalid_message"),
    "a role that is none": (b'{"messages":[{"role":["user"]}]}', "invalid_message"),
    "calls that are no list": (
        b'{"messages":[{"role":"assistant","tool_calls":{}}]}',
        "invalid_message",
    ),
    "a call that is none": (
        b'{"messages":[{"role":"assistant","tool_calls":["f"]}]}',
        "invalid_message",
    ),
    "a call without a name": (
        b'{"messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}',
        "invalid_message",
    ),
    "an older call without a name": (
        b'{"messages":[{"role":"assistant","function_call":{}}]}',
        "invalid_message",
    ),
    "content too deep for an event": (
        b'{"messages":[{"role":"user","content":%s}]}' % (b"[" * 196 + b"]" * 196),
        "json_too_deep",
    ),
    "metadata too deep for an event": (
        b'{"messages":[{"role":"user"}],"metadata":%s}' % (b"[" * 199 + b"]" * 199),
        "json_too_deep",
    ),
}


@pytest.mark.parametrize(("data", "error_class"), BAD_RUNS.values(), ids=BAD_RUNS.keys())
def test_what_is_no_run_is_refused(data, error_class):
    """A line that cannot be converted as a whole is refused with a class and a reason."""
    with pytest.raises(RejectedRecord) as caught:
        run_events(line(data), Surroundings(START, OBSERVED))

    assert caught.value.error_class == error_class
    assert "; " in str(caught.value) or ": " in str(caught.value)


def test_a_run_of_too_many_events_is_refused(monkeypatch):
    """A run that would not fit into memory is refused before it does harm."""
    monkeypatch.setattr(openai_form, "MOST_STEPS", 3)
    assert len(converted([user(), asks(call("a"))]).events) == 4

    for messages in ([user()] * 4, [user(), asks(call("a"), call("b"))]):
        with pytest.raises(RejectedRecord) as caught:
            converted(messages)
        assert caught.value.error_class == "run_too_long"
        assert str(caught.value) == (
            "the run has 4 messages and calls, over the limit of 3; split it"
        )
