"""Requests made to break the receiver: none does, and accepted plus refused is what was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from locard.ingest.collector.otlp import TracesEndpoint
from locard.ingest.elements import MOST_ELEMENTS, Elements
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.intake import DEFAULT_INTAKE_LIMITS
from locard.ingest.otlp import Translation, Translator, decode_logs, decode_traces, names
from locard.ingest.otlp.making import made_event
from locard.ingest.stamping import Sender
from locard.schema import MAX_DEPTH, RejectedRecord, event_json, parse_event
from otlp_requests import (
    OBSERVED,
    as_json,
    body,
    chat,
    log,
    logs,
    only,
    said,
    span,
    traces,
    translated,
)

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(max_size=12) | st.sampled_from(
    ["", "__REDACTED__", "[", "{}", "[{}]", '{"a": 1e999}', "\x00", "null", '"', "[[[[[]]]]]"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | texts
    | st.binary(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
KNOWN = sorted(
    {
        *names.SESSION,
        *names.USER,
        *names.AGENT_ID,
        *names.AGENT_NAME,
        *names.PROVIDER,
        *names.REQUEST_MODEL,
        *names.RESPONSE_ID,
        *names.FINISH_REASONS,
        *names.INPUT_MESSAGES,
        *names.OUTPUT_MESSAGES,
        *names.INPUT_VALUES,
        *names.OUTPUT_VALUES,
        *names.TOOL_NAME,
        *names.CALL_ID,
        *names.TOOL_ARGUMENTS,
        *names.TOOL_RESULT,
        *names.TOOL_DEFINITIONS,
        *(name for found in names.TOKENS.values() for name in found),
        names.SYSTEM_INSTRUCTIONS,
        names.MCP_METHOD,
        names.MCP_SESSION,
        names.JSONRPC_ID,
        names.ERROR_TYPE,
        names.EVENT_CONTENT,
        "event.name",
        "event.sequence",
        "event.kind",
        "gen_ai.operation.name",
        "openinference.span.kind",
        "traceloop.span.kind",
        "llm.input_messages.0.message.role",
        "llm.input_messages.0.message.content",
        "llm.input_messages.0.message.contents.0.message_content.type",
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.name",
        "llm.input_messages.0",
        "llm.output_messages.7.message.content",
        "gen_ai.prompt.0.role",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.99999999.content",
        "llm.invocation_parameters",
        "gen_ai.request.temperature",
        "gen_ai.retrieval.documents",
        "retrieval.documents.0.document.metadata",
        "gen_ai.memory.records",
        "gen_ai.guardrail.verdict",
        "gen_ai.evaluation.score.label",
        "prompt",
        "decision",
        "source",
        "success",
        "arguments",
        "output",
        "error",
        "content",
        "role",
        "id",
        "message",
        "tool_calls",
    }
)
OPERATIONS = [
    "chat", "execute_tool", "invoke_agent", "retrieval", "search_memory", "plan", "run_guardrail",
    "evaluate", "embeddings", "LLM", "TOOL", "CHAIN", "RETRIEVER", "GUARDRAIL", "tools/call",
    "resources/read", "prompts/get",
]  # fmt: skip
parts = st.dictionaries(
    st.sampled_from(
        ["type", "content", "id", "name", "arguments", "response", "result", "uri", "file_id",
         "trust", "text", "toolUse", "server_tool_call"]
    ),
    values
    | st.sampled_from(
        ["text", "reasoning", "tool_call", "tool_call_response", "server_tool_call", "blob", "uri"]
    ),
    max_size=4,
)  # fmt: skip
messages = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "parts", "content", "tool_calls", "name", "finish_reason"]),
        st.lists(parts, max_size=3) | values | st.sampled_from(["user", "tool", "assistant"]),
        max_size=4,
    )
    | values,
    max_size=3,
)
attributes = st.dictionaries(
    st.sampled_from(KNOWN) | texts,
    values
    | messages
    | st.sampled_from(OPERATIONS)
    | messages.map(lambda m: json.dumps(m, default=str)),
    max_size=8,
)
EVENT_NAMES = [
    names.EVENT_DETAILS,
    names.EVENT_EVALUATION,
    names.EVENT_EXCEPTION,
    names.EVENT_CHOICE,
    *names.ROLE_OF_MESSAGE_EVENT,
    *(f"claude_code.{n}" for n in ("user_prompt", "tool_result", "tool_decision", "api_request")),
    *(f"codex.{n}" for n in ("user_prompt", "tool_result", "tool_decision", "sse_event")),
    "claude_code.permission_mode_changed",
    "",
    "something.else",
]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Draw a span with any attributes, events and times."""
    return span(
        draw(attributes),
        number=draw(st.integers(1, 4)),
        name=draw(texts),
        kind=draw(st.integers(0, 7)),
        parent=draw(st.none() | st.integers(1, 4)),
        start=draw(st.integers(0, 2**63)),
        seconds=draw(st.integers(0, 9)),
        events=draw(
            st.lists(st.tuples(st.sampled_from(EVENT_NAMES) | texts, attributes), max_size=3)
        ),
        failed=draw(st.none() | texts),
    )


