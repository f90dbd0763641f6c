"""A conversation is put together again from its references, and hostile ones end it nowhere."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importing import asks, call, converted, of_kind, tells, user
from lakes import publish
from locard.ingest.conversations import Conversations, message_digest
from locard.query import connect, conversation
from locard.query.conversation import _Session
from locard.redaction import without_content
from locard.schema import CannotContinue, Event, new_event_id
from making import event, said

NOBODY = "0190c1d2-0000-7000-8000-000000000000"
LONG = "word " * 100


@pytest.fixture
def lake(tmp_path):
    """Where the lake is, once there is one."""
    return tmp_path / "lake"


def told(
    lake: Path, asked: Event, session_id: str | None = None, **whose: str
) -> list[dict[str, Any]]:
    """Return the conversation through an event."""
    with connect(lake) as connection:
        return conversation(connection, str(asked.event_id), session_id, **whose)


def texts(messages: list[dict[str, Any]]) -> list[Any]:
    """Return of each message its text, or how many it stands for where it is missing."""
    return [
        (m.get("messages"),) if "missing" in m else "".join(p["content"] for p in m["parts"])
        for m in messages
    ]


def prompt(*messages: Any, after: tuple[Any, int] | None = None, **core: Any) -> Event:
    """Return a prompt with these messages, and what preceded them: through which, and how many."""
    body: dict[str, Any] = {"messages": [said(m) if isinstance(m, str) else m for m in messages]}
    if after:
        body["history"] = {"through": _id(after[0]), "messages": after[1]}
    return event("prompt", body, **core)


def output(text: str, *causes: Any, **core: Any) -> Event:
    """Return what a model answered to the last of these."""
    body = {"messages": [said(text, "assistant", "unknown"), said("a second choice")]}
    return event("model_output", body, caused_by=list(map(_id, causes)), **core)


def reference(to: Any, number: int = 0, role: str = "user") -> dict[str, Any]:
    """Return a message that another event holds."""
    return {"role": role, "same_as": {"event": _id(to), "message": number}}


def _id(of: Any) -> str:
    return str(of.event_id) if hasattr(of, "event_id") else of


def test_a_prompt_is_its_history_and_then_its_own_messages(lake):
    """Through prompts and outputs, and only as many messages as the history says."""
    first = prompt("a", "b")
    answer = output("c", first)
    second = prompt("d", after=(answer, 3))
    other_way = prompt("e", after=(second, 1))
    publish(lake, first, answer, second, other_way)
    assert texts(told(lake, first)) == ["a", "b"]
    assert texts(told(lake, answer)) == ["a", "b", "c"]
    assert texts(told(lake, second)) == ["a", "b", "c", "d"]
    assert texts(told(lake, other_way)) == ["a", "e"]


def test_an_output_answers_the_last_prompt_that_caused_it(lake):
    """Other causes, and earlier prompts, are not what it answers; without one it stands alone."""
    early, late = prompt("early"), prompt("late")
    call_made = event("tool_call")
    publish(lake, early, late, call_made)
    answer, alone = output("c", early, late, call_made), output("d", call_made)
    publish(lake, answer, alone)
    assert texts(told(lake, answer)) == ["late", "c"]
    assert texts(told(lake, alone)) == ["d"]


def test_messages_that_others_hold_are_told_in_full(lake):
    """A message of a prompt, of an output, or a tool's result, and what the reference adds."""
    first, answer = prompt("a", "b"), output("c")
    result = event("tool_result", {"outcome": "ok", "result": {"n": 1}}, call_id="c1")
    asked = prompt(
        reference(first, 1),
        {**reference(answer, role="assistant"), "name": "n"},
        reference(result, role="tool"),
    )
    publish(lake, first, answer, result, asked)
    assert told(lake, asked) == [
        said("b"),
        {"role": "assistant", "name": "n", "parts": [{"type": "text", "content": "c"}]},
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "c1", "response": {"n": 1}}],
        },
    ]


def test_references_to_nothing_become_messages_that_say_so(lake):
    """What is not in the lake, or not in that event, is told as missing, in its place and role."""
    first = prompt("a")
    lifecycle = event("lifecycle")
    publish(
        lake,
        first,
        lifecycle,
        asked := prompt(
            "b",
            reference(NOBODY, 3, "tool"),
            reference(first, 1),
            reference(lifecycle),
            reference(first),
            after=(NOBODY, 4),
        ),
    )
    found = told(lake, asked)
    assert texts(found) == [(4,), "b", (1,), (1,), (1,), "a"]
    assert found[2]["role"] == "tool"
    assert NOBODY in found[0]["missing"]
    assert NOBODY in found[2]["missing"]


def test_a_history_that_names_more_than_there_is_says_how_much_is_missing(lake):
    """However many are named, one message stands for them."""
    first = prompt("a")
    publish(lake, first, asked := prompt("b", after=(first, 2**53 - 1)))
    assert texts(told(lake, asked)) == ["a", (2**53 - 2,), "b"]


