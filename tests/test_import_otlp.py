"""Files of OpenTelemetry's file exporter become what the collector makes of the same requests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exported import LONG, chat, conversation, decision, logs, said, traces
from importing import OBSERVED, START, events_in_log, line, of_kind, send
from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.otlp_json import EMPTY, OTHER_SIGNAL, OtlpJson
from locard.ingest.otlp import Translator, decode_logs, decode_traces
from locard.schema import RejectedRecord
from strategies import texts

AROUND = Surroundings(START, OBSERVED, "traces.json")
PROMPT = [said("user", LONG)]
BAD = {**chat(9, PROMPT, "no"), "spanId": "beef"}


def converted(*given_lines):
    """Convert lines of one file, each after the others were taken."""
    converter = OtlpJson()
    results = []
    for data in given_lines:
        results.append(converter.convert(line(data), AROUND))
        results[-1].commit()
    return results


def test_a_line_becomes_what_the_collector_makes_of_it():
    """Spans and log records give the events, with their ids and lanes, of the same request."""
    data = [traces(chat(1, PROMPT, "a"), chat(2, PROMPT, "b", session="s2")), logs(decision(3))]
    spans, records = converted(*data)
    translator = Translator()

    told = translator.spans(decode_traces(data[0], "json").records, observed_at=OBSERVED)
    assert list(spans.events) == told.events
    assert spans.session_ids == {"s1", "s2"}
    told = translator.logs(decode_logs(data[1], "json").records, observed_at=OBSERVED)
    assert list(records.events) == told.events
    assert {event.lane for event in (*spans.events, *records.events)} == {"otlp_trace", "otlp_log"}


def test_what_is_refused_costs_nothing_beside_it():
    """A span with a bad id is counted by its class, and the others of its line are imported."""
    (result,) = converted(traces(BAD, chat(1, PROMPT, "a"), {**BAD, "traceId": ""}))

    assert len(of_kind(result, "model_output")) == 1
    (notice,) = result.notices
    assert notice.startswith("spans or log records that were refused: bad_id: ")
    assert result.notices[notice] == 2


def test_a_line_of_which_nothing_can_be_taken_is_refused():
    """Where every span is refused the line is a reject, with the first one's class."""
    with pytest.raises(RejectedRecord) as caught:
        converted(traces(BAD, BAD))

    assert caught.value.error_class == "bad_id"
    assert str(caught.value).startswith("none of its 2 spans or log records could be taken; the fi")


@pytest.mark.parametrize(
    ("data", "notice"),
    [
        (b'{"resourceMetrics":[{"scopeMetrics":[]}]}', OTHER_SIGNAL),
        (b'{"resource_metrics":[]}', OTHER_SIGNAL),
        (b'{"resourceProfiles":[]}', OTHER_SIGNAL),
        (b'{"resourceSpans":[]}', EMPTY),
        (b'{"resourceLogs":[{"scopeLogs":[]}]}', EMPTY),
    ],
)
def test_what_gives_no_event_is_left_out_with_a_reason(data, notice):
    """Metrics, profiles and requests that are empty are counted."""
    (result,) = converted(data)

    assert (result.events, result.notices) == ((), {notice: 1})


def test_the_list_is_found_wherever_it_stands():
    """Some senders write names with an underscore, or other members first."""
    request = json.loads(traces(chat(1, PROMPT, "a")))
    underscored = json.dumps({"resource_spans": request["resourceSpans"]}).encode()
    later = json.dumps({"of_tomorrow": '{"resourceLogs":', **request}).encode()

    for data in (underscored, later):
        (result,) = converted(data)
        assert [event.kind for event in result.events] == ["prompt", "model_output"]

    records = json.dumps({"of_tomorrow": [], **json.loads(logs(decision(1)))}).encode()
    (result,) = converted(records)
    assert {event.lane for event in result.events} == {"otlp_log"}


@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        (b"{", "json_syntax"),
        (b"[]", "not_a_request"),
        (b'{"messages": []}', "not_a_request"),
        (b'{"resourceSpans": 7}', "not_a_request"),
        (b'{"resourceLogs": "x"}', "not_a_request"),
    ],
)
def test_what_is_no_request_is_refused(data, error_class):
    """A line that is not of the form is refused with its class."""
    with pytest.raises(RejectedRecord) as caught:
        converted(data)

    assert caught.value.error_class == error_class


def test_each_message_is_stored_once():
    """Every turn repeats the conversation; over the lines each message is in one event."""
    results = converted(*conversation(20))
    prompts = [event for result in results for event in of_kind(result, "prompt")]

    assert [len(prompt.body.messages) for prompt in prompts] == [1] * 20
    assert [prompt.body.history and prompt.body.history.messages for prompt in prompts] == [
        None,
        *range(2, 40, 2),
    ]


def test_a_line_that_was_not_taken_is_not_referred_to():
    """A conversation whose beginning never reached the log is stored again."""
    converter = OtlpJson()
    first, second = conversation(2)
    converter.convert(line(first), AROUND)
    (prompt,) = of_kind(converter.convert(line(second), AROUND), "prompt")

    assert prompt.body.history is None
    assert len(prompt.body.messages) == 3


def test_a_log_record_is_of_the_session_of_its_trace():
    """A record that names its trace alone belongs to the session that a line before it told."""
    spans = traces(chat(1, PROMPT, "a", session="s9"), chat(2, PROMPT, "b", session=None))
    _, result = converted(spans, logs(decision(3, trace=7)))

    assert result.session_ids == {"s9"}


def test_a_resumed_import_refers_to_what_was_imported_before(tmp_path):
    """Lines that were sent before are shown to the converter, and nothing is stored twice."""
    home, file, lines = tmp_path / "home", tmp_path / "a.json", conversation(6)
    file.write_bytes(b"\n".join(lines[:3]))
    send(home, file, "otlp-json")
    file.write_bytes(b"\n".join(lines))
    report = send(home, file, "otlp-json")

    assert (report.lines, report.known_lines) == (3, 3)
    prompts = [event for event in events_in_log(home / "log.sqlite") if event.kind == "prompt"]
    assert [len(prompt.body.messages) for prompt in prompts] == [1] * 6


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(["resourceSpans", "resourceLogs", "resourceMetrics", "x"]),
    inner=json_values,
    spans=st.lists(
        st.fixed_dictionaries({}, optional={k: json_values | st.just(v) for k, v in BAD.items()})
        | st.builds(chat, st.integers(0, 5), json_values, texts)
        | json_values,
        max_size=3,
    ),
    is_whole=st.booleans(),
)
def test_whatever_stands_in_a_line_is_converted_counted_or_refused(name, inner, spans, is_whole):
    """No line is without events, a notice or a refusal, and nothing else is raised."""
    scoped = {"spans": spans, "logRecords": spans}
    groups = [{"scopeSpans": [scoped], "scopeLogs": [scoped]}] if is_whole else inner
    try:
        (result,) = converted(json.dumps({name: groups}).encode())
    except RejectedRecord:
        return
    assert result.events or result.notices.total()