def check(sent: int, taken: int, translation: Translation) -> None:
    """Check that each record is an event or refused, and that the log and the lake take them."""
    told = {event.span_id or str(event.event_id) for event in translation.events}
    assert len(translation.events) >= taken - len(translation.refused)
    assert not translation.refused
    assert bool(told) == bool(taken)
    assert sent == taken
    for event in translation.events:
        assert parse_event(event_json(event)) == event


@SETTINGS
@given(st.lists(spans(), max_size=4), st.sampled_from(["protobuf", "json"]))
def test_any_attributes_become_events(given_spans: list[Span], form: Any) -> None:
    """Whatever the attributes hold, each span becomes an event that can be read again."""
    decoded = decode_traces(body(traces(*given_spans), form), form)
    translator = Translator()
    translation = translator.spans(decoded.records, observed_at=OBSERVED)
    check(len(given_spans), len(decoded.records), translation)
    translation.commit()
    again = translator.spans(decoded.records, observed_at=OBSERVED)
    assert again.events == translation.events


@SETTINGS
@given(
    st.lists(st.tuples(attributes, st.sampled_from(EVENT_NAMES), values | messages), max_size=4),
    st.sampled_from(["protobuf", "json"]),
)
def test_any_log_records_become_events(given_records: list[Any], form: Any) -> None:
    """Whatever they are called and hold."""
    records = [log(told, name=name, body=held) for told, name, held in given_records]
    decoded = decode_logs(body(logs(*records), form), form)
    translator = Translator()
    translation = translator.logs(decoded.records, observed_at=OBSERVED)
    check(len(records), len(decoded.records), translation)
    translation.commit()
    assert translator.logs(decoded.records, observed_at=OBSERVED).events == translation.events


@SETTINGS
@given(spans(), spans())
def test_both_forms_give_the_same_events(one: Span, two: Span) -> None:
    """For any attributes."""
    request = traces(one, two)
    found = [
        Translator().spans(decode_traces(body(request, form), form).records, observed_at=OBSERVED)
        for form in ("protobuf", "json")
    ]
    assert found[0].events == found[1].events


def taken_of(decode: Callable[..., Any], sent: bytes, form: str) -> int | None:
    """Return how many records were taken or refused, `None` where all were refused at once."""
    try:
        decoded = decode(sent, form)
    except RejectedRecord:
        return None
    translator = Translator()
    make = translator.spans if decode is decode_traces else translator.logs
    translation = make(decoded.records, observed_at=OBSERVED)
    assert len(translation.events) >= len(decoded.records)
    return len(decoded.records) + len(decoded.rejected)


@SETTINGS
@given(st.binary(max_size=200), st.sampled_from(["protobuf", "json"]))
def test_random_bytes_are_refused_or_hold_nothing(sent: bytes, form: str) -> None:
    """As a request of either signal."""
    taken_of(decode_traces, sent, form)
    taken_of(decode_logs, sent, form)


