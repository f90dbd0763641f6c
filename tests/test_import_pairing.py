"""Which result answers which call: the rules of `openai_pairing`, as a table and one by one."""

from __future__ import annotations

import pytest

from importing import asks, call, converted, of_kind, tells, user
from locard.ingest.importers.openai_messages import NO_CALL, NO_RESULT

SAYS = {"role": "assistant", "content": "let me think"}


def legacy_call(name="f", **more):
    return {"role": "assistant", "content": None, "function_call": {"name": name, **more}}


def legacy_result(name="f"):
    return {"role": "function", "name": name, "content": "done"}


def repeats(call_id, name, arguments):
    """A tool message that repeats its call, as some sources do."""
    return tells(call_id, tool_call={"id": call_id, "function": name, "args": arguments})


# For each result in order the call it must be paired with, counted over the run from 0.
CASES = {
    # rule 1: by id, among the open calls
    "by id": ([asks(call("a")), tells("a")], [0]),
    "by id, out of order": ([asks(call("a"), call("b")), tells("b"), tells("a")], [1, 0]),
    "by id, whatever the name": ([asks(call("a", "f"), call("b", "g")), tells("a", "g")], [0]),
    "by an id that is a number": ([asks(call(7), call(8)), tells(8), tells("7")], [1, 0]),
    "an id twice in one message": ([asks(call("a"), call("a")), tells("a"), tells("a")], [0, 1]),
    "an id twice in one message, by name": (
        [asks(call("a", "f"), call("a", "g")), tells("a", "g"), tells("a", "f")],
        [1, 0],
    ),
    "an id in every message": (
        [asks(call("a")), tells("a"), asks(call("a")), tells("a"), asks(call("a")), tells("a")],
        [0, 1, 2],
    ),
    "an id again, before which one call stayed open": (
        [asks(call("a")), SAYS, asks(call("a")), tells("a")],
        [1],
    ),
    "answered twice": ([asks(call("a")), tells("a"), tells("a")], [0, None]),
    "while somebody else speaks": ([asks(call("a")), user("wait"), tells("a")], [0]),
    # rule 2: late
    "late, by its id": ([asks(call("a"), call("b")), tells("b"), SAYS, tells("a")], [1, 0]),
    "late, after another call": (
        [asks(call("a")), asks(call("b")), tells("a"), tells("b")],
        [0, 1],
    ),
    "late, and the id was used twice": (
        [asks(call("a")), SAYS, asks(call("a")), SAYS, tells("a")],
        [None],
    ),
    "late, and its one namesake was answered": (
        [asks(call("a")), SAYS, asks(call("a")), tells("a"), tells("a")],
        [1, None],
    ),
    "late, without an id": ([asks(call("", "f")), SAYS, tells("", "f")], [None]),
    "late, without an id, while another is open": (
        [asks(call("", "f")), asks(call("", "g")), tells("", "f"), tells("", "g")],
        [None, 1],
    ),
    # rule 3: by name and order, among the open calls
    "no ids": ([asks(call("")), tells("")], [0]),
    "no id fields at all": ([asks({"function": {"name": "f"}}), tells(None)], [0]),
    "no ids, same name": ([asks(call(""), call("")), tells("", "f"), tells("", "f")], [0, 1]),
    "no ids, by name": (
        [asks(call("", "f"), call("", "g")), tells("", "g"), tells("", "f")],
        [1, 0],
    ),
    "no ids, another name": ([asks(call("", "f")), tells("", "g")], [None]),
    "no ids and no names, in order": ([asks(call(""), call("")), tells(""), tells("")], [0, 1]),
    "no ids, same name, by arguments": (
        [
            asks(call("", "f", {"n": 1}), call("", "f", {"n": 2})),
            repeats("", "f", {"n": 2}),
            repeats("", "f", {"n": 1}),
        ],
        [1, 0],
    ),
    "no id but in the repeated call": (
        [
            asks(call("a"), call("b")),
            tells(None, tool_call={"id": "b"}),
            tells("", tool_call={"id": "a"}),
        ],
        [1, 0],
    ),
    "no id in the result alone, by name": (
        [asks(call("a", "f"), call("b", "g")), tells(None, "g")],
        [1],
    ),
    "no id in the result alone, the call without one first": (
        [asks(call("a", "f"), call("", "f")), tells(None, "f"), tells("a", "f")],
        [1, 0],
    ),
    "no id and no name, one open call": ([asks(call("a")), tells(None)], [0]),
    "no id and no name, several open calls": ([asks(call("a"), call("b")), tells(None)], [None]),
    "an id that no call has, by name": ([asks(call("", "f")), tells("x", "f")], [0]),
    "an id that no call has, no name, one open call": ([asks(call("")), tells("x")], [0]),
    "an id that no call has, no name": ([asks(call(""), call("")), tells("x")], [None]),
    "an id that no call has, another name": ([asks(call("a", "f")), tells("x", "g")], [None]),
    "an id that another call has had": (
        [asks(call("a", "f")), tells("a"), asks(call("", "f")), tells("a", "f")],
        [0, None],
    ),
    # nothing to pair with
    "no call at all": ([tells("a"), tells(""), tells(None)], [None, None, None]),
    # the older form
    "function_call": ([legacy_call(), legacy_result()], [0]),
    "function_call, another name": ([legacy_call("f"), legacy_result("g")], [None]),
    "function_call, late": ([legacy_call(), SAYS, legacy_result()], [None]),
    "function_call with tool_calls": (
        [{**asks(call("a", "g")), "function_call": {"name": "f"}}, legacy_result("f"), tells("a")],
        [1, 0],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES.keys())
def test_results_are_paired_with_their_calls(messages, expected):
    """A result has the call id of its call and names its event as its cause, or has neither."""
    result = converted([user(), *messages])
    calls, results = of_kind(result, "tool_call"), of_kind(result, "tool_result")

    paired = [calls[n] if n is not None else None for n in expected]
    assert [event.call_id for event in results] == [c.call_id if c else None for c in paired]
    assert [event.caused_by for event in results] == [(c.event_id,) if c else () for c in paired]


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES.keys())
def test_what_could_not_be_paired_is_counted(messages, expected):
    """Calls without a result and results without a call are notices."""
    result = converted([user(), *messages])
    calls = len(of_kind(result, "tool_call"))

    assert result.notices[NO_CALL] == expected.count(None)
    assert result.notices[NO_RESULT] == calls - len(expected) + expected.count(None)


