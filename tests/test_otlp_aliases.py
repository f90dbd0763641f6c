"""Every name in the mapping: OpenInference, older names, and those of vendors' instrumentations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from locard.ingest.otlp import names
from otlp_requests import chat, of_kind, only, said, span, texts, translated

LLM = {"openinference.span.kind": "LLM"}
ASKED = [("user", "Weather?")]
ANSWERED = [("assistant", "Rain.")]
OPENAI = [{"role": "user", "content": "Weather?"}]


@pytest.mark.parametrize("name", names.SESSION)
def test_names_of_the_session(name: str) -> None:
    """Each of them names the session, and is not told twice."""
    event = translated(span({name: "s-1"})).events[0]
    assert event.session_id == "s-1"
    assert "attributes" not in event.body.attributes


def test_the_conversation_comes_before_the_session() -> None:
    """Where both are told, the other is kept."""
    event = translated(span({"session.id": "s", "gen_ai.conversation.id": "c"})).events[0]
    assert event.session_id == "c"
    assert event.body.attributes["attributes"] == {"session.id": "s"}


@pytest.mark.parametrize("name", names.USER)
def test_names_of_the_user(name: str) -> None:
    """Each of them names the person served."""
    assert translated(span({name: "u-1"})).events[0].on_behalf_of == "u-1"


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, "agent_id") for name in names.AGENT_ID]
    + [(name, "agent_name") for name in names.AGENT_NAME]
    + [(name, "agent_version") for name in names.AGENT_VERSION],
)
def test_names_of_the_agent(name: str, field: str) -> None:
    """Each of them names the agent; the node's parent in a graph is kept."""
    event = translated(span({name: "a", "graph.node.parent_id": "p"})).events[0]
    assert getattr(event, field) == "a"
    assert event.body.attributes["attributes"] == {"graph.node.parent_id": "p"}


@pytest.mark.parametrize("name", names.ENVIRONMENT)
def test_names_of_the_environment(name: str) -> None:
    """The resource tells it."""
    event = translated(span({}), resource={name: "production"}).events[0]
    assert event.environment == "production"
    assert event.agent_name is None


@pytest.mark.parametrize("name", names.PROVIDER)
def test_names_of_the_provider(name: str) -> None:
    """Each of them names the provider."""
    event = translated(span({**LLM, name: "openai"})).events[0]
    assert event.provider == "openai"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("az.ai.openai", "azure.ai.openai"),
        ("gemini", "gcp.gemini"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("xai", "x_ai"),
        ("moonshot_ai", "moonshot_ai"),
    ],
)
def test_old_names_of_providers_become_the_new_ones(old: str, new: str) -> None:
    """One provider has one name, and what the source said is kept."""
    event = translated(span({**LLM, "gen_ai.system": old})).events[0]
    assert event.provider == new
    assert (old in event.extensions["attributes"].values()) == (old != new)


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, "request_model") for name in names.REQUEST_MODEL]
    + [(name, "response_model") for name in names.RESPONSE_MODEL]
    + [(name, "response_id") for name in names.RESPONSE_ID],
)
def test_names_of_the_model_and_its_answer(name: str, field: str) -> None:
    """Each of them fills its column."""
    output = only(translated(span({**LLM, name: "x"})), "model_output")
    assert getattr(output, field) == "x"


@pytest.mark.parametrize(
    ("column", "name"), [(column, name) for column, found in names.TOKENS.items() for name in found]
)
def test_names_of_token_counts(column: str, name: str) -> None:
    """Each of them fills its column."""
    assert getattr(only(translated(span({**LLM, name: 7})), "model_output"), column) == 7


@pytest.mark.parametrize(
    "name",
    [
        "llm.token_count.total",
        "llm.usage.total_tokens",
        "gen_ai.usage.text.input_tokens",
        "gen_ai.usage.image.input_tokens",
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.video.input_tokens",
    ],
)
def test_other_counts_stay_attributes(name: str) -> None:
    """Totals and counts by modality are parts or sums of what has columns."""
    prompt = only(translated(span({**LLM, name: 7})), "prompt")
    assert prompt.extensions["attributes"][name] == 7


@pytest.mark.parametrize("name", names.FINISH_REASONS)
def test_names_of_finish_reasons(name: str) -> None:
    """Each of them tells why the model stopped."""
    given = ["stop"] if name == names.FINISH_REASONS[0] else "stop"
    translation = translated(span({**LLM, name: given}))
    assert only(translation, "model_output").finish_reasons == ("stop",)
    assert "schema_nonconformant" not in translation.events[0].extensions


