"""Transcripts of Claude Code become events: prompts, answers, notes, times, ids and causes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from importing import START, line, send
from locard.ingest.importers import claude_memory
from locard.ingest.importers.claude_code import (
    LAST_PROMPTS,
    NO_MESSAGE,
    SNAPSHOTS,
    UNKNOWN_TYPE,
    ClaudeCode,
)
from locard.ingest.importers.claude_step import COPIES, NO_TIME, REPEATS
from locard.ingest.importers.conversion import NUMBERS, Surroundings
from locard.schema import RejectedRecord, event_object
from transcripts import (
    SESSION,
    STOP,
    answered,
    by_id,
    events_of,
    gives,
    notices_of,
    only,
    returned,
    step,
    text,
    told,
    typed,
    uses,
    write_steps,
)

# --- one line ------------------------------------------------------------------------------------


def test_what_stands_around_a_line_is_kept():
    """Session, time and version have columns; directory, branch, ids and the rest are kept."""
    event = only(typed("u7", permissionMode="plan", thinkingMetadata={"level": "high"}))

    assert event_object(event) == {
        "event_id": str(event.event_id),
        "kind": "prompt",
        "schema_version": "1.0",
        "lane": "import",
        "occurred_at": "2026-05-04T09:30:07.250000Z",
        "observed_at": "2026-05-05T00:00:00Z",
        "session_id": SESSION,
        "agent_name": "claude-code",
        "agent_version": "2.1.205",
        "body": {
            "messages": [
                {
                    "role": "user",
                    "parts": [{"type": "text", "trust": "user", "content": "do it"}],
                }
            ]
        },
        "extensions": {
            "uuid": "u7",
            "isSidechain": False,
            "userType": "external",
            "cwd": "/home/dana/shop",
            "gitBranch": "main",
            "permissionMode": "plan",
            "thinkingMetadata": {"level": "high"},
        },
    }


def test_the_first_line_of_a_conversation_starts_the_session_once():
    """A root starts the session; another root, a sub-agent's, and a known session do not."""
    sub = typed("u3", isSidechain=True, agentId="a1")
    results = told(sub, typed("u1"), typed("u2"), typed("u4", sessionId="other"))
    starts = [r.events[0] for r in results if r.events[0].kind == "lifecycle"]

    assert [event.session_id for event in starts] == [SESSION, "other"]
    assert starts[0].body.change == "session_start"
    assert starts[0].body.attributes["cwd"] == "/home/dana/shop"
    assert [len(result.events) for result in results] == [1, 2, 1, 2]


def test_ids_are_those_of_session_and_line():
    """A line in another file, with other neighbours, gives the same ids; another session others."""
    answer = answered("u2", text("on it"), uses("c1"), parent="u1")
    alone = {event.event_id for event in events_of(answer)}
    after = {event.event_id for event in events_of(typed("u1"), answer)}
    other = {event.event_id for event in events_of({**answer, "sessionId": "other"})}

    assert len(alone) == 2
    assert alone < after
    assert not alone & other


def test_a_line_without_a_session_is_of_the_one_that_names_its_file():
    """Some lines name no session; the program names the file after it."""
    summary = {"type": "summary", "summary": "Shop repaired", "leafUuid": "u9"}
    (result,) = told(summary, file_name="0b1c.jsonl.gz")

    assert result.session_ids == {"0b1c"}


def test_a_line_without_a_time_has_that_of_the_line_before():
    """Only its order counts, and that is said and noticed; the first has the file's."""
    mode = step("permission-mode", permissionMode="plan")
    first, _, second = told(mode, typed("u5"), {**mode, "permissionMode": "default"})

    assert [r.events[0].time_source for r in (first, second)] == ["importer", "importer"]
    assert first.events[0].occurred_at == START
    assert second.events[0].occurred_at == datetime(2026, 5, 4, 9, 30, 5, 250_000, tzinfo=UTC)
    assert second.notices == {NO_TIME: 1}


@pytest.mark.parametrize(
    "given", ["yesterday", "2026-05-04T09:30:00", 1_777_000_000, None, "9999-12-31T23:59:59-23:00"]
)
def test_a_time_that_is_none_is_kept_as_it_came(given):
    """What names no moment is in the extensions."""
    event = only(typed("u1", timestamp=given))

    assert event.time_source == "importer"
    assert event.extensions.get("timestamp") == given