IDS = {
    "the source's own": (["a", "b"], ["a", "b"]),
    "a number": ([7, 8], ["7", "8"]),
    "empty, null, of another type": (["", None, ["x"], True], [f"call~{n}" for n in range(1, 5)]),
    "one used again": (["a", "a", "a"], ["a", "a~2", "a~3"]),
    "one that looks like ours": (["a~2", "a", "a"], ["a~2", "a", "a~3"]),
    "ours first": (["", "call~1", "call"], ["call~1", "call~1~2", "call"]),
}


@pytest.mark.parametrize("in_one_message", [True, False])
@pytest.mark.parametrize(("given", "expected"), IDS.values(), ids=IDS.keys())
def test_call_ids_are_unique_in_a_session(given, expected, in_one_message):
    """Each call has an id of its own; where that is not the source's, the source's is kept."""
    calls = [call(call_id) for call_id in given]
    result = converted([asks(*calls)] if in_one_message else [asks(one) for one in calls])

    events = of_kind(result, "tool_call")
    assert [event.call_id for event in events] == expected
    assert [event.extensions.get("source_call_id", event.call_id) for event in events] == [
        event.call_id if call_id is None else call_id
        for event, call_id in zip(events, given, strict=True)
    ]


def test_a_part_and_its_call_have_the_same_id():
    """The call in the model's message and the call's own event are told to be one by their id."""
    (output,) = of_kind(result := converted([asks(call(""), call("a"), call("a"))]), "model_output")

    calls = of_kind(result, "tool_call")
    assert [part.id for part in output.body.messages[0].parts] == [c.call_id for c in calls]


def test_a_result_is_named_after_its_call():
    """A result has its call's tool name, and keeps another name or id that the source gave it."""
    messages = [
        asks(call("a", "f"), call("", "g")),
        tells("a", "h"),
        tells("x", "g"),
        tells("y", "z"),
    ]
    results = of_kind(converted(messages), "tool_result")

    assert [event.body.tool_name for event in results] == ["f", "g", "z"]
    assert [dict(event.extensions) for event in results] == [
        {"source_tool_name": "h"},
        {"source_call_id": "x"},
        {"source_call_id": "y", "source_tool_name": "z"},
    ]


REPEATED = {
    "the same": ({"id": "a", "function": "f", "args": {"n": 1}}, True),
    "a part of it": ({"function": "f"}, True),
    "fields that say nothing": ({"id": "a", "args": None, "placeholder_args": None}, True),
    "other arguments": ({"id": "a", "function": "f", "args": {"n": 2}}, False),
    "true is not 1": ({"id": "a", "function": "f", "args": {"n": True}}, False),
    "one field more": ({"id": "a", "function": "f", "args": {"n": 1}, "x": 0}, False),
    "another form": ("f(n=1)", False),
}


@pytest.mark.parametrize(("repeated", "is_left_out"), REPEATED.values(), ids=REPEATED.keys())
def test_a_call_that_its_result_repeats_is_recorded_once(repeated, is_left_out):
    """A repetition is left out, and kept when it says anything that the call does not."""
    messages = [asks(call("a", "f", {"n": 1})), tells("a", tool_call=repeated)]
    (event,) = of_kind(converted(messages), "tool_result")

    assert event.call_id == "a"
    assert dict(event.extensions) == ({} if is_left_out else {"tool_call": repeated})