INPUTS: dict[str, dict[str, Any]] = {
    "openinference": {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Weather?",
    },
    "openinference contents": {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "Weather?",
    },
    "input.value text": {"input.value": "Weather?", "input.mime_type": "text/plain"},
    "input.value json": {"input.value": json.dumps({"messages": OPENAI, "model": "m"})},
    "llm.prompts": {"llm.prompts.0.prompt.text": "Weather?"},
    "gen_ai.prompt indexed": {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Weather?",
    },
    "gen_ai.prompt json": {"gen_ai.prompt": json.dumps(OPENAI)},
    "gen_ai.prompt text": {"gen_ai.prompt": "Weather?"},
    "traceloop": {"traceloop.entity.input": json.dumps({"messages": OPENAI})},
    "mlflow": {"mlflow.spanInputs": json.dumps({"messages": OPENAI})},
    "ai sdk": {
        "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": "Weather?"}]}]
        )
    },
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_names_of_the_prompt(given: dict[str, Any]) -> None:
    """Each of them tells what the model was asked."""
    prompt = only(translated(span({**LLM, **given})), "prompt")
    assert texts(prompt) == ASKED
    assert prompt.body.messages[0].parts[0].trust == "user"
    assert not prompt.absent


OUTPUTS: dict[str, dict[str, Any]] = {
    "openinference": {
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Rain.",
    },
    "output.value text": {"output.value": "Rain."},
    "output.value json": {
        "output.value": json.dumps(
            {"id": "r-1", "choices": [{"message": {"role": "assistant", "content": "Rain."}}]}
        )
    },
    "output.value anthropic": {
        "output.value": json.dumps(
            {
                "id": "r-1",
                "type": "message",
                "role": "assistant",
                "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "Rain."}],
            }
        )
    },
    "output.value responses": {
        "output.value": json.dumps(
            {
                "id": "r-1",
                "output": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "Rain."}],
                    }
                ],
            }
        )
    },
    "llm.choices": {"llm.choices.0.completion.text": "Rain."},
    "gen_ai.completion indexed": {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Rain.",
        "gen_ai.completion.0.finish_reason": "stop",
    },
    "gen_ai.completion text": {"gen_ai.completion": "Rain."},
    "traceloop": {"traceloop.entity.output": "Rain."},
    "mlflow": {"mlflow.spanOutputs": "Rain."},
    "ai sdk": {"ai.response.text": "Rain."},
}


@pytest.mark.parametrize("given", OUTPUTS.values(), ids=OUTPUTS)
def test_names_of_the_output(given: dict[str, Any]) -> None:
    """Each of them tells what the model answered."""
    assert texts(only(translated(span({**LLM, **given})), "model_output")) == ANSWERED


def test_a_response_of_a_provider_tells_its_id_and_why_it_stopped() -> None:
    """What it says of itself beside its messages is kept."""
    given = OUTPUTS["output.value anthropic"]
    output = only(translated(span({**LLM, **given})), "model_output")
    assert (output.response_id, output.finish_reasons) == ("r-1", ("end_turn",))
    indexed = only(
        translated(span({**LLM, **OUTPUTS["gen_ai.completion indexed"]})), "model_output"
    )
    assert indexed.finish_reasons == ("stop",)


REQUESTED: dict[str, dict[str, Any]] = {
    "openinference": {
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
    },
    "gen_ai.completion": {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"a": 1}',
    },
}


@pytest.mark.parametrize("given", REQUESTED.values(), ids=REQUESTED)
def test_names_of_a_requested_call(given: dict[str, Any]) -> None:
    """The model's own id, the name of the tool and its arguments."""
    call = only(translated(span({**LLM, **given})), "tool_call")
    assert (call.call_id, call.body.tool_name, call.body.arguments) == ("c1", "f", {"a": 1})
    assert call.body.sighting == "requested"


def test_a_result_in_openinferences_messages() -> None:
    """A message of the role `tool` says which call it answers."""
    given = {
        "llm.input_messages.0.message.role": "tool",
        "llm.input_messages.0.message.tool_call_id": "c1",
        "llm.input_messages.0.message.content": "14 degrees",
    }
    result = only(translated(span({**LLM, **given})), "tool_result")
    assert (result.call_id, result.body.result) == ("c1", "14 degrees")


