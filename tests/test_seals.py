"""From an event to its leaf and back: what is sealed at the source is proved in the lake."""

from __future__ import annotations

import io
import json
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.evidence.bundle import standalone
from locard.evidence.bundle.rows import json_lines
from locard.evidence.commitments import commitment, from_hex, new_seed, salt_of
from locard.evidence.emptied import emptied_evidence
from locard.evidence.rows import row_evidence
from locard.evidence.seals import Sealed, is_intact, new_seal
from locard.evidence.verifier.leaves import NO_LEAF, row_leaves
from locard.ingest.eventlog import outgoing
from locard.ingest.intake import DEFAULT_INTAKE_LIMITS, take_in
from locard.ingest.segments import Position, Row, Segment, segments_table
from locard.ingest.stamping import Sender
from locard.redaction import RedactedEvent, without_content
from locard.schema import (
    Event,
    event_json,
    event_object,
    parse_event,
    validate_event,
)
from locard.schema.arrow import events_of_table
from making import RECORD, event
from strategies import event_objects

SENDER = Sender("agent-1", workflow_id="billing", agent_id="payer", is_verified=True)


def arrived(plain: Event) -> Event:
    """Return an event as the consumer reads it from the log."""
    return parse_event(outgoing(plain, event_json(plain)).value)


def segment(*rows: tuple[Event, Event]) -> Segment:
    """Return a segment of events, each as it came and as it is stored."""
    made = Segment("topic", 0, 7, 7)
    for offset, (raw, stored) in enumerate(rows, 7):
        evidence = row_evidence(event_object(raw), event_object(stored))
        made.rows.append(Row(Position("topic", 0, offset), RedactedEvent(stored, RECORD, evidence)))
        made.advance(made.rows[-1].position)
    return made


def masked(value: Any) -> Any:
    """Return a JSON value with every text in it replaced, as redaction might."""
    if isinstance(value, str):
        return f"‹{len(value)}›"
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value


@settings(deadline=None)
@given(event_objects())
def test_every_event_is_proved_as_it_was_sealed(told):
    """Through JSON, the log, Parquet and DuckDB, by the writer and by both verifiers."""
    plain = validate_event(told)
    raw = arrived(plain)
    made = segment((raw, raw))
    written = io.BytesIO()
    pq.write_table(segments_table([made]), written)
    table = pq.read_table(io.BytesIO(written.getvalue()))
    ours = made.rows[0].leaf()
    assert made.rows[0].evidence.sealed_by == "source"
    assert row_leaves(table)[0] == [ours]
    through = duckdb.from_arrow(table).to_arrow_table()
    assert row_leaves(through)[0] == [ours]
    (line,) = json_lines(table, ()).splitlines()
    assert standalone.row_leaf(standalone.parsed(line.decode()))[0] == ours
    (back,) = events_of_table(table)
    assert back == raw.model_copy(update={"seal": None})


@settings(deadline=None)
@given(event_objects())
def test_what_redaction_changes_is_committed_to_before_and_after(told):
    """The salt of what it was stays out of the lake; of what it left alone it comes along."""
    raw = arrived(validate_event(told))
    as_objects = event_object(raw)
    body = {
        name: masked(value) if name in ("arguments", "result", "content", "rationale") else value
        for name, value in as_objects["body"].items()
    }
    stored = validate_event({**as_objects, "body": body})
    made = segment((raw, stored))
    evidence = json.loads(made.rows[0].evidence.stored)
    seed = from_hex(raw.seal.seed)
    for name, value in Sealed.of(as_objects).values.items():
        source = commitment(salt_of(seed, name), name, value).hex()
        entry = evidence["fields"][name]
        after = Sealed.of(event_object(stored)).values.get(name)
        if after == value:
            assert entry == {"salt": salt_of(seed, name).hex()}
        else:
            assert entry["source"] == source
            assert entry["salt"] != salt_of(seed, name).hex()
    assert raw.seal.seed not in made.rows[0].evidence.stored
    assert row_leaves(segments_table([made]))[0] == [made.rows[0].leaf()]


@settings(deadline=None)
@given(event_objects())
def test_a_leaf_stays_when_content_goes(told):
    """Erased or quarantined: the value and its salt are gone, the leaf is as it was."""
    raw = arrived(validate_event(told))
    made = segment((raw, raw))
    core = without_content(raw)
    evidence = row_evidence(event_object(raw), event_object(core.event))
    assert all(set(entry) == {"source"} for entry in json.loads(evidence.stored)["fields"].values())
    values = Sealed.of(event_object(raw)).values
    emptied = emptied_evidence(made.rows[0].evidence.stored, values)
    assert '"salt"' not in emptied
    (row,) = segments_table([made]).to_pylist()
    gone = {**row, **dict.fromkeys(values), "evidence": emptied}
    (line,) = json_lines(
        segments_table([made]).from_pylist([gone], schema=segments_table([made]).schema), ()
    ).splitlines()
    assert standalone.row_leaf(standalone.parsed(line.decode()))[0] == made.rows[0].leaf()