@SETTINGS
@given(st.data())
def test_a_damaged_request_is_counted(data: st.DataObject) -> None:
    """One byte changed, or the end cut off: no crash, and nothing is accepted as nothing."""
    form = data.draw(st.sampled_from(["protobuf", "json"]))
    request = traces(span(chat([said("user", "x")])), span({"a": [1, {"b": 2}]}, number=2))
    sent = bytearray(body(request, form))
    place = data.draw(st.integers(0, len(sent) - 1))
    if data.draw(st.booleans()):
        sent[place] = data.draw(st.integers(0, 255))
        taken_of(decode_traces, bytes(sent), form)
    else:
        found = taken_of(decode_traces, bytes(sent[:place]), form)
        assert found is None or (place == 0 and found == 0)
    taken_of(decode_logs, bytes(sent), form)


@SETTINGS
@given(st.lists(spans(), min_size=1, max_size=3), st.sampled_from(["protobuf", "json"]))
def test_spans_sent_to_logs_are_all_refused(given_spans: list[Span], form: str) -> None:
    """Each of them, or the request as a whole."""
    try:
        decoded = decode_logs(body(traces(*given_spans), form), form)
    except RejectedRecord:
        return
    assert not decoded.records
    assert len(decoded.rejected) == len(given_spans)


@SETTINGS
@given(st.lists(st.tuples(attributes, values), min_size=1, max_size=3))
def test_log_records_sent_to_traces_are_all_refused(given_records: list[Any]) -> None:
    """Each of them, or the request as a whole."""
    request = logs(*(log(told, body=held) for told, held in given_records))
    for form in ("protobuf", "json"):
        try:
            decoded = decode_traces(body(request, form), form)
        except RejectedRecord:
            continue
        assert not decoded.records
        assert len(decoded.rejected) == len(given_records)


@SETTINGS
@given(st.lists(st.binary(max_size=20), max_size=3), st.integers(0, 2))
def test_a_span_that_is_broken_costs_no_other(broken: list[bytes], place: int) -> None:
    """Groups and spans of any bytes between good ones."""
    good = traces(span({}, number=1), span({}, number=2)).resource_spans[0]
    scoped = good.scope_spans[0]
    pieces = [record.SerializeToString() for record in scoped.spans]
    pieces[place:place] = broken
    inner = b"".join(b"\x12" + bytes([len(piece)]) + piece for piece in pieces)
    request = b"\x0a" + _sized(b"\x12" + _sized(inner))
    decoded = decode_traces(request, "protobuf")
    assert {found.span_id[-1] for found in decoded.records} >= {"1", "2"}
    assert len(decoded.records) + len(decoded.rejected) == len(pieces)
    indexes = [refusal.index for refusal in decoded.rejected]
    assert indexes == sorted(indexes)


def _sized(data: bytes) -> bytes:
    size, found = len(data), b""
    while size > 0x7F:
        found += bytes([size & 0x7F | 0x80])
        size >>= 7
    return found + bytes([size]) + data


@pytest.mark.parametrize("depth", [60, MAX_DEPTH - 60, MAX_DEPTH - 1, MAX_DEPTH])
@pytest.mark.parametrize(
    "attribute",
    ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions", "input.value"],
)
def test_json_text_nested_as_deep_as_it_may_be_costs_no_event(depth: int, attribute: str) -> None:
    """It would be too deep within an event: what is too deep is kept as text."""
    deep = "[" * (depth - 1) + '["bottom"]' + "]" * (depth - 1)
    message = f'[{{"role": "user", "parts": [{{"type": "new", "v": {deep}}}]}}]'
    for text in (deep, message):
        translation = translated(span(chat() | {attribute: text}))
        assert [event.kind for event in translation.events] == ["prompt", "model_output"]
        assert "bottom" in str([event_json(event) for event in translation.events])
        assert [
            parse_event(event_json(event)) for event in translation.events
        ] == translation.events


def test_no_depth_gives_an_event_that_cannot_be_read_again() -> None:
    """Nor one with nothing inside, which some parsers let pass one level deeper."""
    for depth in range(MAX_DEPTH - 12, MAX_DEPTH + 3):
        deep = "[" * depth + "]" * depth
        given_attributes = {"gen_ai.tool.definitions": deep, "llm.invocation_parameters": deep}
        for event in translated(span(chat() | given_attributes)).events:
            assert parse_event(event_json(event)) == event