def test_more_than_ten_messages_stay_in_order() -> None:
    """Their numbers are numbers and not text."""
    given: dict[str, Any] = {}
    for index in reversed(range(12)):
        given[f"llm.input_messages.{index}.message.role"] = "user"
        given[f"llm.input_messages.{index}.message.content"] = f"m{index}"
    prompt = only(translated(span({**LLM, **given})), "prompt")
    assert [text for _, text in texts(prompt)] == [f"m{index}" for index in range(12)]


def test_what_repeats_the_messages_is_told_by_its_digest() -> None:
    """`input.value` is the whole request again, and would grow with the square of the turns."""
    request = json.dumps({"messages": OPENAI})
    prompt = only(
        translated(span({**LLM, **INPUTS["openinference"], "input.value": request})), "prompt"
    )
    assert texts(prompt) == ASKED
    assert prompt.extensions["restated"]["input.value"]["bytes"] == len(request)
    assert "input.value" not in prompt.extensions["attributes"]


def test_openinference_parameters_tools_and_model() -> None:
    """What was asked for is among the parameters; the one name of the model is the answer's."""
    given = {
        "llm.invocation_parameters": '{"model": "gpt-4o", "temperature": 0.5}',
        "llm.model_name": "gpt-4o-2024",
        "llm.tools.0.tool.json_schema": '{"name": "f"}',
        "llm.tools.1.tool.json_schema": '{"name": "g"}',
    }
    translation = translated(span({**LLM, **given}))
    prompt = only(translation, "prompt")
    assert prompt.body.tool_definitions == [{"name": "f"}, {"name": "g"}]
    assert prompt.parameters == {"model": "gpt-4o", "temperature": 0.5}
    assert prompt.request_model == "gpt-4o"
    assert only(translation, "model_output").response_model == "gpt-4o-2024"


@pytest.mark.parametrize("marker", ["__REDACTED__"])
def test_what_was_hidden_upstream_is_told_so(marker: str) -> None:
    """It is neither missing nor empty, and no text of its own."""
    hidden = translated(span({**LLM, "input.value": marker, "output.value": marker}))
    assert [event.absent for event in hidden.events] == [{"messages": "redacted_upstream"}] * 2
    assert marker not in str([event.body.messages for event in hidden.events])
    partly = {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": marker,
    }
    prompt = only(translated(span({**LLM, **partly})), "prompt")
    assert prompt.absent == {"messages": "redacted_upstream"}
    partly["llm.input_messages.1.message.role"] = "user"
    partly["llm.input_messages.1.message.content"] = "seen"
    prompt = only(translated(span({**LLM, **partly})), "prompt")
    assert not prompt.absent
    assert prompt.extensions["redacted_upstream"] == ["messages"]
    tool = {"openinference.span.kind": "TOOL", "input.value": marker, "output.value": marker}
    call, result = translated(span(tool)).events
    assert call.absent == {"arguments": "redacted_upstream"}
    assert result.absent == {"result": "redacted_upstream"}


TOOLS: dict[str, dict[str, Any]] = {
    "openinference": {
        "openinference.span.kind": "TOOL",
        "tool.name": "f",
        "tool.id": "c1",
        "tool.parameters": '{"a": 1}',
        "output.value": '{"b": 2}',
    },
    "openinference input": {
        "openinference.span.kind": "TOOL",
        "tool.name": "f",
        "tool_call.id": "c1",
        "input.value": '{"a": 1}',
        "output.value": '{"b": 2}',
    },
    "ai sdk": {
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": "f",
        "ai.toolCall.id": "c1",
        "ai.toolCall.args": '{"a": 1}',
        "ai.toolCall.result": '{"b": 2}',
    },
    "traceloop": {
        "traceloop.span.kind": "tool",
        "gen_ai.tool.name": "f",
        "gen_ai.tool.call.id": "c1",
        "traceloop.entity.input": '{"a": 1}',
        "traceloop.entity.output": '{"b": 2}',
    },
    "mlflow": {
        "mlflow.spanType": '"TOOL"',
        "tool.name": "f",
        "tool.id": "c1",
        "mlflow.spanInputs": '{"a": 1}',
        "mlflow.spanOutputs": '{"b": 2}',
    },
}


