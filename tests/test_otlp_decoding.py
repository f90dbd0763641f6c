"""OTLP requests as plain types: both forms alike, and what each does with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from locard.ingest.otlp import Form, Translator, decode_logs, decode_traces
from locard.schema import RejectedRecord
from otlp_requests import (
    OBSERVED,
    TRACE,
    as_json,
    body,
    chat,
    log,
    logs,
    put,
    said,
    span,
    traces,
)

FORMS: list[Form] = ["protobuf", "json"]
VALUES: dict[str, Any] = {
    "text": "a ‹b› \x00 𝒳",
    "yes": True,
    "no": False,
    "int": 2**53 - 1,
    "low": -(2**53) + 1,
    "double": 1.5,
    "whole": 2.0,
    "empty": "",
    "none": None,
    "list": [1, "a", None, [True], {"k": 1.25}],
    "nested": {"a": {"b": {"c": []}}, "d": {}},
}
# The example of the OTLP specification's JSON encoding, as it stands there.
CANONICAL_TRACE = """
{"resourceSpans": [{"resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "my.service"}}]},
  "scopeSpans": [{"scope": {"name": "my.library", "version": "1.0.0", "attributes": [
    {"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
   "spans": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
    "parentSpanId": "EEE19B7EC3C1B173", "name": "I'm a server span",
    "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
    "kind": 2, "attributes": [
     {"key": "my.span.attr", "value": {"stringValue": "some value"}}]}]}]}]}
"""
CANONICAL_LOGS = """
{"resourceLogs": [{"resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "my.service"}}]},
  "scopeLogs": [{"scope": {"name": "my.library", "version": "1.0.0"},
   "logRecords": [{"timeUnixNano": "1544712660300000000",
    "observedTimeUnixNano": "1544712660300000000", "severityNumber": 10,
    "severityText": "Information", "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174", "body": {"stringValue": "Example log record"},
    "attributes": [
     {"key": "string.attribute", "value": {"stringValue": "some string"}},
     {"key": "boolean.attribute", "value": {"boolValue": true}},
     {"key": "int.attribute", "value": {"intValue": "10"}},
     {"key": "double.attribute", "value": {"doubleValue": 637.704}},
     {"key": "array.attribute", "value": {"arrayValue": {"values": [
       {"stringValue": "many"}, {"stringValue": "values"}]}}},
     {"key": "map.attribute", "value": {"kvlistValue": {"values": [
       {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}}]}]}]}]}
"""


def test_the_canonical_trace() -> None:
    """The example of the specification."""
    (found,) = decode_traces(CANONICAL_TRACE.encode(), "json").records
    assert (found.trace_id, found.span_id) == (TRACE, "eee19b7ec3c1b174")
    assert (found.parent_span_id, found.name) == ("eee19b7ec3c1b173", "I'm a server span")
    assert (found.kind, found.attributes) == ("server", {"my.span.attr": "some value"})
    assert (found.start, found.end) == (1544712660000000000, 1544712661000000000)
    assert found.resource.attributes == {"service.name": "my.service"}
    assert (found.scope.name, found.scope.version) == ("my.library", "1.0.0")
    assert found.scope.attributes == {"my.scope.attribute": "some scope attribute"}
    assert not found.unread


def test_the_canonical_log_record() -> None:
    """The example of the specification."""
    (found,) = decode_logs(CANONICAL_LOGS.encode(), "json").records
    assert (found.trace_id, found.span_id) == (TRACE, "eee19b7ec3c1b174")
    assert (found.severity_number, found.severity_text) == (10, "Information")
    assert (found.body, found.time) == ("Example log record", 1544712660300000000)
    assert found.attributes == {
        "string.attribute": "some string",
        "boolean.attribute": True,
        "int.attribute": 10,
        "double.attribute": 637.704,
        "array.attribute": ["many", "values"],
        "map.attribute": {"some.map.key": "some value"},
    }
    assert not found.unread


def full_span() -> Span:
    """Return a span with something in every field."""
    made = span(
        {**VALUES, "bytes": b"\x00\xff", "huge": 2**62, "nan": float("nan"), "inf": float("-inf")},
        parent=7,
        events=[("one", VALUES), ("two", {})],
        failed="bad",
        trace_state="a=b",
        flags=257,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    link = made.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="c=d", flags=1)
    put(link.attributes, {"x": 1})
    return made


def test_both_forms_give_the_same_spans() -> None:
    """Field by field, and so the same events."""
    request = traces(full_span(), span(chat([said("user", "x")]), number=2))
    one, two = (decode_traces(body(request, form), form) for form in FORMS)
    assert one.records == two.records
    assert len(one.records) == 2
    events = [
        Translator().spans(decoded.records, observed_at=OBSERVED).events for decoded in (one, two)
    ]
    assert events[0] == events[1]


def test_both_forms_give_the_same_log_records() -> None:
    """Field by field, and so the same events."""
    request = logs(
        log(
            VALUES,
            name="an.event",
            body={"a": [1, None]},
            trace=TRACE,
            span_number=1,
            severity_number=9,
            severity_text="INFO",
            flags=1,
            dropped_attributes_count=2,
            observed_time_unix_nano=5,
        ),
        log({}, body="text"),
    )
    one, two = (decode_logs(body(request, form), form) for form in FORMS)
    assert one.records == two.records
    assert len(one.records) == 2


@pytest.mark.parametrize("form", FORMS)
def test_values_that_json_cannot_hold_are_replaced_and_named(form: Form) -> None:
    """Integers that a double rounds become their digits, NaN and infinities their names."""
    (found,) = decode_traces(body(traces(full_span()), form), form).records
    assert {name: found.attributes[name] for name in VALUES} == VALUES
    assert found.attributes["bytes"] == "AP8="
    assert found.attributes["huge"] == str(2**62)
    assert (found.attributes["nan"], found.attributes["inf"]) == ("NaN", "-Infinity")
    assert set(found.replaced) == {"huge", "nan", "inf"}


@pytest.mark.parametrize("form", FORMS)
def test_resource_and_scope_are_shared(form: Form) -> None:
    """Not copied for each span."""
    one, two = decode_traces(body(traces(span({}), span({}, number=2)), form), form).records
    assert one.resource is two.resource
    assert one.scope is two.scope


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trace_id", b""),
        ("trace_id", bytes(16)),
        ("trace_id", b"x" * 15),
        ("trace_id", b"x" * 17),
        ("span_id", b""),
        ("span_id", bytes(8)),
        ("span_id", b"x" * 16),
    ],
)
def test_a_span_with_a_wrong_id_is_refused_alone(form: Form, field: str, value: bytes) -> None:
    """Its neighbours are taken, and its place is told."""
    bad = span({}, number=2)
    setattr(bad, field, value)
    request = traces(span({}, number=1), bad, span({}, number=3))
    decoded = decode_traces(body(request, form), form)
    assert [found.span_id[-1] for found in decoded.records] == ["1", "3"]
    (refusal,) = decoded.rejected
    assert (refusal.index, refusal.error_class) == (1, "bad_id")


@pytest.mark.parametrize("form", FORMS)
def test_a_parent_that_is_no_id_is_kept_beside(form: Form) -> None:
    """It costs the place in the tree, not the span."""
    made = span({})
    made.parent_span_id = b"xyz"
    (found,) = decode_traces(body(traces(made), form), form).records
    assert found.parent_span_id is None
    assert found.unread == ({"field": "parent_span_id", "value": b"xyz".hex()},)
    events = Translator().spans([found], observed_at=OBSERVED).events
    assert events[0].extensions["unread"] == [dict(found.unread[0])]


@pytest.mark.parametrize("form", FORMS)
def test_a_log_record_may_lack_ids_but_not_have_wrong_ones(form: Form) -> None:
    """Empty is no id, another length is a wrong one."""
    bad = log({"b": 1})
    bad.trace_id = b"short"
    decoded = decode_logs(body(logs(log({"a": 1}), bad), form), form)
    assert [found.trace_id for found in decoded.records] == [None]
    assert [(r.index, r.error_class) for r in decoded.rejected] == [(1, "bad_id")]


@pytest.mark.parametrize("form", FORMS)
def test_logs_sent_to_traces_and_spans_sent_to_logs_are_refused(form: Form) -> None:
    """Both are alike on the wire as far as their groups; none is accepted as nothing."""
    log_request = body(logs(log({"a": "b"}, body="text", trace=TRACE, span_number=1)), form)
    span_request = body(traces(span({"a": "b"}, events=[("e", {"x": 1})])), form)
    for decode, sent in ((decode_traces, log_request), (decode_logs, span_request)):
        assert _why_refused(decode, sent, form) == ["wrong_signal"]


def _why_refused(decode: Any, sent: bytes, form: Form) -> list[str]:
    """Return why a request was refused, as a whole or record by record; it was not taken."""
    try:
        decoded = decode(sent, form)
    except RejectedRecord as error:
        return [error.error_class]
    assert not decoded.records
    return [refusal.error_class for refusal in decoded.rejected]


def test_metrics_sent_to_traces_or_logs_are_refused() -> None:
    """They have the same groups as well."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens")
    metric.sum.data_points.add(as_int=1)
    for decode in (decode_traces, decode_logs):
        decoded = decode(request.SerializeToString(), "protobuf")
        assert not decoded.records
        assert len(decoded.rejected) == 1


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
@pytest.mark.parametrize(
    ("sent", "form"),
    [
        (b"\xff\xff", "protobuf"),
        (b"hello there", "protobuf"),
        (CANONICAL_TRACE.encode(), "protobuf"),
        (b"\x12\x00", "protobuf"),
        (b"", "json"),
        (b"[]", "json"),
        (b'"text"', "json"),
        (b'{"foo": 1}', "json"),
        (b'{"resourceSpans": 1, "resourceLogs": 1}', "json"),
        (b'{"resourceSpans": [', "json"),
        (b"[" * 5_000, "json"),
        (b'{"resourceMetrics": []}', "json"),
    ],
)
def test_a_body_that_is_no_request_is_refused_as_a_whole(
    decode: Any, sent: bytes, form: Form
) -> None:
    """Nothing of it can be taken, and the error quotes nothing."""
    with pytest.raises(RejectedRecord) as error:
        decode(sent, form)
    assert "hello" not in str(error.value)


@pytest.mark.parametrize(("sent", "form"), [(b"", "protobuf"), (b"{}", "json")])
def test_an_empty_request_is_one(sent: bytes, form: Form) -> None:
    """A sender with nothing to say is no error."""
    assert not decode_traces(sent, form).records
    assert not decode_logs(sent, form).rejected


def broken_text(request: Any, marker: bytes, broken: bytes) -> bytes:
    """Return a request in which the text `marker` is broken text of the same length."""
    data: bytes = request.SerializeToString()
    assert len(marker) == len(broken)
    assert marker in data
    return data.replace(marker, broken)


def test_broken_text_costs_no_more_than_itself() -> None:
    """The span is kept, and what was broken is told with its bytes."""
    request = traces(
        span({"good": 1}, number=1),
        span({"text": "MARKER", "other": "fine"}, number=2),
        span({}, number=3, name="MARKER"),
    )
    decoded = decode_traces(broken_text(request, b"MARKER", b"caf\xe9\xff!"), "protobuf")
    assert not decoded.rejected
    assert [found.span_id[-1] for found in decoded.records] == ["1", "2", "3"]
    assert decoded.records[1].attributes == {"other": "fine", "text": "caf\\xe9\\xff!"}
    assert decoded.records[1].replaced == ("text",)
    assert decoded.records[2].name == "caf\\xe9\\xff!"
    event = Translator().spans(decoded.records, observed_at=OBSERVED).events[1]
    assert event.extensions["schema_nonconformant"] == ["text"]


def test_broken_messages_are_still_the_prompt() -> None:
    """An attacker cannot hide a prompt behind one bad byte."""
    request = traces(span(chat([said("user", "MARKER")])))
    decoded = decode_traces(broken_text(request, b"MARKER", b"evil \xff"), "protobuf")
    events = Translator().spans(decoded.records, observed_at=OBSERVED).events
    assert "evil" in events[0].body.messages[0].parts[0].content


def test_broken_text_in_a_resource_costs_no_span() -> None:
    """Nor in the name of a scope."""
    request = traces(span({}), resource={"service.name": "MARKER"}, scope="MARKER")
    (found,) = decode_traces(broken_text(request, b"MARKER", b"\xff" * 6), "protobuf").records
    assert found.resource.attributes == {"service.name": "\\xff" * 6}
    assert found.scope.name == "\\xff" * 6


def test_a_value_nested_deeper_than_the_parser_goes_costs_no_span() -> None:
    """It is kept as the text of its bytes."""
    value = b"\x0a" + _sized(b"bottom")
    for _ in range(150):
        value = b"\x2a" + _sized(b"\x0a" + _sized(value))
    pair = b"\x0a" + _sized(b"deep") + b"\x12" + _sized(value)
    data = span({"a": 1}).SerializeToString() + b"\x4a" + _sized(pair)
    request = b"\x0a" + _sized(b"\x12" + _sized(b"\x12" + _sized(data)))
    (found,) = decode_traces(request, "protobuf").records
    assert found.attributes["a"] == 1
    assert "bottom" in found.attributes["deep"]


def test_a_field_that_nobody_knows_is_kept() -> None:
    """A later version may have added it."""
    made = span({})
    data = made.SerializeToString() + b"\xa2\x06\x03new" + b"\xa8\x06\x07"
    request = b"\x0a" + _sized(b"\x12" + _sized(b"\x12" + _sized(data)))
    (found,) = decode_traces(request, "protobuf").records
    assert found.unread == ({"field": "100", "value": "new"}, {"field": "101", "value": 7})


def test_the_groups_of_older_versions_are_read() -> None:
    """Before 0.15 they had other names and another number, and the same layout."""
    scoped = b"\x12" + _sized(span({"a": 1}).SerializeToString())
    request = b"\x0a" + _sized(b"\xc2\x3e" + _sized(scoped))
    (found,) = decode_traces(request, "protobuf").records
    assert found.attributes == {"a": 1}
    old = as_json(traces(span({"a": 1}))).replace(b"scopeSpans", b"instrumentationLibrarySpans")
    assert decode_traces(old, "json").records[0].attributes == {"a": 1}


def test_one_group_that_is_cut_off_costs_no_other() -> None:
    """It counts as one that is refused."""
    good = traces(span({})).SerializeToString()
    decoded = decode_traces(good + b"\x0a\x02\x12\x7f" + good, "protobuf")
    assert len(decoded.records) == 2
    assert [(r.index, r.error_class) for r in decoded.rejected] == [(1, "bad_protobuf")]


def _sized(data: bytes) -> bytes:
    size, found = len(data), b""
    while size > 0x7F:
        found += bytes([size & 0x7F | 0x80])
        size >>= 7
    return found + bytes([size]) + data


def in_json(**fields: Any) -> bytes:
    """Return a request with one span of these members, in JSON."""
    made = {"traceId": TRACE, "spanId": "0000000000000001", **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [made]}]}]}).encode()


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"kind": "SPAN_KIND_CLIENT"}, "kind", "client"),
        ({"kind": 3}, "kind", "client"),
        ({"kind": "3"}, "kind", "client"),
        ({"kind": 99}, "kind", "99"),
        ({"status": {"code": "STATUS_CODE_ERROR"}}, "status", "error"),
        ({"status": {"code": 2, "message": "m"}}, "status_message", "m"),
        ({"start_time_unix_nano": "5"}, "start", 5),
        ({"startTimeUnixNano": 5}, "start", 5),
        ({"startTimeUnixNano": 5.0}, "start", 5),
        ({"startTimeUnixNano": None}, "start", 0),
        ({"parent_span_id": "00000000000000AB"}, "parent_span_id", "00000000000000ab"),
        ({"dropped_attributes_count": 2}, "dropped_attributes", 2),
        ({"attributes": None}, "attributes", {}),
        ({"attributes": [{"key": "a", "value": {"intValue": 5}}]}, "attributes", {"a": 5}),
        ({"attributes": [{"key": "a", "value": {"int_value": "5"}}]}, "attributes", {"a": 5}),
        (
            {"attributes": [{"key": "a", "value": {"doubleValue": "NaN"}}]},
            "attributes",
            {"a": "NaN"},
        ),
        ({"attributes": [{"key": "a", "value": {}}]}, "attributes", {"a": None}),
        ({"attributes": [{"key": "a"}]}, "attributes", {"a": None}),
    ],
)
def test_json_is_read_leniently(fields: dict[str, Any], field: str, expected: Any) -> None:
    """Names in either case, integers as text or numbers, enumerations as numbers or names."""
    (found,) = decode_traces(in_json(**fields), "json").records
    assert getattr(found, field) == expected
    assert not found.unread


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"name": 5}, {"field": "name", "value": 5}),
        ({"startTimeUnixNano": "soon"}, {"field": "startTimeUnixNano", "value": "soon"}),
        ({"startTimeUnixNano": -1}, {"field": "startTimeUnixNano", "value": -1}),
        ({"kind": "SPAN_KIND_ODD"}, {"field": "kind", "value": "SPAN_KIND_ODD"}),
        ({"events": [5]}, {"field": "events", "value": 5}),
        ({"attributes": {"a": 1}}, {"field": "attributes", "value": {"a": 1}}),
        ({"novelty": [1]}, {"field": "novelty", "value": [1]}),
    ],
)
def test_members_of_another_form_are_kept_beside(fields: dict[str, Any], kept: Any) -> None:
    """The span is worth more than what is wrong with it."""
    (found,) = decode_traces(in_json(**fields), "json").records
    assert found.unread == (kept,)


