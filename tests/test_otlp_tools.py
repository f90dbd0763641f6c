"""Tools and their protocols, agents, retrieval, memory, guardrails, and spans of other kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from locard.ingest.otlp import Translator
from otlp_requests import calls, chat, of_kind, only, said, span, tells, texts, translated

CLIENT, SERVER, INTERNAL = 3, 2, 1


def tool(**attributes: Any) -> dict[str, Any]:
    """Return the attributes of a tool that ran."""
    found = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"}
    return found | {name.replace("__", "."): value for name, value in attributes.items()}


def mcp(method: str = "tools/call", **attributes: Any) -> dict[str, Any]:
    """Return the attributes of a request of the Model Context Protocol."""
    found = {"mcp.method.name": method, "mcp.session.id": "m-1", "jsonrpc.request.id": "7"}
    return found | {name.replace("__", "."): value for name, value in attributes.items()}


def test_a_tool_that_ran_becomes_a_call_and_a_result() -> None:
    """The call stands at the beginning of the span and the result, caused by it, at its end."""
    translation = translated(
        span(
            tool(
                gen_ai__tool__call__id="c1",
                gen_ai__tool__type="function",
                gen_ai__tool__description="The weather",
                gen_ai__tool__call__arguments='{"city": "Paris"}',
                gen_ai__tool__call__result='{"sky": "rain"}',
            ),
            kind=INTERNAL,
        )
    )
    call, result = translation.events
    assert (call.kind, result.kind) == ("tool_call", "tool_result")
    assert (call.body.tool_name, call.body.tool_type) == ("get_weather", "function")
    assert (call.body.sighting, call.body.arguments) == ("executed", {"city": "Paris"})
    assert (result.body.outcome, result.body.trust) == ("ok", "tool")
    assert result.body.result == {"sky": "rain"}
    assert call.call_id == result.call_id == "c1"
    assert result.caused_by == (call.event_id,)
    assert call.extensions["attributes"]["gen_ai.tool.description"] == "The weather"


def test_arguments_and_result_may_be_structured() -> None:
    """They need not be JSON text."""
    translation = translated(
        span(
            tool(
                gen_ai__tool__call__arguments={"city": "Paris"},
                gen_ai__tool__call__result=[1, {"a": None}],
            )
        )
    )
    assert only(translation, "tool_call").body.arguments == {"city": "Paris"}
    assert only(translation, "tool_result").body.result == [1, {"a": None}]


def test_arguments_and_result_that_are_not_captured_are_told_so() -> None:
    """Capturing is a choice; a failed tool has no result to capture."""
    ran = translated(span(tool()))
    assert only(ran, "tool_call").absent == {"arguments": "not_captured"}
    assert only(ran, "tool_result").absent == {"result": "not_captured"}
    failed = translated(span(tool(error__type="ValueError"), failed="no such city"))
    body = only(failed, "tool_result").body
    assert (body.outcome, body.error_type, body.error_message) == (
        "error",
        "ValueError",
        "no such city",
    )
    assert not only(failed, "tool_result").absent


@pytest.mark.parametrize(
    ("attributes", "failed", "outcome"),
    [
        ({}, None, "ok"),
        ({}, "bad", "error"),
        ({"error.type": "tool_error"}, None, "error"),
        ({"error.type": "timeout"}, None, "timeout"),
        ({"error.type": "TimeoutError"}, "late", "timeout"),
        ({"error.type": "permission_denied"}, "no", "denied"),
        ({"gen_ai.tool.call.result": '{"content": [], "isError": true}'}, None, "error"),
        ({"gen_ai.tool.call.result": '{"content": [], "isError": false}'}, None, "ok"),
        ({"rpc.response.status_code": "-32602"}, None, "error"),
        ({"rpc.response.status_code": 0}, None, "ok"),
    ],
)
def test_the_outcome_of_a_tool(
    attributes: dict[str, Any], failed: str | None, outcome: str
) -> None:
    """It is told by the type of the error, the status, or the result itself."""
    translation = translated(span(tool() | attributes, failed=failed))
    assert only(translation, "tool_result").body.outcome == outcome


@pytest.mark.parametrize(
    ("tool_type", "trust"),
    [("function", "tool"), ("extension", "external"), ("datastore", "external")],
)
def test_how_far_a_result_is_trusted(tool_type: str, trust: str) -> None:
    """By the convention, extensions and data stores bring in what other systems hold."""
    translation = translated(span(tool(gen_ai__tool__type=tool_type)))
    assert only(translation, "tool_result").body.trust == trust


@pytest.mark.parametrize(
    ("kind", "sighting"), [(CLIENT, "client"), (SERVER, "server"), (INTERNAL, "executed")]
)
def test_a_tool_protocol_is_seen_from_its_client_or_server(kind: int, sighting: str) -> None:
    """Also where the span says that it executes a tool, as the convention recommends."""
    attributes = mcp(
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="send_mail",
        server__address="mail.example.com",
    )
    translation = translated(span(attributes, kind=kind))
    call = only(translation, "tool_call")
    assert (call.body.sighting, call.body.tool_server) == (sighting, "mail.example.com")
    assert call.call_id == "mcp:m-1:7"
    assert call.session_id == f"trace:{call.trace_id}"
    assert call.extensions["attributes"]["mcp.session.id"] == "m-1"


def test_the_four_sightings_of_one_call_have_one_id_and_are_all_kept() -> None:
    """Requested, executed, at the client and at the server: the id of the model joins them."""
    call_id = {"gen_ai.tool.call.id": "call_9"}
    protocol = mcp(gen_ai__tool__name="get_weather") | call_id
    translation = translated(
        span(chat([], [calls("call_9", "get_weather", {"city": "Paris"})]), number=1),
        span(tool() | call_id, number=2, kind=INTERNAL),
        span(protocol, number=3, kind=CLIENT, parent=2),
        span(protocol, number=4, kind=SERVER, parent=3),
    )
    sightings = of_kind(translation, "tool_call")
    assert [event.body.sighting for event in sightings] == [
        "requested",
        "executed",
        "client",
        "server",
    ]
    assert {event.call_id for event in sightings} == {"call_9"}
    assert len(of_kind(translation, "tool_result")) == 3


def test_client_and_server_without_the_models_id_are_joined_by_the_protocols() -> None:
    """Session and request of the protocol name a call; a request alone does not."""
    attributes = mcp(gen_ai__tool__name="f")
    translation = translated(
        span(attributes, number=1, kind=CLIENT), span(attributes, number=2, kind=SERVER)
    )
    assert {event.call_id for event in translation.events} == {"mcp:m-1:7"}
    del attributes["mcp.session.id"]
    assert {event.call_id for event in translated(span(attributes)).events} == {None}


@pytest.mark.parametrize(
    ("method", "kind", "resource_type"),
    [("resources/read", "content", "mcp.resource"), ("prompts/get", "content", "mcp.prompt")],
)
def test_what_is_read_from_a_server_is_content(method: str, kind: str, resource_type: str) -> None:
    """Resources and prompts of a server come from outside."""
    attributes = mcp(method, mcp__resource__uri="file:///a", gen_ai__prompt__name="greet")
    event = only(translated(span(attributes)), kind)
    assert (event.body.operation, event.body.resource_type) == ("read", resource_type)
    assert (event.body.uri or event.body.title) in ("file:///a", "greet")
    assert (event.body.trust, event.absent) == ("external", {"content": "not_captured"})


def test_other_methods_of_the_protocol_are_lifecycle() -> None:
    """`initialize` and `tools/list` change what an agent can do."""
    event = only(translated(span(mcp("tools/list"))), "lifecycle")
    assert event.body.change == "mcp.tools/list"
    assert event.body.attributes["attributes"]["mcp.session.id"] == "m-1"


@pytest.mark.parametrize(
    "operation", ["invoke_agent", "create_agent", "invoke_workflow", "handle_conversation_turn"]
)
def test_an_agent_is_lifecycle_and_its_usage_is_not_counted_again(operation: str) -> None:
    """It repeats the usage of the calls below it: the columns would count it twice."""
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.agent.name": "payer",
        "gen_ai.agent.id": "a-1",
        "gen_ai.agent.version": "3",
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.request.model": "gpt-4o",
    }
    event = only(translated(span(attributes, name="invoke_agent payer")), "lifecycle")
    assert event.body.change == operation
    assert event.input_tokens is event.output_tokens is None
    assert event.body.attributes["attributes"]["gen_ai.usage.input_tokens"] == 900
    assert event.body.attributes["name"] == "invoke_agent payer"
    assert (event.agent_name, event.agent_id, event.agent_version) == ("payer", "a-1", "3")
    assert event.request_model == "gpt-4o"


def test_an_agents_messages_are_told_only_where_its_calls_did_not() -> None:
    """The agent began first, and even so its calls of models tell the conversation."""
    question, answer = said("user", "x"), said("assistant", "y")
    agent = chat(
        [question],
        [answer],
        gen_ai__operation__name="invoke_agent",
        gen_ai__usage__input_tokens=9,
    )
    model = chat([question], [answer])
    translation = translated(span(agent, number=1, seconds=9), span(model, number=2, parent=1))
    assert [event.kind for event in translation.events] == ["lifecycle", "prompt", "model_output"]
    assert {event.span_id for event in of_kind(translation, "prompt")} == {"0000000000000002"}
    alone = translated(span(agent))
    assert [event.kind for event in alone.events] == ["lifecycle", "prompt", "model_output"]
    assert only(alone, "model_output").input_tokens is None
    told = only(alone, "lifecycle").body.attributes["attributes"]
    assert told["gen_ai.usage.input_tokens"] == 9


def test_an_agents_messages_are_told_again_when_it_is_sent_again() -> None:
    """What an agent's own events hold is no reason to leave them out the second time."""
    agent = chat(
        [said("user", "x"), calls("c", "f", {}), tells("c", "r")],
        [said("assistant", "y")],
        gen_ai__operation__name="invoke_agent",
    )
    translator = Translator()
    first = translated(span(agent), translator=translator)
    assert translated(span(agent), translator=translator).events == first.events
    assert len(first.events) == 4


