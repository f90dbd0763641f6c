"""What holds for every run: each message once and in order, calls and results paired, ids unique.

The same checks run over generated runs, which have every trap of the form at once, and over the
corpora of real ones.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpora import AGENTDOJO, AIRLINE, needs_corpora, runs
from importing import OBSERVED, START, line, of_kind
from locard.ingest.importers.conversion import Converted, Surroundings
from locard.ingest.importers.openai_messages import NO_CALL, NO_RESULT, run_events
from locard.schema import RejectedRecord

# --- runs as nobody would want them --------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ids = st.sampled_from(["", "a", "b", "a~2", "call", "call~1", 7, "7", None])
names = st.sampled_from(["f", "g", ""])
text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
contents = st.none() | texts | st.lists(texts | text_parts, max_size=2)
arguments = st.sampled_from([{}, {"n": 1}, {"n": 2}, '{"n": 1}', "{", "", None, [1]])


def fields(**optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


functions = st.builds(lambda name, rest: {"name": name, **rest}, names, fields(arguments=arguments))
calls = st.builds(lambda function, rest: {"function": function, **rest}, functions, fields(id=ids))
repeated_calls = fields(id=ids, function=names, args=arguments)
prompts = st.builds(
    lambda role, rest: {"role": role, **rest},
    st.sampled_from(["system", "developer", "user", "critic"]),
    fields(content=contents, name=names),
)
outputs = fields(
    content=contents, tool_calls=st.lists(calls, max_size=3), function_call=functions
).map(lambda rest: {"role": "assistant", **rest})
results = st.builds(
    lambda role, rest: {"role": role, **rest},
    st.sampled_from(["tool", "tool", "function"]),
    fields(content=contents, tool_call_id=ids, name=names, tool_call=repeated_calls),
)
conversations = st.lists(st.one_of(prompts, outputs, results, results), min_size=1, max_size=12)


def convert(run: Any) -> Converted:
    return run_events(line(json.dumps(run).encode()), Surroundings(START, OBSERVED))


# --- what was said, from the source and from the events ------------------------------------------


def in_source(message: dict[str, Any]) -> tuple[Any, ...]:
    """Return role, content and calls of a source message, in a form to compare."""
    role, content = message["role"], message.get("content")
    if role in ("tool", "function"):
        return role, content, []
    items = [] if content is None else content if isinstance(content, list) else [content]
    said = [item if isinstance(item, str) else item["text"] for item in items]
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    functions += [message["function_call"]] if message.get("function_call") else []
    return role, said, [(f["name"], as_value(f.get("arguments"))) for f in functions]


def as_value(given: Any) -> Any:
    """Return what JSON text holds, or the text where it is none."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given


def in_events(result: Converted) -> list[tuple[Any, ...]]:
    """Return role, content and calls of every message in the events, in the same form."""
    messages: list[tuple[Any, ...]] = []
    for event in of_kind(result, "prompt", "model_output", "tool_result"):
        if event.kind == "tool_result":
            role = event.extensions.get("source_role", "tool")
            messages.append((role, event.body.result, []))
            continue
        for said in event.body.messages:
            content = [part.content for part in said.parts if part.type == "text"]
            requested = [(p.name, p.arguments) for p in said.parts if p.type == "tool_call"]
            messages.append((said.role, content, requested))
    return messages


def check(run: dict[str, Any]) -> Converted:
    """Convert a run and check everything that must hold whatever is in it."""
    result = convert(run)
    assert in_events(result) == [in_source(message) for message in run["messages"]]
    check_calls(result)
    check_references(result)
    check_events(result)
    assert convert(run) == result, "a second conversion gave something else"
    return result


def check_calls(result: Converted) -> None:
    """Calls have their own ids and stand as in the model's message; pairs are one to one."""
    requested = of_kind(result, "tool_call")
    by_call_id = {event.call_id: event for event in requested}
    assert len(by_call_id) == len(requested)
    parts = [
        (part.id, part.name, part.arguments)
        for event in of_kind(result, "model_output")
        for part in event.body.messages[0].parts
        if part.type == "tool_call"
    ]
    assert parts == [(e.call_id, e.body.tool_name, e.body.arguments) for e in requested]

    answers = of_kind(result, "tool_result")
    paired = [event for event in answers if event.call_id is not None]
    assert len({event.call_id for event in paired}) == len(paired)
    place = {event.event_id: number for number, event in enumerate(result.events)}
    for event in paired:
        assert event.caused_by == (by_call_id[event.call_id].event_id,)
        assert place[event.caused_by[0]] < place[event.event_id]
    assert result.notices[NO_RESULT] == len(requested) - len(paired)
    assert result.notices[NO_CALL] == len(answers) - len(paired)


def check_references(result: Converted) -> None:
    """A prompt's history counts what came before; an output names what was said to the model."""
    said, last, unheard = 0, None, []
    output = None
    for event in result.events:
        if event.kind == "prompt":
            history = event.body.history
            assert (history.messages, history.through) == (said, last) if last else not history
        if event.kind == "model_output":
            assert list(event.caused_by) == unheard
            unheard, output = [], event.event_id
        if event.kind == "tool_call":
            assert event.caused_by == (output,)
        if event.kind in ("prompt", "model_output", "tool_result"):
            said += len(event.body.messages) if event.kind != "tool_result" else 1
            last = event.event_id
        if event.kind in ("prompt", "tool_result"):
            unheard.append(event.event_id)