@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_a_text_larger_than_a_record_is_cut_and_told(form: Any) -> None:
    """The log takes no larger record; length and digest say what is missing."""
    text = "a" * (LARGEST_RECORD + 1)
    translation = translated(span(chat([said("user", text)])), form=form)
    prompt = only(translation, "prompt")
    assert len(event_json(prompt)) < LARGEST_RECORD
    (cut,) = prompt.extensions["cut"]
    assert cut["characters"] == len(text)
    assert prompt.body.messages[0].parts[0].content == text[: 64 * 1024]


def test_what_was_cut_is_not_referred_to() -> None:
    """Else a later prompt could not be put together again."""
    translator = Translator()
    large = said("user", "a" * (LARGEST_RECORD + 1))
    translated(span(chat([large], session__id="s")), translator=translator)
    later = [large, said("assistant", "no"), said("user", "why?")]
    prompt = only(
        translated(span(chat(later, session__id="s"), number=2), translator=translator), "prompt"
    )
    assert prompt.body.history is None
    assert len(prompt.body.messages) == 3


def test_what_is_no_event_of_its_kind_is_kept_as_text() -> None:
    """The record is not lost to a field that no event can hold."""
    draft = {
        "kind": "tool_result",
        "event_id": "7b3f4e9a-8f3b-4d35-9a64-1f3ce0a4c001",
        "schema_version": "1.0",
        "occurred_at": "2026-05-04T09:30:07Z",
        "observed_at": "2026-05-04T09:30:07Z",
        "lane": "otlp_trace",
        "session_id": "s",
        "body": {"outcome": "a new one", "result": float("nan"), "n": 2**70},
    }
    event, _, is_whole = made_event(draft)
    assert (event.kind, event.session_id, is_whole) == ("lifecycle", "s", False)
    assert "a new one" in event.body.attributes["event"]


def test_half_a_surrogate_pair_in_json_within_json_costs_no_event() -> None:
    """No reader agrees on what it is, so the text of it is kept."""
    translation = translated(span(chat(gen_ai__input__messages='[{"role": "user\\ud800"}]')))
    (message,) = only(translation, "prompt").body.messages
    assert message.parts[0].content == '[{"role": "user\\ud800"}]'


def test_indexes_beyond_reason_make_no_list() -> None:
    """A message numbered 999999999 is an attribute like any other."""
    name = "llm.input_messages.999999999.message.content"
    given_attributes = {"openinference.span.kind": "LLM", name: "x"}
    prompt = only(translated(span(given_attributes)), "prompt")
    assert prompt.extensions["attributes"][name] == "x"
    many = {f"llm.input_messages.0.{'a.' * 50}b": "x", "openinference.span.kind": "LLM"}
    assert len(translated(span(many)).events) == 2