def test_the_nearest_agent_above_names_the_agent_of_a_span() -> None:
    """Else it is the service; a span that names an agent itself keeps it."""
    outer = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "outer"}
    inner = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "inner"}
    translation = translated(
        span(outer, number=1),
        span(inner, number=2, parent=1),
        span({"http.request.method": "GET"}, number=3, parent=2),
        span(chat(gen_ai__agent__name="own"), number=4, parent=3),
        span(tool(), number=5, parent=1),
        span({}, number=6),
    )
    named = {event.span_id[-1]: event.agent_name for event in translation.events}
    assert named == {
        "1": "outer",
        "2": "inner",
        "3": "inner",
        "4": "own",
        "5": "outer",
        "6": "payer",
    }


def test_parents_that_go_in_a_circle_do_no_harm() -> None:
    """Whoever sends such spans gets them recorded."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
    translation = translated(
        span({}, number=1, parent=2),
        span({}, number=2, parent=1),
        span(agent, number=3, parent=3),
        span({}, number=4, parent=4),
    )
    assert len(translation.events) == 4


def test_documents_that_are_retrieved_are_content() -> None:
    """They come from outside the agent, and what was asked for stands beside them."""
    documents = [{"id": "d1", "score": 0.9, "content": "pay GB33…"}]
    attributes = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.query.text": "invoice",
        "gen_ai.retrieval.documents": json.dumps(documents),
        "gen_ai.data_source.id": "mails",
    }
    event = only(translated(span(attributes)), "content")
    assert (event.body.operation, event.body.trust) == ("read", "external")
    assert (event.body.title, event.body.content) == ("mails", documents)
    assert event.extensions["query"] == "invoice"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("search_memory", "read"),
        ("create_memory", "write"),
        ("update_memory", "write"),
        ("upsert_memory", "write"),
        ("delete_memory", "write"),
        ("create_memory_store", "write"),
        ("delete_memory_store", "write"),
    ],
)
def test_memory_is_content(operation: str, expected: str) -> None:
    """What an agent remembers is read and written like any document."""
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.memory.store.id": "store",
        "gen_ai.memory.record.id": "r1",
        "gen_ai.memory.records": '[{"text": "the bank has changed"}]',
        "gen_ai.memory.query.text": "bank",
        "gen_ai.memory.record.count": 1,
    }
    event = only(translated(span(attributes)), "content")
    assert (event.body.operation, event.body.resource_type) == (expected, "memory")
    assert (event.body.title, event.body.uri) == ("store", "r1")
    assert event.body.content == [{"text": "the bank has changed"}]
    assert event.extensions["operation"] == operation
    assert event.extensions["attributes"]["gen_ai.memory.record.count"] == 1


@pytest.mark.parametrize("prefix", ["gen_ai.guardrail.", "gen_ai.security."])
def test_a_guardrail_is_a_decision(prefix: str) -> None:
    """Under either of the names that the convention, still being written, has had."""
    attributes = {
        "gen_ai.operation.name": "run_guardrail",
        f"{prefix}verdict": "block",
        f"{prefix}policy.id": "no-payments",
        f"{prefix}reason": "a new account",
        f"{prefix}risk.category": "fraud",
        f"{prefix}external_finding_id": "f-1",
    }
    event = only(translated(span(attributes)), "decision")
    assert (event.body.decided_by, event.body.verdict) == ("guardrail", "deny")
    assert (event.body.rule, event.body.rationale) == ("no-payments", "a new account")
    assert event.extensions["attributes"][f"{prefix}risk.category"] == "fraud"
    assert event.extensions["attributes"][f"{prefix}verdict"] == "block"


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("Allow", "allow"),
        ("pass", "allow"),
        ("mask", "modify"),
        ("review", "ask"),
        ("maybe", "unknown"),
    ],
)
def test_words_for_a_verdict(word: str, verdict: str) -> None:
    """Sources use many words; one that is not known is kept and counts as unknown."""
    attributes = {"gen_ai.operation.name": "apply_guardrail", "gen_ai.guardrail.action": word}
    event = only(translated(span(attributes)), "decision")
    assert event.body.verdict == verdict
    assert event.extensions["attributes"]["gen_ai.guardrail.action"] == word


def test_a_plan_is_a_decision_of_the_model() -> None:
    """With its messages, where it has any."""
    attributes = chat([said("user", "x")], [said("assistant", "1. read mail")])
    translation = translated(span(attributes | {"gen_ai.operation.name": "plan"}))
    assert [event.kind for event in translation.events] == ["decision", "prompt", "model_output"]
    assert translation.events[0].body.decided_by == "model"
    assert texts(translation.events[2]) == [("assistant", "1. read mail")]


def test_an_operation_nobody_knows_is_kept_with_its_model_and_usage() -> None:
    """`embeddings` and whatever comes after are lifecycle of that name."""
    attributes = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "embed-3",
        "gen_ai.usage.input_tokens": 8,
    }
    event = only(translated(span(attributes)), "lifecycle")
    assert (event.body.change, event.request_model, event.input_tokens) == (
        "embeddings",
        "embed-3",
        8,
    )


def test_a_span_of_another_kind_is_kept_as_it_is() -> None:
    """A request of HTTP or to a database is part of the trace, and nothing is dropped."""
    attributes = {"http.request.method": "GET", "url.full": "https://a.example", "n": [1, 2.5]}
    event = only(translated(span(attributes, name="GET", failed="no route")), "lifecycle")
    assert event.body.change == "span"
    assert event.body.attributes["attributes"] == attributes
    told = event.body.attributes
    assert (told["name"], told["kind"], told["status"]) == ("GET", "client", "error")
    assert told["status_message"] == "no route"
    assert told["ended_at"].endswith("Z")


def test_loss_flags_and_links_are_kept() -> None:
    """Counts of what an exporter dropped are evidence of loss."""
    made = span(
        chat(),
        dropped_attributes_count=3,
        dropped_events_count=2,
        dropped_links_count=1,
        flags=257,
        trace_state="a=b",
    )
    link = made.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, dropped_attributes_count=1)
    link.attributes.add(key="why").value.string_value = "retry"
    extensions = translated(made).events[0].extensions
    assert extensions["dropped"] == {"attributes": 3, "events": 2, "links": 1}
    assert extensions["source"]["flags"] == 257
    assert extensions["source"]["trace_state"] == "a=b"
    assert extensions["links"] == [
        {
            "trace_id": (b"t" * 16).hex(),
            "span_id": (b"s" * 8).hex(),
            "attributes": {"why": "retry"},
            "dropped_attributes": 1,
        }
    ]


def test_a_span_without_times_is_as_old_as_its_arrival() -> None:
    """The clock that was looked at is told."""
    made = span({})
    made.start_time_unix_nano = made.end_time_unix_nano = 0
    event = only(translated(made), "lifecycle")
    assert (event.time_source, event.occurred_at) == ("observed", event.observed_at)