@pytest.mark.parametrize(
    "value", [{"stringValue": 5}, {"intValue": "five"}, {"a": 1}, 5, "text", [1], {"arrayValue": 5}]
)
def test_values_of_another_form_are_kept_as_they_came(value: Any) -> None:
    """And flagged."""
    sent = in_json(attributes=[{"key": "a", "value": value}])
    (found,) = decode_traces(sent, "json").records
    assert (found.attributes, found.replaced) == ({"a": value}, ("a",))


def test_an_attribute_that_comes_twice_is_kept_twice() -> None:
    """Else one could hide behind the other."""
    pair = [{"key": "a", "value": {"intValue": n}} for n in (1, 2)]
    made = span({"a": 1})
    put(made.attributes, {"a": 2})
    for decoded in (
        decode_traces(in_json(attributes=pair), "json"),
        decode_traces(traces(made).SerializeToString(), "protobuf"),
    ):
        assert decoded.records[0].attributes == {"a": 1, "a'": 2}
        assert decoded.records[0].replaced == ("a'",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b'"MARK"', b'"\\ud800x"', "\ufffdx"),
        (b'"MARK"', b'"\xff"', "\ufffd"),
        (b'"MARK"', b"NaN", None),
        (b'"MARK"', b"1e999", None),
        (b'"MARK"', b'"x", "stringValue": "y"', {"stringValue": "x", "stringValue'": "y"}),
    ],
)
def test_json_that_is_wrong_in_one_place_costs_no_more_than_that(
    old: bytes, new: bytes, expected: Any
) -> None:
    """Half a surrogate pair, broken text, NaN, huge numbers, a key that comes twice."""
    sent = in_json(attributes=[{"key": "a", "value": {"stringValue": "MARK"}}], name="kept")
    (found,) = decode_traces(sent.replace(old, new), "json").records
    assert found.name == "kept"
    if expected is not None:
        assert found.attributes == {"a": expected}
    assert len(Translator().spans([found], observed_at=OBSERVED).events) == 1