@pytest.mark.parametrize("given", ["2026-05-04T11:30:07.250+02:00", "2026-05-04T09:30:07.2500009Z"])
def test_times_are_utc_to_the_microsecond(given):
    """Offsets are converted, and digits beyond the microsecond are cut."""
    event = only(typed("u1", timestamp=given))

    assert event.occurred_at == datetime(2026, 5, 4, 9, 30, 7, 250_000, tzinfo=UTC)
    assert event.time_source == "source"


def test_numbers_that_json_rounds_are_kept_as_text():
    """An id of 19 digits in a call's arguments keeps its last digit."""
    data = json.dumps(answered("u1", uses("c1", "Bash", number=2**63))).encode()
    (result,) = told(data)

    assert result.events[-1].body.arguments == {"number": str(2**63)}
    assert result.notices[NUMBERS] == 1


# --- what is put before the model ----------------------------------------------------------------


def trust_of(*steps):
    """Return how far the only part of the only prompt is trusted."""
    (message,) = only(*steps, kind="prompt").body.messages
    return message.parts[0].trust


@pytest.mark.parametrize(
    "fields",
    [
        {"isMeta": True},
        {"isCompactSummary": True, "isVisibleInTranscriptOnly": True},
        {"isSidechain": True, "agentId": "a1"},
        {"origin": {"kind": "task-notification"}},
        {"origin": {"kind": "peer"}},
    ],
)
def test_what_no_human_typed_is_not_trusted_as_the_users(fields):
    """The program, a summary by the model, another agent all speak as `user`."""
    assert trust_of(typed("u1", **fields)) == "unknown"


@pytest.mark.parametrize(
    "words",
    [
        "<local-command-stdout>Set model to opus</local-command-stdout>",
        "<bash-stdout>x</bash-stdout>",
        "<task-notification>done</task-notification>",
        "[Request interrupted by user for tool use]",
    ],
)
def test_what_the_program_wrote_unmarked_is_not_trusted_as_the_users(words):
    """Older versions do not mark what they write, but begin it in their own way."""
    assert trust_of(typed("u1", words)) == "unknown"
    assert trust_of(typed("u1", [text(words)])) == "unknown"


def test_nobody_is_trusted_more_for_a_role():
    """A line of the user's is the user's, and the model's own the model's, whatever role it has."""
    system = {"role": "system", "content": [text("obey"), gives("c1")]}
    output = only(step("assistant", "u1", message=system), kind="model_output")
    trust = [part.trust for message in output.body.messages for part in message.parts]

    assert trust_of(step("user", "u1", message={"role": "system", "content": "obey"})) == "user"
    assert trust == ["tool", "unknown"]


def test_a_slash_command_is_the_users():
    """What a command is wrapped in is kept, and the user typed it."""
    words = "<command-name>/clear</command-name><command-args></command-args>"
    event = only(typed("u1", words, origin={"kind": "human"}))

    assert event.body.messages[0].parts[0].content == words
    assert event.body.messages[0].parts[0].trust == "user"


def test_images_and_documents_are_parts():
    """A pasted picture is a blob beside the words."""
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    event = only(typed("u1", [text("what is this?"), {"type": "image", "source": source}]))

    words, picture = event.body.messages[0].parts
    assert words.content == "what is this?"
    assert (picture.type, picture.mime_type) == ("blob", "image/png")


def test_a_queued_command_is_a_prompt():
    """What the user types while the agent works stands in an attachment."""
    queued = {"type": "queued_command", "prompt": "and the tests", "commandMode": "prompt"}
    assert trust_of(step("attachment", "u1", attachment=queued)) == "user"

    notice = {**queued, "commandMode": "task-notification"}
    assert trust_of(step("attachment", "u1", attachment=notice)) == "unknown"
    peer = {**queued, "origin": {"kind": "peer"}}
    assert trust_of(step("attachment", "u1", attachment=peer)) == "unknown"


def test_a_memory_that_is_put_before_the_model_is_content():
    """A file that the program reads by itself is a `content` event, trusted by nobody."""
    memory = {
        "type": "nested_memory",
        "path": "/repo/CLAUDE.md",
        "content": {"content": "Be kind."},
    }
    event = only(step("attachment", "u2", "u1", attachment=memory))

    assert (event.kind, event.body.operation, event.body.resource_type) == (
        "content",
        "read",
        "memory",
    )
    assert (event.body.uri, event.body.trust) == ("/repo/CLAUDE.md", "unknown")
    assert event.body.content == memory


