"""Log records: events of OpenTelemetry, and what Claude Code and Codex write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from locard.ingest.otlp import Translator
from otlp_requests import (
    RESOURCE,
    TRACE,
    chat,
    log,
    of_kind,
    only,
    said,
    span,
    texts,
    translated,
)

DETAILS = "gen_ai.client.inference.operation.details"
CLAUDE = {"session.id": "s-1", "user.id": "u-1", "terminal.type": "vscode"}
CODEX = {"conversation.id": "s-1", "model": "gpt-5-codex", "user.account_id": "acc"}


def structured(given: list[Any], answered: list[Any]) -> dict[str, Any]:
    """Return the attributes of the details of a call of a model, messages as values."""
    return {
        **chat(gen_ai__conversation__id="conv", gen_ai__usage__input_tokens=5),
        "gen_ai.input.messages": given,
        "gen_ai.output.messages": answered,
    }


@pytest.mark.parametrize("named", ["field", "attribute", "body"])
def test_details_of_a_call_of_a_model(named: str) -> None:
    """Read as the span would be, whichever way the record says what it is."""
    attributes = structured([said("user", "Weather?")], [said("assistant", "Rain.")])
    record = log(
        {**attributes, **({"event.name": DETAILS} if named == "attribute" else {})},
        name=DETAILS if named == "field" else "",
        body=DETAILS if named == "body" else None,
        trace=TRACE,
        span_number=1,
    )
    prompt, output = translated(record).events
    assert (prompt.kind, output.kind) == ("prompt", "model_output")
    assert (texts(prompt), texts(output)) == ([("user", "Weather?")], [("assistant", "Rain.")])
    assert (prompt.lane, prompt.session_id, prompt.trace_id) == ("otlp_log", "conv", TRACE)
    assert prompt.span_id == "0000000000000001"
    assert output.input_tokens == 5


def test_a_details_record_without_provider() -> None:
    """The provider is not in its table, and need not be there."""
    attributes = structured([said("user", "x")], [])
    del attributes["gen_ai.provider.name"]
    assert only(translated(log(attributes, name=DETAILS)), "prompt").provider is None


def test_a_span_and_the_log_record_of_it_store_their_messages_once() -> None:
    """Both are kept, and the second refers to the first."""
    translator = Translator()
    given = [said("user", "Weather? " * 100)]
    attributes = structured(given, [said("assistant", "Rain.")])
    first = translated(span(chat(given, gen_ai__conversation__id="conv")), translator=translator)
    second = translated(
        log(attributes, name=DETAILS, trace=TRACE, span_number=1), translator=translator
    )
    prompt = only(second, "prompt")
    assert not prompt.body.messages
    assert prompt.body.history.through == only(first, "prompt").event_id
    assert prompt.event_id != only(first, "prompt").event_id


def test_older_events_of_one_span_continue_each_other() -> None:
    """Each record holds one message; together they are the prompt that was answered."""
    where: dict[str, Any] = {"trace": TRACE, "span_number": 1}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Rain."},
    }
    translation = translated(
        log(name="gen_ai.system.message", body={"content": "Be short."}, number=1, **where),
        log(name="gen_ai.user.message", body={"content": "Weather?"}, number=2, **where),
        log(name="gen_ai.assistant.message", body={"tool_calls": [call]}, number=3, **where),
        log(name="gen_ai.tool.message", body={"content": "14", "id": "c1"}, number=4, **where),
        log(name="gen_ai.choice", body=choice, number=5, **where),
    )
    prompts = of_kind(translation, "prompt")
    assert [texts(prompt) for prompt in prompts[:3]] == [
        [("system", "Be short.")],
        [("user", "Weather?")],
        [("assistant", "")],
    ]
    assert [prompt.body.history and prompt.body.history.messages for prompt in prompts] == [
        None,
        1,
        2,
        3,
    ]
    result = only(translation, "tool_result")
    assert (result.call_id, result.body.result) == ("c1", "14")
    assert prompts[3].body.messages[0].same_as.event == result.event_id
    output = only(translation, "model_output")
    assert output.caused_by == (prompts[3].event_id,)
    assert (texts(output), output.finish_reasons) == ([("assistant", "Rain.")], ("stop",))


def test_a_long_conversation_of_one_span_is_kept_whole() -> None:
    """It is told in several runs, and each message is stored once."""
    where: dict[str, Any] = {"trace": TRACE, "span_number": 1}
    translation = translated(
        *(
            log(name="gen_ai.user.message", body={"content": f"m{n}"}, number=n + 1, **where)
            for n in range(450)
        )
    )
    told = [text for prompt in of_kind(translation, "prompt") for _, text in texts(prompt)]
    assert told == [f"m{n}" for n in range(450)]


def test_the_content_of_an_older_event_may_be_an_attribute() -> None:
    """Some write the body as JSON text in `gen_ai.event.content`."""
    record = log(
        {"event.name": "gen_ai.user.message", "gen_ai.event.content": '{"content": "Weather?"}'}
    )
    assert texts(only(translated(record), "prompt")) == [("user", "Weather?")]


def test_an_evaluation_is_a_decision() -> None:
    """Its score is kept."""
    record = log(
        {
            "gen_ai.evaluation.name": "relevance",
            "gen_ai.evaluation.score.value": 0.9,
            "gen_ai.evaluation.score.label": "pass",
            "gen_ai.evaluation.explanation": "on topic",
            "gen_ai.response.id": "r-1",
        },
        name="gen_ai.evaluation.result",
    )
    event = only(translated(record), "decision")
    assert (event.body.decided_by, event.body.verdict) == ("model", "allow")
    assert (event.body.rule, event.body.rationale) == ("relevance", "on topic")
    assert event.response_id == "r-1"
    assert event.extensions["attributes"]["gen_ai.evaluation.score.value"] == 0.9


def test_an_exception_is_lifecycle() -> None:
    """With what it says."""
    told = {"exception.type": "ValueError", "exception.message": "no"}
    event = only(translated(log(told, name="gen_ai.client.operation.exception")), "lifecycle")
    assert event.body.change == "exception"
    assert event.body.attributes["attributes"] == told


def test_a_record_of_another_kind_is_kept_as_it_is() -> None:
    """Body, severity and attributes."""
    record = log({"a": 1}, body={"text": ["x"]}, severity_number=9, severity_text="INFO", flags=1)
    event = only(translated(record), "lifecycle")
    assert event.body.change == "log"
    assert event.body.attributes == {
        "body": {"text": ["x"]},
        "severity": "INFO",
        "flags": 1,
        "attributes": {"a": 1},
    }
    assert event.session_id is None


def test_records_come_in_the_order_of_time_and_then_of_their_sequence() -> None:
    """Their times may be equal."""
    translation = translated(
        *(log({"n": n, "event.sequence": 9 - n}, number=1) for n in range(3)),
        log({"n": 9}, number=0),
    )
    order = [event.body.attributes["attributes"]["n"] for event in translation.events]
    assert order == [9, 2, 1, 0]


def test_a_record_with_no_time_of_its_own_has_that_of_its_observation() -> None:
    """And says so."""
    record = log({}, observed_time_unix_nano=1_777_887_120_000_000_000)
    record.time_unix_nano = 0
    event = translated(record).events[0]
    assert event.time_source == "observed"
    assert event.occurred_at.isoformat() == "2026-05-04T09:32:00+00:00"


def test_equal_records_are_each_kept_and_told_apart() -> None:
    """Two equal records of one request are two; sent again they are the same two."""
    records = [log({"a": 1}), log({"a": 1})]
    first = translated(*records)
    assert len({event.event_id for event in first.events}) == 2
    assert translated(*records).events == first.events


def claude(name: str, **attributes: Any) -> Any:
    """Return a record as Claude Code writes it."""
    given = {name.replace("__", "."): value for name, value in attributes.items()}
    return log(
        {**CLAUDE, "event.name": name, "event.sequence": 3, **given}, body=f"claude_code.{name}"
    )


def codex(name: str, **attributes: Any) -> Any:
    """Return a record as Codex writes it."""
    given = {name.replace("__", "."): value for name, value in attributes.items()}
    return log({**CODEX, "event.name": f"codex.{name}", **given})


@pytest.mark.parametrize(
    "record", [claude("user_prompt", prompt="Pay!"), codex("user_prompt", prompt="Pay!")]
)
def test_what_the_user_asked(record: Any) -> None:
    """A prompt with one message of the user."""
    prompt = only(translated(record), "prompt")
    assert texts(prompt) == [("user", "Pay!")]
    assert prompt.session_id == "s-1"


def test_a_prompt_that_is_hidden_or_not_logged() -> None:
    """The vendor hides it unless told otherwise."""
    hidden = only(translated(claude("user_prompt", prompt="<REDACTED>", prompt_length=4)), "prompt")
    assert hidden.absent == {"messages": "redacted_upstream"}
    assert hidden.extensions["attributes"]["prompt_length"] == 4
    missing = only(translated(codex("user_prompt", prompt_length=4)), "prompt")
    assert missing.absent == {"messages": "not_captured"}


@pytest.mark.parametrize(
    ("source", "decided_by"),
    [
        ("config", "policy"),
        ("hook", "policy"),
        ("user_permanent", "human"),
        ("user_temporary", "human"),
        ("user_abort", "human"),
        ("user_reject", "human"),
    ],
)
@pytest.mark.parametrize(("word", "verdict"), [("accept", "allow"), ("reject", "deny")])
def test_decisions_of_claude_code(source: str, decided_by: str, word: str, verdict: str) -> None:
    """Who decided, what, about which tool."""
    record = claude("tool_decision", tool_name="Bash", decision=word, source=source)
    event = only(translated(record), "decision")
    assert (event.body.decided_by, event.body.verdict) == (decided_by, verdict)
    assert event.body.rule == "Bash"
    assert event.extensions["attributes"]["source"] == source
    assert event.extensions["attributes"]["decision"] == word
    assert event.on_behalf_of == "u-1"


@pytest.mark.parametrize(
    ("word", "source", "verdict", "decided_by"),
    [
        ("approved", "User", "allow", "human"),
        ("approved_for_session", "user", "allow", "human"),
        ("approved", "Config", "allow", "policy"),
        ("denied", "user", "deny", "human"),
        ("abort", "user", "deny", "human"),
        ("denied", "automated_reviewer", "deny", "guardrail"),
    ],
)
def test_decisions_of_codex(word: str, source: str, verdict: str, decided_by: str) -> None:
    """The call that was decided about is named."""
    record = codex("tool_decision", tool_name="shell", call_id="c1", decision=word, source=source)
    event = only(translated(record), "decision")
    assert (event.body.verdict, event.body.decided_by) == (verdict, decided_by)
    assert event.call_id == "c1"


def test_a_change_of_permissions_is_a_decision() -> None:
    """What may be done without asking has changed."""
    record = claude(
        "permission_mode_changed",
        from_mode="default",
        to_mode="bypassPermissions",
        trigger="shift_tab",
    )
    event = only(translated(record), "decision")
    assert (event.body.decided_by, event.body.rule) == (
        "human",
        "permission_mode:bypassPermissions",
    )
    assert event.extensions["attributes"]["from_mode"] == "default"


@pytest.mark.parametrize(
    ("success", "outcome"),
    [("true", "ok"), (True, "ok"), ("false", "error"), (False, "error"), (None, "unknown")],
)
def test_a_tool_of_claude_code(success: Any, outcome: str) -> None:
    """A call and its result, with what was logged of them."""
    record = claude(
        "tool_result",
        tool_name="Bash",
        tool_use_id="toolu_1",
        success=success,
        tool_parameters='{"bash_command": "ls"}',
        duration_ms="12",
        **({"error": "exit 1"} if outcome == "error" else {}),
    )
    call, result = translated(record).events
    assert (call.body.tool_name, call.body.arguments) == ("Bash", {"bash_command": "ls"})
    assert (call.body.sighting, call.call_id) == ("executed", "toolu_1")
    assert (result.body.outcome, result.call_id) == (outcome, "toolu_1")
    assert result.body.error_message == ("exit 1" if outcome == "error" else None)
    assert ("result" in result.absent) == (outcome != "error")
    assert call.extensions["attributes"]["duration_ms"] == "12"


def test_a_tool_of_codex() -> None:
    """Its output is the result."""
    record = codex(
        "tool_result",
        tool_name="shell",
        call_id="c1",
        arguments='{"command": ["ls"]}',
        output="a.txt",
        success="true",
    )
    call, result = translated(record).events
    assert (call.body.arguments, call.call_id) == ({"command": ["ls"]}, "c1")
    assert (result.body.result, result.body.outcome) == ("a.txt", "ok")


def test_what_a_call_of_a_model_cost() -> None:
    """Tokens without text: what was said is not logged."""
    record = claude(
        "api_request",
        model="claude-sonnet",
        input_tokens="10",
        output_tokens=20,
        cache_read_tokens=30,
        cache_creation_tokens=40,
        cost_usd=0.01,
    )
    output = only(translated(record), "model_output")
    assert (output.provider, output.request_model) == ("anthropic", "claude-sonnet")
    assert (output.input_tokens, output.output_tokens) == (10, 20)
    assert (output.cache_read_input_tokens, output.cache_creation_input_tokens) == (30, 40)
    assert output.absent == {"messages": "not_captured"}
    completed = codex(
        "sse_event",
        event__kind="response.completed",
        input_token_count=1,
        output_token_count=2,
        cached_token_count=3,
        reasoning_token_count=4,
    )
    output = only(translated(completed), "model_output")
    assert (output.provider, output.request_model) == ("openai", "gpt-5-codex")
    assert (output.input_tokens, output.output_tokens) == (1, 2)
    assert (output.cache_read_input_tokens, output.reasoning_output_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (codex("conversation_starts", approval_policy="never"), "session_start"),
        (codex("sse_event", event__kind="response.created"), "log"),
        (codex("api_request", attempt=1), "log"),
        (claude("api_error", error="overloaded"), "log"),
    ],
)
def test_other_records_of_vendors_are_lifecycle(record: Any, change: str) -> None:
    """With their name and all they say."""
    event = only(translated(record), "lifecycle")
    assert event.body.attributes["name"].startswith(("codex.", "claude_code."))
    assert event.body.change == change
    assert event.session_id == "s-1"
    assert event.body.attributes["attributes"]


def test_names_without_the_vendor_get_it_from_the_scope() -> None:
    """Claude Code names itself as the scope."""
    record = log({"event.name": "user_prompt", "prompt": "Pay!"})
    translation = translated(
        record, scope="com.anthropic.claude_code.events", resource={**RESOURCE, "os": "x"}
    )
    assert texts(only(translation, "prompt")) == [("user", "Pay!")]


def test_resource_and_scope_are_kept_once() -> None:
    """With the first event of the record."""
    translation = translated(
        log(json.loads(json.dumps(structured([said("user", "x")], []))), name=DETAILS)
    )
    first, second = translation.events
    assert first.extensions["resource"] == RESOURCE
    assert first.extensions["scope"] == {"name": "tests"}
    assert not second.extensions
