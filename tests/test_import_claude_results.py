"""Results in transcripts of Claude Code: how calls went, and who refused them."""

from __future__ import annotations

import pytest

from locard.ingest.importers.claude_prompts import NO_CALL
from transcripts import (
    REJECTED,
    STOP,
    answered,
    events_of,
    gives,
    only,
    returned,
    step,
    text,
    told,
    uses,
)

ASKS = answered("u1", uses("c1", "Edit", file_path="a"))


def test_a_result_is_that_of_its_call():
    """A result names its call and tool, is caused by it, and keeps the structured form."""
    events = events_of(
        ASKS, returned("u2", gives("c1"), parent="u1", toolUseResult={"stdout": "x"})
    )
    call, result = events[1:]

    assert (result.call_id, result.body.tool_name) == ("c1", "Edit")
    assert (result.body.outcome, result.body.trust) == ("ok", "tool")
    assert result.body.result == "done"
    assert result.caused_by == (call.event_id,)
    assert result.extensions["toolUseResult"] == {"stdout": "x"}


@pytest.mark.parametrize(
    ("block", "fields", "outcome", "error_type"),
    [
        ({}, {}, "ok", None),
        ({"is_error": False}, {}, "ok", None),
        ({"is_error": None}, {}, "ok", None),
        ({"is_error": True}, {}, "error", None),
        ({"is_error": "yes"}, {}, "unknown", None),
        ({}, {"toolUseResult": {"interrupted": True}}, "error", "interrupted"),
        ({}, {"toolUseResult": {"timedOutAfterMs": 120_000}}, "timeout", None),
        ({"is_error": True}, {"toolDenialKind": "cancelled"}, "error", "cancelled"),
        ({"is_error": True}, {"toolDenialKind": "permission-rule"}, "denied", "permission-rule"),
        ({"is_error": True}, {"toolDenialKind": "of a newer version"}, "denied", None),
        ({"is_error": True}, {"toolDenialKind": ["x"]}, "error", None),
    ],
)
def test_how_a_call_went(block, fields, outcome, error_type):
    """The record says how a call went; the text of a result does not."""
    result = only(returned("u2", gives("c1", "Error: no", **block), **fields), kind="tool_result")

    assert (result.body.outcome, result.body.error_type) == (outcome, error_type)


@pytest.mark.parametrize(
    ("fields", "decided_by", "told_by"),
    [
        ({"toolDenialKind": "user-rejected"}, "human", "toolDenialKind"),
        ({"toolDenialKind": "permission-rule"}, "policy", "toolDenialKind"),
        ({"toolDenialKind": "automode-blocked"}, "guardrail", "toolDenialKind"),
        ({"toolUseResult": "User rejected tool use"}, "human", "toolUseResult"),
        ({}, "human", "text"),
    ],
)
def test_a_refused_call_is_decided_and_denied(fields, decided_by, told_by):
    """Who refused a call is a decision of its own, between the call and its result."""
    refused = returned("u2", gives("c1", STOP, is_error=True), parent="u1", **fields)
    _, call, decision, result = events_of(ASKS, refused)

    assert (decision.body.decided_by, decision.body.verdict) == (decided_by, "deny")
    assert (decision.call_id, decision.caused_by) == ("c1", (call.event_id,))
    assert (decision.body.rationale, decision.extensions["told_by"]) == (STOP, told_by)
    assert (result.body.outcome, result.body.result) == ("denied", STOP)
    assert result.caused_by == (call.event_id, decision.event_id)


def test_what_the_user_said_when_refusing_is_the_reason():
    """The user's own words stand apart from the program's."""
    words = f"{REJECTED}To tell you how to proceed, the user said:\nnot on a Friday"
    refused = returned("u2", gives("c1", [text(words)], is_error=True))

    assert only(refused, kind="decision").body.rationale == "not on a Friday"


def test_a_tool_that_says_the_sentence_refuses_nothing():
    """Only a failed call can have been refused: a tool may write the sentence itself."""
    result = only(returned("u2", gives("c1", STOP)))

    assert (result.kind, result.body.outcome) == ("tool_result", "ok")


def test_what_a_hook_decided_is_a_decision():
    """A hook that lets a call through, or not, is policy."""
    hook = {
        "type": "hook_permission_decision",
        "decision": "allow",
        "toolUseID": "c1",
        "hookEvent": "PermissionRequest",
    }
    _, call, allows = events_of(ASKS, step("attachment", "u2", "u1", attachment=hook))
    odd = only(step("attachment", "u2", attachment={**hook, "decision": ["x"]}))

    assert (allows.body.decided_by, allows.body.verdict) == ("policy", "allow")
    assert (allows.call_id, allows.caused_by) == ("c1", (call.event_id,))
    assert odd.body.verdict == "unknown"
    assert odd.extensions["attachment"]["decision"] == ["x"]


def test_a_line_may_hold_several_results_and_words():
    """Each result is an event; the words beside them are a prompt."""
    results = told(
        answered("u1", uses("c1"), uses("c2")),
        returned(
            "u2",
            gives("c1"),
            gives("c2", is_error=True),
            text("go on"),
            parent="u1",
            toolUseResult=1,
        ),
        answered("u3", text("ok"), parent="u2", of="msg_2"),
    )
    first, second, prompt = results[1].events

    assert [first.body.outcome, second.body.outcome, prompt.kind] == ["ok", "error", "prompt"]
    assert [len(prompt.body.messages), prompt.body.messages[0].parts[0].content] == [1, "go on"]
    assert "toolUseResult" in first.extensions
    assert "toolUseResult" not in second.extensions
    assert results[2].events[0].caused_by == (first.event_id, second.event_id, prompt.event_id)


def test_a_result_without_its_call_is_kept_and_noticed():
    """A transcript that begins in the middle has results of calls that nobody saw."""
    (result,) = told(returned("u2", gives("c9"), parent="u1"))

    assert result.events[0].call_id == "c9"
    assert result.events[0].body.tool_name is None
    assert result.notices == {NO_CALL: 1}


def test_a_structured_result_that_says_the_same_is_not_kept_twice():
    """Where a call failed, the program writes the result again, with a word before it."""
    failed = returned("u2", gives("c1", "no such file", is_error=True))
    event = only({**failed, "toolUseResult": "Error: no such file"})
    other = only({**failed, "toolUseResult": "Error: another"})

    assert "toolUseResult" not in event.extensions
    assert other.extensions["toolUseResult"] == "Error: another"