def test_errors_and_reprs_hold_no_text_of_a_request() -> None:
    """They end up in logs."""
    secret = "GB33BUKB20201555555555"
    request = traces(span(chat([said("user", secret)]), name=secret, failed=secret))
    decoded = decode_traces(request.SerializeToString(), "protobuf")
    translation = Translator().spans(decoded.records, observed_at=OBSERVED)
    assert secret not in repr(decoded) + repr(decoded.records) + repr(translation)
    assert secret not in repr(translation.events)
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = secret.encode()
    refused = decode_traces(request.SerializeToString(), "protobuf")
    assert secret not in repr(refused)
    for sent in (ExportTraceServiceRequest(), ExportLogsServiceRequest()):
        assert as_json(sent) == b"{}"


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of protobuf."""
    size, length = len(data), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 0x80 else bytes([tag & 0x7F | 0x80, tag >> 7])
    return head + bytes([*length, size]) + data


_IDS = _field(1, b"\1" * 16) + _field(2, b"\1" * 8)
NOTHINGS = 1_000_000
COSTLY = {
    "groups": _field(1, b"") * NOTHINGS,
    "scopes": _field(1, _field(2, b"") * NOTHINGS),
    "spans": _field(1, _field(2, _field(2, b"") * NOTHINGS)),
    "attributes": _field(1, _field(2, _field(2, _IDS + _field(9, b"") * NOTHINGS))),
    "unknown fields": _field(1, _field(2, _field(2, _IDS + _field(99, b"") * NOTHINGS))),
    "events": _field(1, _field(2, _field(2, _IDS + _field(11, b"") * NOTHINGS))),
    "items": _field(
        1,
        _field(
            2,
            _field(
                2,
                _IDS + _field(9, _field(2, _field(5, _field(1, b"") * NOTHINGS))),
            ),
        ),
    ),
    "attributes of the resource": _field(1, _field(1, _field(1, b"") * NOTHINGS)),
    "attributes of many small spans": _field(
        1, _field(2, _field(2, _IDS + _field(9, b"") * 1_000) * 1_000)
    ),
}


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY.keys())
def test_millions_of_nothings_are_not_made_into_objects(data: bytes, monkeypatch: Any) -> None:
    """What is made for a request is bounded, whatever its bytes ask for; the rest is refused."""
    made = []
    keep = Elements.take

    def counted(self: Elements, count: int = 1) -> None:
        keep(self, count)
        made.append(count)

    monkeypatch.setattr(Elements, "take", counted)
    try:
        refused = len(decode_traces(data, "protobuf").rejected)
    except RejectedRecord:
        refused = 1
    told = "attributes of the resource"
    assert refused or data is COSTLY[told]  # it is kept as what could not be read
    assert sum(made) <= 2 * MOST_ELEMENTS  # once to look, once to make


def test_an_honest_request_is_far_from_the_bound() -> None:
    """As many spans as a request may have, each with thirty attributes, are all taken."""
    many = [span({f"key-{n}": "value" for n in range(30)}, number=n + 1) for n in range(5_000)]
    decoded = decode_traces(body(traces(*many), "protobuf"), "protobuf")
    assert (len(decoded.records), decoded.rejected) == (5_000, [])


def _endpoint_takes(request: Any) -> Any:
    """Return what the collector makes of a request, bounded as one."""
    endpoint = TracesEndpoint(Translator())
    return endpoint.take(
        body(request), "application/x-protobuf", DEFAULT_INTAKE_LIMITS, Sender("someone", "w")
    )


def test_text_that_would_become_millions_of_things_stays_a_text() -> None:
    """The event is there with what was sent; only the reading of it is less rich."""
    many = "[" + "{}," * 1_000_000 + "{}]"
    intake = _endpoint_takes(traces(span(chat() | {"gen_ai.input.messages": many})))
    prompt, _ = (parse_event(record.value) for record in intake.records)
    assert prompt.kind == "prompt"
    assert not intake.rejected
    assert len(prompt.body.messages) <= 1
    assert many in event_json(prompt).decode().replace("\\", "")


def test_what_a_resource_says_is_not_copied_into_any_number_of_records() -> None:
    """A megabyte of it counts with each span; those that would be too much are refused, by index.

    Copied into each of 5,000 spans it would be five gigabytes.
    """
    spans = [span({}, number=n + 1) for n in range(5_000)]
    intake = _endpoint_takes(traces(*spans, resource={"service.instance": "x" * 1_000_000}))
    assert sum(len(record.value) for record in intake.records) < 200_000_000
    assert len(intake.records) + len(intake.rejected) == 5_000
    assert {refused.error_class for refused in intake.rejected} == {"too_many_elements"}


def test_a_request_as_large_as_it_may_be_is_read_to_its_end() -> None:
    """A thousand calls with prompts of fifty messages each are all read as what they are."""
    given = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}] * 50
    spans = [span(chat(given), number=n + 1) for n in range(1_000)]
    intake = _endpoint_takes(traces(*spans))
    assert (len(intake.records), intake.rejected) == (2_000, [])
    prompts = [e for r in intake.records if (e := parse_event(r.value)).kind == "prompt"]
    assert all(len(one.body.messages) == 50 or one.body.history for one in prompts)
