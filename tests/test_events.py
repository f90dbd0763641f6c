"""The event: what it accepts, what it refuses, and that no form of it loses anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.schema import (
    EVENT_TYPE_OF_KIND,
    KINDS,
    RejectedRecord,
    canonical_bytes,
    content_fields,
    event_canonical_bytes,
    event_json,
    event_json_schema,
    event_object,
    parse_event,
    validate_event,
)
from locard.schema.arrow import EVENT_COLUMNS, event_table, events_of_table
from strategies import event_objects, events

DOCS = Path(__file__).parents[1] / "docs"
CANARY = "CANARY-4f1d"
MINIMAL: dict[str, Any] = {
    "kind": "tool_call",
    "event_id": "0198a5f0-0000-7000-8000-000000000001",
    "schema_version": "1.0",
    "occurred_at": "2026-05-04T09:32:00Z",
    "observed_at": "2026-05-04T09:32:00Z",
    "lane": "recorder",
    "body": {"tool_name": "send_money", "sighting": "executed"},
}


@given(batch=st.lists(events, min_size=1, max_size=8))
@settings(max_examples=60)
def test_an_event_survives_json_arrow_parquet_and_duckdb(batch, tmp_path_factory):
    """Any event that goes through JSON, Arrow, Parquet and DuckDB comes back equal."""
    path = tmp_path_factory.mktemp("trip") / "events.parquet"
    from_json = [parse_event(event_json(event)) for event in batch]
    pq.write_table(event_table(from_json), path, compression="zstd")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table = connection.read_parquet(str(path)).to_arrow_table()

    assert list(events_of_table(table)) == batch


@given(events)
def test_json_of_an_event_gives_the_same_event(event):
    """Writing and reading JSON changes nothing, and doing it twice gives the same bytes."""
    data = event_json(event)

    assert parse_event(data) == event
    assert event_json(parse_event(data)) == data
    assert b"\n" not in data


@given(event_objects())
def test_canonical_bytes_do_not_depend_on_the_order_of_fields(value):
    """The same event has the same canonical bytes however its object was ordered."""
    reordered = json.loads(json.dumps(dict(reversed(value.items()))))

    assert event_canonical_bytes(validate_event(value)) == event_canonical_bytes(
        validate_event(reordered)
    )


@given(event_objects())
def test_unknown_fields_survive(value):
    """A field that this version does not know is kept under its JSON Pointer."""
    extensions = validate_event(value).extensions

    if "something_newer" in value:
        assert_same(extensions["/something_newer"], value["something_newer"])
    if "body_novelty" in value["body"]:
        assert_same(extensions["/body/body_novelty"], value["body"]["body_novelty"])
    for name, given_value in value.get("extensions", {}).items():
        assert_same(extensions[name], given_value)


def assert_same(found: Any, given_value: Any) -> None:
    """Hold two JSON values against each other as JSON does: 1e16 and its digits are one number."""
    assert canonical_bytes(found) == canonical_bytes(given_value)


def test_an_unknown_field_does_not_overwrite_an_extension_of_its_name():
    """Where a source already uses the pointer as a name, both values are kept."""
    event = validate_event({**MINIMAL, "novel": 1, "extensions": {"/novel": 2}})

    assert event.extensions == {"/novel": 2, "/novel'": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_column_for_each_field(kind):
    """No field of any kind is without a column, and none is hidden by another."""
    event_type = EVENT_TYPE_OF_KIND[kind]
    fields = {*event_type.model_fields, *event_type.body_type().model_fields} - {"body", "seal"}

    assert fields <= set(EVENT_COLUMNS.names)


def test_content_fields_are_those_that_the_contract_names():
    """Messages, arguments, results, rationale and the person served are content, ids are not."""
    found = {
        name
        for event_type in EVENT_TYPE_OF_KIND.values()
        for model in (event_type, event_type.body_type())
        for name in content_fields(model)
    }

    assert {"messages", "arguments", "result", "rationale", "on_behalf_of", "extensions"} <= found
    assert not found & {"session_id", "call_id", "tool_name", "outcome", "trust", "event_id"}


BAD: dict[str, tuple[Any, str]] = {
    "no object": ([], "event: dict_type"),
    "unknown kind": ({**MINIMAL, "kind": CANARY}, "event: union_tag_invalid"),
    "missing id": ({k: v for k, v in MINIMAL.items() if k != "event_id"}, "event_id: missing"),
    "time without zone": ({**MINIMAL, "occurred_at": "2026-05-04T09:32:00"}, "timezone_aware"),
    "time as a number": ({**MINIMAL, "occurred_at": 1}, "occurred_at: datetime_type"),
    "time beyond UTC": ({**MINIMAL, "occurred_at": "0001-01-01T00:00:00+10:00"}, "value_error"),
    "text for a number": ({**MINIMAL, "seq": "1"}, "seq: int_type"),
    "number for text": ({**MINIMAL, "session_id": 5}, "session_id: string_type"),
    "negative seq": ({**MINIMAL, "seq": -1}, "seq: greater_than_equal"),
    "version": ({**MINIMAL, "schema_version": CANARY}, "schema_version: string_pattern_mismatch"),
    "body of another kind": ({**MINIMAL, "body": {"change": CANARY}}, "body.tool_name: missing"),
    "absent core field": ({**MINIMAL, "absent": {"session_id": "erased"}}, "value_error"),
    "absent for no reason": ({**MINIMAL, "absent": {"arguments": CANARY}}, "literal_error"),
    "canary as key": ({**MINIMAL, "body": {CANARY: {CANARY: 1}}}, "body.tool_name: missing"),
    "malformed known part": (
        {
            **MINIMAL,
            "kind": "prompt",
            "body": {"messages": [{"role": "user", "parts": [{"type": "text", "text": CANARY}]}]},
        },
        "messages.0.parts.0",
    ),
}


@pytest.mark.parametrize(("value", "told"), BAD.values(), ids=BAD.keys())
def test_what_is_no_event_is_refused_by_place_and_kind_of_fault(value, told):
    """A refusal names the field and the fault, and quotes nothing of the input."""
    with pytest.raises(RejectedRecord) as refusal:
        parse_event(json.dumps(value).encode())

    assert told in str(refusal.value)
    assert refusal.value.error_class == "invalid_event"
    assert CANARY not in str(refusal.value)
    assert CANARY not in repr(refusal.value)


def test_every_number_of_an_event_fits_its_column():
    """No integer that the schema accepts is too large to be stored: one would stop the pipeline."""
    integers = [
        found
        for definition in event_json_schema()["$defs"].values()
        for field in definition.get("properties", {}).values()
        for found in field.get("anyOf", [field])
        if found.get("type") == "integer"
    ]

    assert len(integers) > 8
    assert all(f["minimum"] == 0 and f["exclusiveMaximum"] == 2**53 for f in integers)


def test_unknown_fields_too_deep_to_be_read_again_are_refused():
    """What is accepted can be decoded later, also after an unknown field has moved."""
    deep: Any = 1
    for _ in range(199):
        deep = [deep]

    with pytest.raises(RejectedRecord) as refusal:
        validate_event({**MINIMAL, "novel": deep})
    assert refusal.value.error_class == "json_too_deep"


def test_unknown_fields_of_a_history_are_kept_as_content():
    """A summary that a newer writer adds to the history is redacted like any other content."""
    history = {"through": MINIMAL["event_id"], "messages": 1, "summary": {"text": "x"}}
    event = validate_event({**MINIMAL, "kind": "prompt", "body": {"history": history}})

    assert event.extensions == {"/body/history/summary": {"text": "x"}}
    assert event_object(event)["body"]["history"].keys() == {"through", "messages"}


def test_unknown_fields_of_a_declared_drop_are_kept_as_content():
    """Nothing that a sender adds to a statement stays in the core, where nobody redacts it."""
    drop = {"first_seq": 1, "last_seq": 2, "reason": "queue_full", "note": "GB29NWBK60161331926819"}
    body = {"statement": "interval", "drops": [drop, {**drop, "note": 2}]}
    event = validate_event({**MINIMAL, "kind": "accounting", "body": body})

    assert event.extensions == {
        "/body/drops/0/note": "GB29NWBK60161331926819",
        "/body/drops/1/note": 2,
    }
    assert "note" not in str(event_object(event)["body"])


NOT_JSON = {
    "json_syntax": b'{"kind": CANARY',
    "json_duplicate_key": b'{"CANARY-4f1d": 1, "CANARY-4f1d": 2}',
    "json_number_range": b'{"n": 9007199254740993}',
    "json_not_finite": b'{"n": NaN}',
    "json_too_deep": b"[" * 10_000,
    "json_encoding": b'{"CANARY-4f1d": "\xff"}',
}


@pytest.mark.parametrize(("error_class", "data"), NOT_JSON.items(), ids=NOT_JSON.keys())
def test_what_is_no_acceptable_json_is_refused_by_its_class(error_class, data):
    """Each way of not being JSON has a class of its own, and the message quotes nothing."""
    with pytest.raises(RejectedRecord) as refusal:
        parse_event(data)

    assert refusal.value.error_class == error_class
    assert "CANARY" not in str(refusal.value)


@given(events)
def test_repr_of_an_event_shows_no_content(event):
    """Neither `repr` nor `str` of an event or of its body shows more than the type."""
    assert repr(event) == str(event) == f"<{type(event).__name__}>"
    assert repr(event.body) == f"<{type(event.body).__name__}>"


def test_absent_null_and_empty_are_told_apart():
    """Not captured, null, empty text and an empty object are four different arguments."""

    def arguments(**body: Any) -> dict[str, Any]:
        return event_object(validate_event({**MINIMAL, "body": {**MINIMAL["body"], **body}}))[
            "body"
        ]

    absent = validate_event({**MINIMAL, "absent": {"arguments": "not_captured"}})
    assert event_object(absent)["absent"] == {"arguments": "not_captured"}
    assert "arguments" not in arguments(arguments=None)
    assert arguments(arguments="")["arguments"] == ""
    assert arguments(arguments={})["arguments"] == {}


def test_the_published_json_schema_is_the_current_one():
    """`docs/event.schema.json` is what the code says; `python -m locard.schema` prints it."""
    assert json.loads((DOCS / "event.schema.json").read_text()) == event_json_schema()