@pytest.mark.parametrize("given", TOOLS.values(), ids=TOOLS)
def test_names_of_a_tool(given: dict[str, Any]) -> None:
    """Its name, the id of its call, its arguments and its result."""
    call, result = translated(span(given)).events
    assert (call.body.tool_name, call.call_id, call.body.sighting) == ("f", "c1", "executed")
    assert (call.body.arguments, result.body.result) == ({"a": 1}, {"b": 2})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("LLM", ["prompt", "model_output"]),
        ("TOOL", ["tool_call", "tool_result"]),
        ("AGENT", ["lifecycle"]),
        ("CHAIN", ["lifecycle"]),
        ("RETRIEVER", ["content"]),
        ("RERANKER", ["content"]),
        ("EMBEDDING", ["lifecycle"]),
        ("GUARDRAIL", ["decision"]),
        ("EVALUATOR", ["decision"]),
        ("PROMPT", ["lifecycle"]),
        ("SOMETHING_NEW", ["lifecycle"]),
    ],
)
def test_kinds_of_openinference(kind: str, expected: list[str]) -> None:
    """Each kind of span has its kind of event."""
    translation = translated(span({"openinference.span.kind": kind}))
    assert [event.kind for event in translation.events] == expected


@pytest.mark.parametrize("kind", ["workflow", "task", "agent"])
def test_kinds_of_openllmetry(kind: str) -> None:
    """They say that something ran; what they hold is told where it is no message."""
    given = {"traceloop.span.kind": kind, "traceloop.entity.input": '{"x": 1}'}
    event = only(translated(span(given)), "lifecycle")
    assert event.body.change == kind
    assert event.body.attributes["attributes"]["traceloop.entity.input"] == '{"x": 1}'


def test_spans_of_the_ai_sdk() -> None:
    """The outer span repeats what the inner one tells."""
    inner = {
        "ai.operationId": "ai.generateText.doGenerate",
        **INPUTS["ai sdk"],
        **OUTPUTS["ai sdk"],
        "ai.telemetry.metadata.sessionId": "s",
    }
    outer = {"ai.operationId": "ai.generateText", "ai.response.text": "Rain."}
    translation = translated(span(outer, number=1), span(inner, number=2))
    assert [event.kind for event in translation.events] == ["lifecycle", "prompt", "model_output"]


def test_documents_of_openinference() -> None:
    """Each document with its id, score and metadata, in order."""
    given = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "invoice",
        "retrieval.documents.0.document.id": "d0",
        "retrieval.documents.0.document.content": "pay",
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.metadata": '{"from": "x"}',
        "retrieval.documents.1.document.content": "more",
    }
    event = only(translated(span(given)), "content")
    assert event.body.content == [
        {"id": "d0", "content": "pay", "score": 0.5, "metadata": {"from": "x"}},
        {"content": "more"},
    ]
    assert event.extensions["query"] == "invoice"


def test_what_a_guardrail_of_openinference_says() -> None:
    """Its output holds the verdict."""
    given = {
        "openinference.span.kind": "GUARDRAIL",
        "output.value": '{"allowed": false, "reason": "unsafe"}',
    }
    event = only(translated(span(given, name="toxicity")), "decision")
    assert (event.body.verdict, event.body.rationale, event.body.rule) == (
        "deny",
        "unsafe",
        "toxicity",
    )


def test_spans_of_a_framework_without_operation_are_known_by_their_names() -> None:
    """Older instrumentations name no operation."""
    given = {"gen_ai.system": "openai", "gen_ai.request.model": "m", **INPUTS["gen_ai.prompt json"]}
    assert [e.kind for e in translated(span(given)).events] == ["prompt", "model_output"]


STRANDS = "gen_ai.client.inference.operation.details"


def test_details_within_a_span_are_its_own() -> None:
    """They hold as JSON text what the attributes do not."""
    event = (
        STRANDS,
        {
            "gen_ai.input.messages": json.dumps([said("user", "Weather?")]),
            "gen_ai.output.messages": json.dumps([said("assistant", "Rain.")]),
        },
    )
    translation = translated(span(chat(), events=[event]))
    prompt, output = translation.events
    assert (texts(prompt), texts(output)) == (ASKED, ANSWERED)
    assert "events" not in prompt.extensions