# --- what the model answers ----------------------------------------------------------------------


def test_an_answer_has_model_ids_and_calls():
    """An answer is an output; each call in it is an event that it caused."""
    events = events_of(
        answered(
            "u2",
            {"type": "thinking", "thinking": "Look first.", "signature": "EqoB"},
            text("I look."),
            uses("c1", "Read", file_path="/etc/passwd"),
            uses("c2", "mcp__bank__send_money", amount=5),
            parent="u1",
            stop_reason="tool_use",
            stop_sequence=None,
            container={"id": "k"},
        )
    )
    output, reads, pays = events

    assert (output.provider, output.response_model) == ("anthropic", "claude-sonnet-4-5")
    assert (output.response_id, output.finish_reasons) == ("msg_1", ("tool_use",))
    assert [part.type for part in output.body.messages[0].parts] == [
        "reasoning", "text", "tool_call", "tool_call",
    ]  # fmt: skip
    assert output.extensions["message.container"] == {"id": "k"}
    assert output.extensions["requestId"] == "req_1"
    assert "message.stop_sequence" not in output.extensions
    assert (reads.call_id, reads.body.tool_name, reads.body.effect) == ("c1", "Read", "read")
    assert (reads.body.sighting, reads.caused_by) == ("requested", (output.event_id,))
    assert (pays.body.tool_server, pays.body.effect) == ("bank", None)
    assert pays.body.arguments == {"amount": 5}


@pytest.mark.parametrize(
    ("name", "effect"),
    [("Bash", "execute"), ("Edit", "write"), ("Write", "write"), ("WebFetch", "read")],
)
def test_what_well_known_tools_do(name, effect):
    """The effect of the program's own tools is known."""
    assert only(answered("u1", uses("c1", name)), kind="tool_call").body.effect == effect