@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_a_collector_stamps_does_not_break_the_seal(is_sealed):
    """A recorder has sealed it before, or the collector does; both ways the source is proved."""
    plain = event("tool_call", collector_id="c", incarnation="i", seq=0)
    sent = outgoing(plain, event_json(plain)).value if is_sealed else event_json(plain)
    intake = take_in(sent, "lines", DEFAULT_INTAKE_LIMITS, SENDER)
    raw = parse_event(intake.records[0].value)
    assert (raw.workflow_id, raw.agent_id, raw.principal) == ("billing", "payer", "agent-1")
    assert raw.seal.stamped == (("agent_id", "workflow_id") if is_sealed else ())
    made = segment((raw, raw))
    assert made.rows[0].evidence.sealed_by == "source"
    assert row_leaves(segments_table([made]))[0] == [made.rows[0].leaf()]


@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_a_sender_claims_of_itself_is_sealed_as_a_claim(is_sealed):
    plain = event("tool_call", principal="somebody")
    sent = outgoing(plain, event_json(plain)).value if is_sealed else event_json(plain)
    intake = take_in(sent, "lines", DEFAULT_INTAKE_LIMITS, SENDER)
    raw = parse_event(intake.records[0].value)
    made = segment((raw, raw))
    assert raw.extensions == {"claimed_principal": "somebody"}
    assert made.rows[0].evidence.sealed_by == "source"
    assert row_leaves(segments_table([made]))[0] == [made.rows[0].leaf()]


def test_a_seal_that_does_not_fit_is_made_anew_and_the_row_says_so():
    """An event that was changed on its way, and one that nobody sealed."""
    raw = arrived(event())
    changed = validate_event({**event_object(raw), "session_id": "another"})
    for one in (changed, event()):
        made = segment((one, one))
        assert made.rows[0].evidence.sealed_by == "consumer"
        assert row_leaves(segments_table([made]))[0] == [made.rows[0].leaf()]


def test_a_seal_is_of_one_event():
    """Any change of the core or of content breaks it; what later hops write does not."""
    plain = event("decision", {"decided_by": "policy", "verdict": "allow", "rationale": "so"})
    seal = new_seal(event_object(plain))
    seed = from_hex(seal.seed)

    def holds(**changed: object) -> bool:
        parts = Sealed.of({**event_object(plain), **changed})
        return is_intact(seal, parts, parts.commitments(seed))

    assert holds()
    assert holds(principal="p", principal_verified=True, ingested_at="2026-05-04T09:32:00Z")
    assert not holds(session_id="s2")
    assert not holds(on_behalf_of="Mia")
    assert not holds(body={**event_object(plain)["body"], "rationale": "so."})
    assert not holds(absent={"parameters": "not_captured"})


def test_salts_of_one_event_say_nothing_of_each_other():
    seed = new_seed()
    assert len({salt_of(seed, name) for name in ("result", "arguments", "messages")}) == 3
    assert salt_of(seed, "result") != salt_of(new_seed(), "result")
    assert len(commitment(salt_of(seed, "result"), "result", b'"x"')) == 32


@given(st.binary(max_size=40))
def test_hex_has_one_form(given_bytes):
    assert from_hex(given_bytes.hex()) == given_bytes


@pytest.mark.parametrize("broken", ["a", "AB", "0a ", "é0", "0g"])
def test_another_form_of_hex_is_refused(broken):
    with pytest.raises(ValueError, match=r"."):
        from_hex(broken)


def test_columns_that_no_row_can_have_lead_to_no_leaf():
    (row,) = segments_table([segment((arrived(event()),) * 2)]).to_pylist()
    schema = segments_table([segment((arrived(event()),) * 2)]).schema
    for changed in (
        {"evidence": None},
        {"evidence": "nonsense"},
        {"evidence": "{}"},
        {"evidence": '{"fields":{"arguments":{}}}'},
        {"evidence": '{"fields":{"arguments":{"salt":"00"}}}', "arguments": None},
        {"absent": "[]"},
    ):
        table = segments_table([]).from_pylist([{**row, **changed}], schema=schema)
        leaves, _ = row_leaves(table)
        assert leaves == [NO_LEAF] or changed == {"absent": "[]"}