def test_details_within_a_span_of_a_tool_are_its_own() -> None:
    """Arguments and result come in the form of messages."""
    call = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
    result = {"type": "tool_call_response", "id": "c1", "response": [{"text": "ok"}]}
    event = (
        STRANDS,
        {
            "gen_ai.input.messages": json.dumps([{"role": "tool", "parts": [call]}]),
            "gen_ai.output.messages": json.dumps([{"role": "tool", "parts": [result]}]),
        },
    )
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "f",
        "gen_ai.tool.call.id": "c1",
    }
    translation = translated(span(attributes, events=[event]))
    assert only(translation, "tool_call").body.arguments == {"a": 1}
    assert only(translation, "tool_result").body.result == [{"text": "ok"}]


def test_older_events_within_a_span_are_its_messages() -> None:
    """One event for each message, in the forms of OpenAI and of Bedrock."""
    events = [
        ("gen_ai.system.message", {"content": "Be short."}),
        ("gen_ai.user.message", {"content": '[{"text": "Weather?"}]'}),
        (
            "gen_ai.assistant.message",
            {"content": '[{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}]'},
        ),
        ("gen_ai.tool.message", {"content": "14", "id": "c1", "role": "tool"}),
        ("gen_ai.choice", {"message": '[{"text": "Rain."}]', "finish_reason": "end_turn"}),
    ]
    translation = translated(span(chat(), events=events))
    prompt, output = only(translation, "prompt"), only(translation, "model_output")
    assert texts(prompt) == [
        ("system", "Be short."),
        ("user", "Weather?"),
        ("assistant", ""),
        ("tool", ""),
    ]
    assert prompt.body.messages[2].parts[0].name == "f"
    assert only(translation, "tool_result").call_id == "c1"
    assert (texts(output), output.finish_reasons) == (ANSWERED, ("end_turn",))


def test_older_events_within_a_span_of_a_tool_are_its_arguments_and_result() -> None:
    """A message to the tool, and its choice."""
    events = [
        ("gen_ai.tool.message", {"role": "tool", "content": '{"a": 1}', "id": "c1"}),
        ("gen_ai.choice", {"message": '[{"text": "ok"}]', "id": "c1"}),
    ]
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    call, result = translated(span(attributes, events=events)).events
    assert (call.body.arguments, call.call_id) == ({"a": 1}, "c1")
    assert result.body.result == [{"text": "ok"}]


def test_an_evaluation_within_a_span_is_a_decision() -> None:
    """Read like the log record of the same name."""
    event = (
        "gen_ai.evaluation.result",
        {
            "gen_ai.evaluation.name": "relevance",
            "gen_ai.evaluation.score.value": 0.1,
            "gen_ai.evaluation.score.label": "fail",
            "gen_ai.evaluation.explanation": "off topic",
        },
    )
    translation = translated(span(chat(), events=[event]))
    body = only(translation, "decision").body
    assert (body.rule, body.verdict, body.rationale) == ("relevance", "deny", "off topic")


@pytest.mark.parametrize("prefix", sorted(names.EVALUATION_LISTS))
@pytest.mark.parametrize(
    ("kind", "decided_by"), [("HUMAN", "human"), ("CODE", "policy"), ("LLM", "model")]
)
def test_evaluations_listed_among_the_attributes_are_decisions(
    prefix: str, kind: str, decided_by: str
) -> None:
    """OpenInference lists them, as annotations or evaluations."""
    inner = names.EVALUATION_LISTS[prefix]
    item = f"{prefix}.0.{inner}"
    given = {
        f"{item}.name": "toxicity",
        f"{item}.label": "pass",
        f"{item}.score": 0.5,
        f"{item}.explanation": "polite",
        f"{item}.annotator_kind": kind,
        f"{prefix}.1.{inner}.name": "second",
    }
    translation = translated(span({**LLM, **given}))
    first, second = of_kind(translation, "decision")
    assert (first.body.rule, first.body.verdict) == ("toxicity", "allow")
    assert (first.body.rationale, first.body.decided_by) == ("polite", decided_by)
    assert first.extensions["attributes"]["evaluation.score"] == 0.5
    assert second.body.rule == "second"
    assert len({event.event_id for event in translation.events}) == 4


def test_other_events_within_a_span_are_kept() -> None:
    """An exception, for one."""
    told = {"exception.type": "ValueError", "exception.message": "no"}
    translation = translated(span(chat(), events=[("exception", told)]))
    (kept,) = of_kind(translation, "prompt")[0].extensions["events"]
    assert (kept["name"], kept["attributes"]) == ("exception", told)
