"""Hypothesis strategies for events: any that the schema allows, hostile text included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from locard.schema import KINDS, SCHEMA_VERSION, Event, validate_event

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.sampled_from(
    ["", "\x00", "\u202eevil", "‹IBAN_CODE:k1:0000000000000000›", '"; DROP TABLE', "𝒳\ue000", "é"]
)
names = st.text("abcdefgh_./-é", min_size=1, max_size=12)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
counts = st.integers(0, 2**53 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
times = st.datetimes(timezones=st.just(UTC))
uuids = st.uuids().map(str)
trusts = st.sampled_from(["system", "operator", "user", "tool", "external", "unknown"])


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for an object in which any of these fields may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


def record(
    required: dict[str, st.SearchStrategy[Any]], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for an object with required and optional fields."""
    return st.fixed_dictionaries(required, optional=fields)


parts = st.one_of(
    record({"type": st.sampled_from(["text", "reasoning"]), "content": texts}, trust=trusts),
    record({"type": st.just("tool_call"), "name": texts}, id=texts, arguments=json_values),
    record({"type": st.just("tool_call_response")}, id=texts, response=json_values, trust=trusts),
    record({"type": st.just("blob"), "content": texts}, mime_type=texts, modality=texts),
    record({"type": st.just("file"), "file_id": texts}, mime_type=texts),
    record({"type": st.just("uri"), "uri": texts}, trust=trusts),
    record({"type": st.just("something_new")}, trust=trusts, novelty=json_values),
)
messages = st.lists(
    record({"role": texts}, name=texts, finish_reason=texts, parts=st.lists(parts, max_size=3)),
    max_size=3,
)
history = record({"through": uuids, "messages": st.integers(0, 1000)})
bodies: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "prompt": optional(messages=messages, history=history, tool_definitions=json_values),
    "model_output": optional(messages=messages),
    "tool_call": record(
        {
            "tool_name": texts,
            "sighting": st.sampled_from(["requested", "executed", "client", "server"]),
        },
        tool_server=texts,
        effect=st.sampled_from(["read", "write", "send", "execute", "delete"]),
        arguments=json_values,
    ),
    "tool_result": record(
        {"outcome": st.sampled_from(["ok", "error", "denied", "timeout", "unknown"])},
        tool_name=texts,
        trust=trusts,
        error_type=texts,
        error_message=texts,
        result=json_values,
    ),
    "content": record(
        {"operation": st.sampled_from(["read", "write"])},
        uri=texts,
        title=texts,
        content=json_values,
    ),
    "decision": record(
        {
            "decided_by": st.sampled_from(["policy", "human", "guardrail", "model"]),
            "verdict": st.sampled_from(["allow", "deny", "modify", "ask", "unknown"]),
        },
        rule=texts,
        latency_ms=floats,
        rationale=texts,
    ),
    "lifecycle": record({"change": names}, attributes=json_values),
    "accounting": record(
        {"statement": st.sampled_from(["open", "interval", "close"])},
        first_seq=counts,
        last_seq=counts,
        count=counts,
        declared_drops=counts,
        signature=texts,
    ),
    "access": record({"action": names}, query=texts, row_count=counts, case_id=texts),
    "custody": record({"custody_action": names}, reason=texts, targets=json_values, ticket=texts),
}
core = record(
    {
        "event_id": uuids,
        "schema_version": st.just(SCHEMA_VERSION),
        "occurred_at": times.map(datetime.isoformat),
        "observed_at": times.map(datetime.isoformat),
        "lane": st.sampled_from(["recorder", "otlp_trace", "otlp_log", "import"]),
    },
    ingested_at=times.map(datetime.isoformat),
    time_source=st.sampled_from(["source", "observed", "importer"]),
    collector_id=texts,
    incarnation=texts,
    seq=st.integers(0, 2**53 - 1),
    workflow_id=texts,
    agent_name=texts,
    principal=texts,
    principal_verified=st.booleans(),
    on_behalf_of=texts,
    session_id=texts,
    trace_id=texts,
    call_id=texts,
    caused_by=st.lists(uuids, max_size=3),
    request_model=texts,
    input_tokens=st.integers(0, 2**53 - 1),
    finish_reasons=st.lists(texts, max_size=2),
    parameters=json_values,
    extensions=st.dictionaries(texts, json_values, max_size=2),
    something_newer=json_values,
)


@st.composite
def event_objects(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    """Draw the JSON object of a valid event, sometimes with fields that nobody knows."""
    kind = draw(st.sampled_from(kinds))
    body = draw(bodies[kind])
    if draw(st.booleans()):
        body = {**body, "body_novelty": draw(json_values)}
    absences = {} if kind == "accounting" else {"extensions": "erased"}
    absent = draw(st.sampled_from([{}, {"on_behalf_of": "not_captured"}, absences]))
    return {**draw(core), "kind": kind, "body": body, **({"absent": absent} if absent else {})}


events: st.SearchStrategy[Event] = event_objects().map(validate_event)