USAGE = {"input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 2_000}


def test_tokens_of_an_answer_over_several_lines_count_once():
    """Each line repeats the usage so far; together they tell the last of it, with cached input."""
    details = {"thinking_tokens": 7}
    lines = [
        answered("u1", text("a"), usage={**USAGE, "output_tokens": 1}),
        answered("u2", uses("c1"), parent="u1", usage={**USAGE, "output_tokens": 1}),
        returned("u3", gives("c1"), parent="u2"),
        answered(
            "u4",
            uses("c2"),
            parent="u3",
            usage={**USAGE, "output_tokens": 60, "output_tokens_details": details},
        ),
        answered("u5", text("b"), of="msg_2", usage={**USAGE, "output_tokens": 5}),
    ]
    outputs = events_of(*lines, kind="model_output")

    assert [event.output_tokens for event in outputs] == [1, None, 59, 5]
    assert [event.input_tokens for event in outputs] == [2_103, None, None, 2_103]
    assert [event.cache_read_input_tokens for event in outputs] == [2_000, None, None, 2_000]
    assert [event.cache_creation_input_tokens for event in outputs] == [100, None, None, 100]
    assert [event.reasoning_output_tokens for event in outputs] == [None, None, 7, None]
    assert outputs[1].extensions["message.usage"] == {**USAGE, "output_tokens": 1}


@pytest.mark.parametrize(
    "usage", [None, [], "x", {"output_tokens": -1}, {"output_tokens": True, "input_tokens": 1.5}]
)
def test_what_is_no_count_of_tokens_is_kept_aside(usage):
    """A usage that counts nothing gives no columns and is kept."""
    event = only(answered("u1", text("a"), usage=usage))

    assert event.output_tokens is event.input_tokens is None
    assert event.extensions.get("message.usage") == usage


def test_an_error_of_the_api_is_no_output_of_a_model():
    """What the program writes in the model's place is told as such, and blamed on no model."""
    error = answered(
        "u2",
        text("API Error: 529"),
        model="<synthetic>",
        isApiErrorMessage=True,
        error="overloaded",
    )
    filler = answered("u3", text("No response requested."), model="<synthetic>")
    first, second = events_of(error, filler)

    assert (first.kind, first.body.change) == ("lifecycle", "claude-code.api_error")
    assert first.body.attributes["error"] == "overloaded"
    assert first.body.attributes["message"]["content"] == [text("API Error: 529")]
    assert second.body.change == "claude-code.synthetic_message"
    assert first.response_model is first.provider is None


# --- how lines hang together ---------------------------------------------------------------------


def test_causes_follow_the_parent():
    """Each line reacts to its parent, past other lines and compactions."""
    steps = [
        typed("u1", "first"),
        answered("u2", text("a"), parent="u1"),
        typed("u3", "rewound", "u1"),
        step("system", "u4", None, subtype="compact_boundary", logicalParentUuid="u2"),
        typed("u5", "summary", "u4", isCompactSummary=True),
    ]
    events = events_of(*steps)
    first, answer, rewound, boundary, summary = events

    assert first.caused_by == ()
    assert answer.caused_by == rewound.caused_by == (first.event_id,)
    assert boundary.caused_by == (answer.event_id,)
    assert summary.caused_by == (boundary.event_id,)
    assert boundary.body.change == "claude-code.system.compact_boundary"


def test_a_parent_that_was_not_seen_is_named_all_the_same():
    """A line that follows one of another file is caused by that line's event."""
    (first,) = events_of(typed("u1"))
    (second,) = events_of(answered("u2", text("a"), parent="u1"))

    assert second.caused_by == (first.event_id,)


def test_a_line_is_not_its_own_cause():
    """A transcript that was made to go in a circle does not."""
    assert only(typed("u1", parent="u1")).caused_by == ()


def test_sub_agents_keep_their_ids():
    """A side conversation is of its agent; the result that names it is of the main one."""
    sub = {"isSidechain": True, "agentId": "a7"}
    events = events_of(
        answered("u1", uses("c1", "Task", prompt="look")),
        typed("u2", "look", **sub),
        answered("u3", text("seen"), parent="u2", of="msg_2", attributionAgent="Explore", **sub),
        returned("u4", gives("c1", "seen"), parent="u1", agentId="a7"),
    )
    _, call, prompt, output, result = events

    assert [event.agent_id for event in events] == [None, None, "a7", "a7", None]
    assert (call.agent_name, prompt.agent_name, output.agent_name) == (
        "claude-code",
        None,
        "Explore",
    )
    assert result.extensions["agentId"] == "a7"
    assert {event.session_id for event in events} == {SESSION}


def test_a_copied_line_counts_no_tokens():
    """A session that branched off repeats lines of another one: its tokens are not its own."""
    copy = answered("u1", text("a"), usage=USAGE, forkedFrom={"sessionId": "s", "messageUuid": "u"})
    (result,) = told({**copy, "sessionId": "branch"})

    assert result.events[-1].input_tokens is None
    assert result.events[-1].extensions["forkedFrom"] == {"sessionId": "s", "messageUuid": "u"}
    assert result.notices == {COPIES: 1}


def test_a_line_with_the_id_of_another_is_noticed():
    """A line that was written again, with other words, has the same event id; that is told."""
    first, second = told(typed("u1", "a"), typed("u1", "b"))

    assert second.events[0].event_id == first.events[-1].event_id
    assert (first.notices, second.notices) == ({}, {REPEATS: 1})


def test_a_line_that_was_not_taken_is_not_remembered():
    """Tokens of a line that was refused count on the next; commit tells which was taken."""
    converter = ClaudeCode()
    one = json.dumps(answered("u1", text("a"), usage=USAGE)).encode()
    two = json.dumps(answered("u2", text("b"), parent="u1", usage=USAGE)).encode()
    around = Surroundings(START, START, "a.jsonl")
    converter.convert(line(one), around)
    result = converter.convert(line(two), around)

    assert result.events[-1].input_tokens == 2_103


def test_memory_is_bounded(monkeypatch):
    """What was seen long ago is forgotten, and what refers to it is kept all the same."""
    monkeypatch.setattr(claude_memory, "_MOST_REMEMBERED", 2)
    asked = [answered(f"u{n}", uses(f"c{n}"), of=f"m{n}") for n in range(1, 5)]
    results = told(*asked, returned("u8", gives("c4")), returned("u9", gives("c1")))

    assert results[-2].events[-1].body.tool_name == "Bash"
    assert results[-1].events[-1].body.tool_name is None


# --- everything else -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "change", "attribute"),
    [
        (step("summary", summary="Shop repaired", leafUuid="u1"), "summary", "summary"),
        (step("system", "u1", subtype="api_error", level="error"), "system.api_error", "level"),
        (step("permission-mode", permissionMode="plan"), "permission-mode", "permissionMode"),
        (step("queue-operation", operation="enqueue", content="x"), "queue-operation", "content"),
        (step("progress", "u1", data={"type": "hook_progress"}), "progress", "data"),
        (step("attachment", "u1", attachment={"type": "date"}), "attachment.date", "attachment"),
        (step("attachment", "u1", attachment={"type": "a b"}), "attachment", "attachment"),
        (step("ai-title", aiTitle="Shop"), "ai-title", "aiTitle"),
    ],
)  # fmt: skip
def test_notes_of_the_program_are_kept(given, change, attribute):
    """What is no part of the conversation is a `lifecycle` event with all that it says."""
    (event,) = [e for r in told(given) for e in r.events if e.body.change != "session_start"]

    assert event.body.change == f"claude-code.{change}"
    assert event.body.attributes[attribute] == given[attribute]