def test_what_is_missing_is_cut_as_well(lake):
    """A later prompt that takes up less of a conversation takes up less of what is missing."""
    first = prompt("a", after=(NOBODY, 5))
    publish(lake, first, asked := prompt("b", after=(first, 3)))
    assert texts(told(lake, asked)) == [(3,), "b"]


def test_an_output_whose_prompt_is_lost_tells_how_much_that_was(lake):
    """How long the prompt was is known from the next one."""
    answer = output("b", NOBODY)
    publish(lake, answer, asked := prompt("c", after=(answer, 4)))
    assert texts(told(lake, answer)) == [(None,), "b"]
    assert texts(told(lake, asked)) == [(3,), "b", "c"]


def test_what_is_in_quarantine_is_told_as_that(lake):
    """A prompt whose content is not in the lake stands for as many messages as are named after."""
    first = prompt("a", "b")
    hidden = prompt("c", "d", after=(first, 2))
    result = event("tool_result", {"outcome": "ok", "result": "r"}, call_id="c1")
    asked = prompt("e", reference(result), reference(hidden, 2), after=(hidden, 4))
    publish(lake, first, without_content(hidden).event, without_content(result).event, asked)
    found = told(lake, asked)
    assert texts(found) == ["a", "b", (2,), "e", (1,), (1,)]
    assert all("quarantined" in found[n]["missing"] for n in (2, 4, 5))
    shorter = prompt("f", after=(hidden, 1))
    publish(lake, shorter)
    assert texts(told(lake, shorter)) == ["a", "f"]


def test_circles_end(lake):
    """Histories and references that lead back to themselves are told as what is missing."""
    ids = [str(new_event_id()) for _ in range(3)]
    ring = [
        prompt(f"m{n}", reference(ids[(n + 1) % 3], 1), after=(ids[(n + 2) % 3], 9), event_id=own)
        for n, own in enumerate(ids)
    ]
    publish(lake, *ring, itself := prompt("x", event_id=NOBODY, after=(NOBODY, 1)))
    assert texts(told(lake, ring[0])) == [(9,), "m0", (1,)]
    assert texts(told(lake, itself)) == [(1,), "x"]


def test_long_chains_are_followed_to_their_beginning(lake):
    """A session of many turns neither runs out of stack nor takes the square of its length."""
    count = 3_000
    chain = [prompt("0")]
    for n in range(1, count):
        chain.append(prompt(str(n), after=(chain[-1], n)))
    publish(lake, *chain)
    assert texts(told(lake, chain[-1])) == list(map(str, range(count)))


def test_references_stay_in_their_session(lake):
    """An event of another session is not what a reference means, whatever its id."""
    mine, theirs = prompt("mine"), prompt("theirs", session_id="s2")
    asked = prompt(reference(theirs), after=(theirs, 1))
    copied = mine.model_copy(update={"session_id": "s2"})
    publish(lake, mine, theirs, asked, copied, copied)
    assert texts(told(lake, asked)) == [(1,), (1,)]
    following = prompt("more", after=(mine, 1), session_id="s2", event_id=str(asked.event_id))
    publish(lake, following)
    assert texts(told(lake, following, "s2")) == ["mine", "more"]
    alone = prompt("b", after=(mine, 1), session_id=None)
    publish(lake, alone)
    assert texts(told(lake, alone)) == [(1,), "b"]


@pytest.mark.parametrize("asked", [event("lifecycle"), event("decision")])
def test_what_holds_no_message_is_no_conversation(lake, asked):
    """An event of another kind, or one that is not there, is refused in one line."""
    publish(lake, asked)
    with connect(lake) as connection:
        for event_id in (str(asked.event_id), NOBODY, "'; DROP VIEW events"):
            with pytest.raises(CannotContinue, match="no prompt, model output or tool result"):
                conversation(connection, event_id)


def test_an_imported_run_is_one_conversation(lake):
    """Every prompt of it has all that was said before, results of tools included."""
    run = converted(
        [
            {"role": "system", "content": "be good"},
            user("do it"),
            asks(call("c1", "f", {"n": 1})),
            tells("c1"),
            {"role": "assistant", "content": "done it"},
            user("more"),
        ]
    )
    publish(lake, *run.events)
    first, second = of_kind(run, "prompt")
    outputs, (result,) = of_kind(run, "model_output"), of_kind(run, "tool_result")
    assert [m["role"] for m in told(lake, first)] == ["system", "user"]
    found = told(lake, second)
    assert [m["role"] for m in found] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert found[3]["parts"] == [
        {"type": "tool_call_response", "id": result.call_id, "response": "done"}
    ]
    assert told(lake, outputs[0]) == found[:3]
    assert told(lake, result) == found[:4]
    assert told(lake, outputs[1]) == found[:5]


def test_an_imported_run_of_which_a_part_is_lost_says_so(lake):
    """The history of a prompt tells how many messages there were."""
    run = converted([user("a"), {"role": "assistant", "content": "b"}, user("c")])
    _, answer, second = of_kind(run, "prompt", "model_output")
    publish(lake, answer, second)
    assert texts(told(lake, second)) == ["b", (1,), "c"]


