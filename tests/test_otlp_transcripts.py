"""Prompts that begin as an earlier one did: reading on gives what reading all of it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locard.ingest import chat as chat_module
from locard.ingest.chat import chat_messages
from locard.ingest.otlp import Translator
from locard.ingest.otlp.transcripts import Transcripts
from locard.ingest.sameness import mark_of
from locard.ingest.stamping import Sender, stamped, stamped_json
from locard.schema import event_json, event_object, parse_event
from making import event
from otlp_requests import calls, chat, said, span, tells, translated

ITEMS = [
    json.dumps(said("user", "what is new? " * 30)),
    json.dumps({k: v for k, v in calls("c1", "look", {"n": 1}).items() if k != "finish_reason"}),
    json.dumps(tells("c1", '{"found": 1.0}')),
    json.dumps(said("user", "__REDACTED__")),
    json.dumps({"role": "user", "parts": []}),
    json.dumps({"role": "user", "parts": [{"type": "tool_call_response", "response": "x"}]}),
    '{"type": "message", "role": "assistant", "content": "a", "parts": []}',
    '{"type": "function_call", "name": "f", "role": "x", "parts": [], "arguments": "{}"}',
    '{"role": "user", "parts": [{"type": "text", "content": "a", "n": 12345678901234567890}]}',
    '{"role": "user", "parts": [{"type": "x", "deep": ' + "[" * 195 + "]" * 195 + "}]}",
    '{"role": "user", "role": "tool", "parts": []}',
    '{"role": "user"}',
    "3",
    "",
    "]",
    '"\\ud800"',
]
SEPARATORS = [",", ", ", " ,", "", ",,"]
ENDS = ["]", "] ", ",]", "", "]]"]


@st.composite
def growing(draw: st.DrawFn) -> list[str]:
    """Return texts that mostly go on from each other, some of them no JSON."""
    kept, found = f"[{ITEMS[0]}", []
    for _ in range(draw(st.integers(1, 5))):
        found.append(kept + draw(st.just("]") | st.sampled_from(ENDS)))
        item = draw(st.sampled_from(ITEMS[:6]) | st.sampled_from(ITEMS))
        kept += draw(st.just(",") | st.sampled_from(SEPARATORS)) + item
    return [*found, *draw(st.lists(st.sampled_from(found), max_size=2))]


def told(translator: Translator, texts: list[str]) -> list[dict[str, Any]]:
    """Return the events of one request for each text, all of one session."""
    found = []
    for number, text in enumerate(texts):
        attributes = chat([], [said("assistant", "so be it")], session__id="s")
        attributes["gen_ai.input.messages"] = text
        translation = translated(span(attributes, number=number + 1), translator=translator)
        found += [event_object(one) for one in translation.events]
        translation.commit()
    return found


def assert_told_alike(texts: list[str]) -> None:
    """Tell texts with and without what was read before."""
    reading_on = Translator()
    reading_all = Translator(transcripts=Transcripts(most_characters=0))
    assert told(reading_on, texts) == told(reading_all, texts)


@given(growing())
def test_reading_on_gives_what_reading_all_of_it_gives(texts: list[str]) -> None:
    """Whatever follows what was read before: the events are the same, to the value."""
    assert_told_alike(texts)


@pytest.mark.parametrize("then", ITEMS)
def test_any_two_items_may_follow(then: str) -> None:
    """Also such as are one message together, and such as are none."""
    first = f"[{ITEMS[0]}"
    for last in ITEMS:
        assert_told_alike([f"{first}]", f"{first},{then}]", f"{first},{then},{last}]"])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("separator", [*SEPARATORS, "],", "x"])
def test_what_goes_on_from_no_json_is_no_json(separator: str, end: str) -> None:
    """A text counts as a whole, although most of it was read before."""
    first = f"[{ITEMS[0]}"
    for before in ENDS:
        assert_told_alike([first + before, f"{first}{separator}{ITEMS[1]}{end}"])


def test_what_follows_is_read_and_what_precedes_is_not() -> None:
    """The messages of before are the very same objects, and those of now are marked as well."""
    earlier = Transcripts().of("s")
    first, second = f"[{ITEMS[0]}]", f"[{ITEMS[0]},{ITEMS[1]}]"
    kept = earlier.keep(first, json.loads(first))
    both = earlier.read_on(second)
    assert kept is not None
    assert both is not None
    assert both[0] is kept[0]
    assert [dict(message) for message in both] == chat_messages(json.loads(second))
    assert [message.mark for message in both] == [mark_of(dict(message)) for message in both]


def test_transcripts_are_told_apart() -> None:
    """Another session has none, and neither has a conversation that began otherwise."""
    transcripts = Transcripts()
    text = f"[{ITEMS[0]}]"
    transcripts.of("s").keep(text, json.loads(text))
    assert transcripts.of("other").read_on(text) is None
    assert transcripts.of("s").read_on(f"[{ITEMS[3]},{ITEMS[1]}]") is None
    assert transcripts.of("s").read_on(text) is not None


def test_what_was_read_longest_ago_is_forgotten_first() -> None:
    """The memory is bounded by the characters that it keeps."""
    text = f"[{ITEMS[0]}]"
    transcripts = Transcripts(most_characters=3 * len(text))
    for number in range(5):
        transcripts.of(f"s{number}").keep(text, json.loads(text))
    found = [transcripts.of(f"s{number}").read_on(text) for number in range(5)]
    assert [messages is not None for messages in found] == [False, False, True, True, True]


VALUES = st.sampled_from([None, "", "a", 3, [], {"a": [1]}, {"type": "text", "content": "a"}])
KINDS = st.sampled_from(["text", "tool_call", "tool_call_response", "reasoning", "x", None])
NAMES = ("content", "id", "name", "arguments", "response", "result", "trust")
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "content": VALUES}),
    st.fixed_dictionaries(
        {"type": st.just("tool_call"), "id": VALUES, "name": VALUES, "arguments": VALUES}
    ),
    st.fixed_dictionaries(
        {"type": st.just("tool_call_response"), "id": VALUES, "response": VALUES}
    ),
    st.fixed_dictionaries({"type": KINDS}, optional=dict.fromkeys(NAMES, VALUES)),
    VALUES,
)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "tool", "assistant", "model", "function", "x", None]),
        "parts": st.lists(PARTS, max_size=3),
    },
    optional=dict.fromkeys(("name", "finish_reason", "content", "type"), VALUES),
)


@given(st.lists(MESSAGES, max_size=3))
def test_the_short_way_for_plain_messages_gives_what_the_long_one_gives(messages: Any) -> None:
    """A message that has nothing special is read faster, and not otherwise."""
    short_way = chat_messages(messages)
    plain, chat_module._plain_message = chat_module._plain_message, lambda _: None
    try:
        assert chat_messages(messages) == short_way
    finally:
        chat_module._plain_message = plain


NAMED = st.sampled_from([None, "", "a"])


@given(NAMED, NAMED, NAMED, st.booleans(), NAMED, NAMED, st.booleans())
def test_json_that_is_stamped_says_what_the_stamped_event_says(
    workflow_id: str | None,
    agent_id: str | None,
    principal: str | None,
    is_verified: bool,
    own_workflow_id: str | None,
    own_agent_id: str | None,
    is_known: bool,
) -> None:
    """Whatever an event and its sender claim, no name comes twice and no claim is believed."""
    claims = {"workflow_id": workflow_id, "agent_id": agent_id, "principal": principal}
    one = event(**claims, principal_verified=is_verified)
    sender = Sender("b", own_workflow_id, own_agent_id, is_known)
    written = stamped_json(one, sender, event_json(one))
    assert parse_event(written) == stamped(one, sender)