def test_an_unknown_type_is_kept_and_noticed():
    """A type of a newer version is kept; one that is no name is not put into the core."""
    newer, odd = told(step("of-tomorrow", x=1), step("Kanarienvogel, Berlin", x=1))

    assert newer.events[0].body.change == "claude-code.of-tomorrow"
    assert odd.events[0].body.change == "claude-code.unknown"
    assert odd.events[0].body.attributes == {"type": "Kanarienvogel, Berlin", "x": 1}
    assert notices_of([newer, odd])[UNKNOWN_TYPE] == 2


@pytest.mark.parametrize("kind", ["user", "assistant", "attachment"])
def test_a_line_without_its_message_is_kept_and_noticed(kind):
    """A line that lacks what its type should have is told as what it is."""
    (result,) = told(step(kind, "u1", "u0", message=None, x=1))

    assert result.events[0].body.change == f"claude-code.{kind}"
    assert result.notices == {NO_MESSAGE: 1}


@pytest.mark.parametrize("message", ["hello", ["hello"], {"content": "hello"}, 7])
def test_a_message_of_another_form_is_read_as_far_as_it_goes(message):
    """Early versions had text as the message."""
    prompt = only(step("user", "u1", "u0", message=message))
    output = only(step("assistant", "u2", "u0", message=message))

    assert (prompt.kind, output.kind) == ("prompt", "model_output")
    assert output.body.messages[0].role == "assistant"


def test_what_tells_nothing_is_left_out_with_a_reason():
    """Snapshots for undoing and repetitions of a prompt give no event, and are counted."""
    results = told(
        step("file-history-snapshot", messageId="m", snapshot={}),
        step("last-prompt", lastPrompt="do it", leafUuid="u1"),
    )

    assert [result.events for result in results] == [(), ()]
    assert notices_of(results) == {SNAPSHOTS: 1, LAST_PROMPTS: 1}


@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        (b"{", "json_syntax"),
        (b"[]", "no_transcript_line"),
        (b'{"type": 7}', "no_transcript_line"),
        (b'{"messages": []}', "no_transcript_line"),
        (b'{"type": "user", "type": "user"}', "json_duplicate_key"),
    ],
)
def test_what_is_no_line_of_a_transcript_is_refused(data, error_class):
    """A line that is not of the form is refused with its class."""
    with pytest.raises(RejectedRecord) as caught:
        told(data)

    assert caught.value.error_class == error_class


def test_every_event_of_a_line_has_its_own_id():
    """Lines of every kind together give events with ids of their own."""
    events = events_of(
        typed("u1"),
        answered("u2", text("a"), uses("c1"), uses("c2"), parent="u1"),
        returned("u3", gives("c1", STOP, is_error=True), gives("c2"), text("b"), parent="u2"),
        step("mode", mode="plan"),
        step("mode", mode="normal"),
    )

    assert len(by_id(events)) == len(events) == 10


def test_lines_that_are_left_out_are_counted_each_time(tmp_path):
    """What gives no event is in the report with its reason, each time anew."""
    file = write_steps(
        tmp_path / "a.jsonl",
        typed("u1"),
        step("file-history-snapshot", messageId="m"),
        step("file-history-snapshot", messageId="n"),
    )
    first, second = send(tmp_path, file, "claude-code"), send(tmp_path, file, "claude-code")

    assert (first.lines, first.events, first.left_out, first.known_lines) == (1, 2, 2, 0)
    assert (second.lines, second.events, second.left_out, second.known_lines) == (0, 0, 2, 1)
    assert first.notices == second.notices == {SNAPSHOTS: 2}
    assert first.noticed_at == {SNAPSHOTS: 2}