def test_a_record_that_is_no_object_is_refused_alone() -> None:
    """With its place; so is a group that is none."""
    request = json.loads(as_json(traces(span({}), span({}, number=2))))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"].insert(1, 5)
    request["resourceSpans"].append("x")
    decoded = decode_traces(json.dumps(request).encode(), "json")
    assert len(decoded.records) == 2
    assert [refusal.index for refusal in decoded.rejected] == [1, 3]


def test_what_stands_beside_the_groups_is_refused_and_counted() -> None:
    """Log records behind a request's spans would be lost otherwise."""
    request = json.loads(as_json(traces(span({}))))
    request["resourceLogs"] = [{}]
    decoded = decode_traces(json.dumps(request).encode(), "json")
    assert (len(decoded.records), len(decoded.rejected)) == (1, 1)
    both = traces(span({})).SerializeToString() + b"\x12\x03abc"
    decoded = decode_traces(both, "protobuf")
    assert (len(decoded.records), len(decoded.rejected)) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"resource": {', '"resource": 5, "x": {'), ('"scope": {', '"scope": "x", "y": {')],
)
def test_a_resource_or_scope_that_is_none_costs_no_span(old: str, new: str) -> None:
    """It is kept as it came."""
    (found,) = decode_traces(CANONICAL_TRACE.replace(old, new, 1).encode(), "json").records
    assert found.attributes == {"my.span.attr": "some value"}
    kept = [item["value"] for item in (*found.resource.unread, *found.scope.unread)]
    assert {5, "x"} & {value for value in kept if isinstance(value, int | str)}


def test_a_resource_of_another_type_costs_no_span() -> None:
    """In protobuf as well."""
    resource = b"\x0a" + _sized(b"\x08\x07")  # its first field is no number
    scoped = b"\x12" + _sized(b"\x12" + _sized(span({}).SerializeToString()))
    (found,) = decode_traces(b"\x0a" + _sized(resource + scoped), "protobuf").records
    assert [item["field"] for item in found.resource.unread] == ["Resource"]


@pytest.mark.parametrize(
    "group",
    [
        {"scopeSpans": {"spans": []}},
        {"scopeSpans": [{"spans": {"traceId": TRACE}}]},
        {"scope_spams": [{}]},
        {"scopeSpans": [{"spams": [{}]}]},
    ],
)
def test_a_group_that_hides_its_spans_is_refused(group: Any) -> None:
    """It is not accepted as one without spans."""
    decoded = decode_traces(json.dumps({"resourceSpans": [group]}).encode(), "json")
    assert not decoded.records
    assert len(decoded.rejected) == 1


def test_a_group_of_unknown_fields_is_refused() -> None:
    """In protobuf as well: what they are about nobody knows."""
    for inner in (b"\x2a\x03abc", b"\x12" + _sized(b"\x2a\x03abc")):
        decoded = decode_traces(b"\x0a" + _sized(inner), "protobuf")
        assert not decoded.records
        assert [refusal.error_class for refusal in decoded.rejected] == ["unknown_field"]


def test_a_thousand_attributes_of_one_name_are_all_kept() -> None:
    """Each under a name of its own."""
    made = span({})
    for number in range(1000):
        put(made.attributes, {"a": number})
    (found,) = decode_traces(traces(made).SerializeToString(), "protobuf").records
    assert sorted(found.attributes.values()) == list(range(1000))
    assert max(map(len, found.attributes)) < 10


def test_the_two_requests_are_told_apart_by_their_types_alone() -> None:
    """A record of logs without anything in it is one, and no span."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add()
    sent = request.SerializeToString()
    assert len(decode_logs(sent, "protobuf").records) == 1
    assert len(decode_traces(sent, "protobuf").rejected) == 1