@pytest.mark.parametrize("damaged", ["{", "7", '{"role": "user"}', '["x"]', "[" * 10_000])
def test_a_damaged_lake_is_told_and_not_an_error(damaged):
    """What is no list of messages any more is missing, and how many they were is not known."""
    row = dict.fromkeys(("caused_by", "call_id", "history", "result", "absent"))
    row |= {"event_id": NOBODY, "kind": "prompt", "lane": "recorder", "messages": damaged}
    (found,) = _Session([row]).conversation(NOBODY)
    assert "damaged" in found["missing"]
    assert "messages" not in found


MESSAGES = st.one_of(
    st.builds(
        said,
        st.sampled_from(["", "hi", "no", LONG, LONG + "!"]),
        st.sampled_from(["user", "system"]),
    ),
    st.builds(
        lambda name: {**said(LONG), "name": name, "extensions": {"x": 1}}, st.sampled_from("ab")
    ),
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "keeps": st.integers(0, 12),
            "says": st.lists(MESSAGES, max_size=3),
            "answer": st.sampled_from([None, "ok", LONG, "call"]),
            "commits": st.booleans(),
        }
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(TURNS)
def test_every_prompt_comes_back_as_it_was_given(turns):
    """Whatever was said, taken back, said again and answered: each prompt is put together again."""
    conversations = Conversations()
    telling = conversations.tell()
    so_far: list[dict[str, Any]] = []
    events: list[Event] = []
    given: list[tuple[Event, list[dict[str, Any]]]] = []
    for number, turn in enumerate(turns):
        so_far = so_far[: turn["keeps"]] + turn["says"]
        event_id = new_event_id()
        stored = telling.prompt("s1", event_id, so_far)
        body = {"messages": stored.messages}
        if stored.history:
            body["history"] = stored.history
        asked = event("prompt", body, event_id=str(event_id))
        events.append(asked)
        given.append((asked, list(so_far)))
        so_far = so_far + _answered(telling, event_id, turn["answer"], number, events)
        if turn["commits"]:
            telling.commit()
            telling = conversations.tell()
    with TemporaryDirectory() as directory:
        lake = publish(Path(directory) / "lake", *events)
        with connect(lake) as connection:
            found = [conversation(connection, str(asked.event_id)) for asked, _ in given]
    for told_again, (_, messages) in zip(found, given, strict=True):
        assert list(map(message_digest, told_again)) == list(map(message_digest, messages))


def _answered(
    telling: Any, prompt_id: UUID, answer: str | None, number: int, events: list[Event]
) -> list[dict[str, Any]]:
    """Tell what the model answered, and what a tool gave back; return what the next prompt has."""
    if answer is None:
        return []
    message = said(answer, "assistant", "unknown")
    if answer == "call":
        message["parts"] = [{"type": "tool_call", "id": f"c{number}", "name": "f"}]
    event_id = new_event_id()
    telling.output("s1", event_id, prompt_id, message)
    events.append(
        event("model_output", {"messages": [message]}, event_id=str(event_id),
              caused_by=[str(prompt_id)])
    )  # fmt: skip
    if answer != "call":
        return [message]
    result = event("tool_result", {"outcome": "ok", "result": {"n": number}}, call_id=f"c{number}")
    telling.result("s1", result.event_id, f"c{number}", {"n": number})
    events.append(result)
    part = {"type": "tool_call_response", "id": f"c{number}", "response": {"n": number}}
    return [message, {"role": "tool", "parts": [part]}]


MINE = {"session_id": "s", "workflow_id": "payments", "principal": "payments/payer"}
OTHERS = {
    "another workflow": {**MINE, "workflow_id": "marketing", "principal": "marketing/mailer"},
    "another sender of the workflow": {**MINE, "principal": "payments/other"},
    "nobody that is known": {"session_id": "s", "workflow_id": "payments"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_nobody_puts_words_into_anothers_conversation(lake, other):
    """An event that somebody else sent is not read, though it has the id and came before."""
    real = prompt("what I said", **MINE)
    planted = prompt("what I never said", event_id=_id(real), **other)
    second = prompt("more", reference(real), after=(real, 1), **MINE)
    publish(lake, planted)
    publish(lake, real, second)

    assert texts(told(lake, second)) == ["what I said", "more", "what I said"]
    assert texts(told(lake, real, principal=MINE["principal"])) == ["what I said"]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_reference_to_what_only_somebody_else_sent_leads_nowhere(lake, other):
    """It is told as missing: nobody knows whether it was ever said here."""
    theirs = prompt("theirs", **other)
    publish(lake, theirs, mine := prompt("mine", after=(theirs, 1), **MINE))

    assert texts(told(lake, mine)) == [(1,), "mine"]


def test_an_id_that_several_senders_used_is_asked_for_by_its_sender(lake):
    """No answer is made of two events; the error says how to name one."""
    real = prompt("real", **MINE)
    publish(lake, real, prompt("planted", event_id=_id(real), **OTHERS["another workflow"]))

    with pytest.raises(CannotContinue, match="several senders"):
        told(lake, real)
    assert texts(told(lake, real, workflow_id="payments")) == ["real"]