def check_events(result: Converted) -> None:
    """Event ids are unique, times grow, and all belong to the one session that was started."""
    assert len({event.event_id for event in result.events}) == len(result.events)
    times = [event.occurred_at for event in result.events]
    assert times == sorted(set(times))
    assert len({event.session_id for event in result.events}) == 1
    assert [event.kind for event in result.events].count("lifecycle") == 1
    assert result.events[0].kind == "lifecycle"


# --- generated runs ------------------------------------------------------------------------------


@settings(max_examples=400)
@given(conversations)
def test_every_run_is_converted_whole(messages):
    """No message is lost, doubled or moved; calls, results, history and ids are as they must be."""
    check({"run_id": "r", "messages": messages})


a_call = st.tuples(names, names, st.none() | st.integers(0, 2), st.integers(0, 99))
"""Its name, the one that its result gives, how many turns that comes late, and in which order."""


@given(st.lists(st.lists(a_call, max_size=3), max_size=5))
def test_a_result_with_an_id_of_its_own_finds_its_call(turns):
    """However late or out of order, and whatever name it gives, an id that is unique is enough."""
    messages: list[dict[str, Any]] = []
    answers: list[tuple[int, int, dict[str, Any]]] = []
    for turn, requested in enumerate([*turns, [], []]):
        functions = [{"name": name, "arguments": "{}"} for name, *_ in requested]
        given_ids = [f"{turn}/{number}" for number in range(len(requested))]
        tool_calls = [{"id": i, "function": f} for i, f in zip(given_ids, functions, strict=True)]
        messages.append({"role": "assistant", "content": None, "tool_calls": tool_calls})
        for given_id, (_, name, delay, order) in zip(given_ids, requested, strict=True):
            if delay is not None:
                answer = {"role": "tool", "content": "", "tool_call_id": given_id, "name": name}
                answers.append((turn + delay, order, answer))
        due = [answer for answer in answers if answer[0] == turn]
        messages += [message for _, _, message in sorted(due, key=lambda answer: answer[1])]
    result = convert({"run_id": "r", "messages": messages})

    expected = [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    assert [event.call_id for event in of_kind(result, "tool_result")] == expected
    check_calls(result)


FIELDS_OF_THE_FORM = [
    "role",
    "content",
    "tool_calls",
    "function",
    "function_call",
    "custom",
    "name",
    "id",
    "arguments",
    "input",
    "tool_call",
    "args",
    "tool_call_id",
    "type",
    "text",
    "image_url",
    "url",
    "refusal",
    "reasoning_content",
    "error",
    "file",
    "file_id",
]
field_names = st.sampled_from(FIELDS_OF_THE_FORM)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(field_names | texts, inner, max_size=4)
    ),
    max_leaves=12,
)
any_messages = st.builds(
    lambda role, rest: {**rest, "role": role},
    st.sampled_from(["user", "assistant", "tool", "function", "critic"]),
    st.dictionaries(field_names, json_values, max_size=5),
)


@settings(max_examples=400)
@given(
    st.fixed_dictionaries(
        {"messages": st.lists(any_messages | json_values, min_size=1, max_size=4)},
        optional={"run_id": json_values, "metadata": json_values, "tools": json_values},
    )
)
@example({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}, None]}]})
def test_whatever_stands_in_a_line_is_converted_or_refused(run):
    """Any JSON in any place gives events that can be stored, or a reject, and no other error."""
    try:
        result = convert(run)
    except RejectedRecord as error:
        refusal = error.error_class
    else:
        refusal = None
        check_calls(result)
        check_references(result)
        check_events(result)
        prompts_and_outputs = of_kind(result, "prompt", "model_output")
        said = sum(len(event.body.messages) for event in prompts_and_outputs)
        assert said + len(of_kind(result, "tool_result")) == len(run["messages"])
    assert refusal in {None, "invalid_message", "no_run_id"}


# --- real runs -----------------------------------------------------------------------------------


@pytest.mark.corpora
@needs_corpora
@pytest.mark.parametrize(
    ("corpus", "count", "calls", "unanswered"),
    [(AGENTDOJO, 592, 2159, 7), (AIRLINE, 100, 577, 0)],
    ids=["agentdojo", "airline"],
)
def test_real_runs_are_converted_whole(corpus, count, calls, unanswered):
    """Each message of each run is there once, and each result has the call that it repeats."""
    kinds: Counter[str] = Counter()
    for run in (read := list(runs(corpus))):
        result = check(run)
        kinds.update(event.kind for event in result.events)
        assert [event.call_id for event in of_kind(result, "tool_result")].count(None) == 0
        assert not [e for e in of_kind(result, "tool_result") if "tool_call" in e.extensions]

    assert len(read) == kinds["lifecycle"] == count
    assert kinds["tool_call"] == calls
    assert kinds["tool_call"] - kinds["tool_result"] == unanswered
