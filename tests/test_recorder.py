"""The recorder: what an agent hands over is recorded as it was, and costs the agent nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from eventlogs import polls
from locard.evidence import is_signed
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.recorder import Recorder, RecorderSettings, drafts
from locard.ingest.recorder.plain import Reader
from locard.ingest.recorder.plain_flat import flat_copy
from locard.schema import event_json, ids
from recorders import (
    SECONDS,
    SwitchedLog,
    recorded,
    recording,
    settings,
    statements,
    told,
    wait_for_empty_spool,
)

CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"to": "x"}'}},
    {"id": "c2", "type": "function", "function": {"name": "pay", "arguments": '{"to": "y"}'}},
]
ASKS = {"role": "assistant", "content": None, "tool_calls": CALLS}


def completion(message, **more):
    """Return a chat completion as OpenAI's API gives it."""
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {"id": "r1", "model": "m-1", "choices": [choice], "usage": usage, **more}


def of(events, kind):
    """Return the events of this kind."""
    return [event for event in events if event.kind == kind]


def text(event, message=0, part=0) -> str:
    """Return the text of a part."""
    return event.body.messages[message].parts[part].content


def test_a_whole_turn_is_told_by_cause(tmp_path):
    """Prompt, output, requested and executed calls, results, decision: each names its cause."""
    with (
        recording(tmp_path) as recorder,
        recorder.session("s1", user="ana@example.com", provider="openai") as session,
    ):
        prompt = session.prompt([{"role": "user", "content": "pay x and y"}], model="m")
        output = session.model_output(completion(ASKS))
        assert [(c.id, c.name, c.arguments) for c in output.calls] == [
            ("c1", "pay", {"to": "x"}),
            ("c2", "pay", {"to": "y"}),
        ]
        session.decision("allow", by="policy", rule="small", call_id="c2")
        with session.tool_call("pay", {"to": "y"}, effect="send") as call:
            assert call.result({"ok": True}) == {"ok": True}
    events = recorded(tmp_path)
    assert [event.kind for event in told(events)] == [
        "lifecycle",
        "prompt",
        "model_output",
        "tool_call",
        "tool_call",
        "decision",
        "tool_call",
        "tool_result",
        "lifecycle",
    ]
    answer = of(events, "model_output")[0]
    first, second, executed = of(events, "tool_call")
    assert (str(answer.caused_by[0]), answer.input_tokens, answer.output_tokens) == (
        prompt.event_id,
        11,
        7,
    )
    assert (answer.response_model, answer.response_id, answer.finish_reasons) == (
        "m-1",
        "r1",
        ("stop",),
    )
    assert first.caused_by == second.caused_by == (answer.event_id,)
    assert (executed.call_id, executed.caused_by) == ("c2", (second.event_id,))
    assert executed.body.effect == "send"
    result = of(events, "tool_result")[0]
    assert (result.call_id, result.caused_by, result.body.result) == (
        "c2",
        (executed.event_id,),
        {"ok": True},
    )
    for event in told(events):
        assert (event.session_id, event.on_behalf_of, event.provider, event.agent_name) == (
            "s1",
            "ana@example.com",
            "openai",
            "payer",
        )


def test_everything_is_numbered_stated_and_signed(tmp_path):
    """Numbers have no hole; each statement covers what came since the last one, and is signed."""
    with recording(tmp_path, accounting_seconds=0.01) as recorder:
        for number in range(20):
            recorder.lifecycle("step", {"number": number})
            recorder.flush(SECONDS)
    events = recorded(tmp_path)
    assert [event.seq for event in events] == list(range(len(events)))
    made = statements(events)
    assert [s.body.statement for s in made[:1] + made[-1:]] == ["open", "close"]
    assert {s.body.statement for s in made[1:-1]} == {"interval"}
    assert all(is_signed(statement) for statement in made)
    covered = [n for s in made[1:] for n in range(s.body.first_seq, s.body.last_seq + 1)]
    assert covered == list(range(made[-1].seq))
    assert all(later.body.previous for later in made[1:])


def test_statements_come_also_while_the_agent_is_idle(tmp_path):
    """Silence of an idle agent is told apart from silence of a dead one."""
    log = SwitchedLog(tmp_path / "log.sqlite")
    with recording(tmp_path, log, accounting_seconds=0.02):
        for _ in polls():
            if log.appended >= 4:
                break
    made = [s.body.statement for s in statements(recorded(tmp_path))]
    assert made == ["open", *["interval"] * (len(made) - 2), "close"]
    assert len(made) >= 5


def test_a_statement_that_was_changed_is_not_signed(tmp_path):
    """No field of a statement can be changed without the signature telling."""
    with recording(tmp_path):
        pass
    statement = statements(recorded(tmp_path))[-1]
    changed = statement.body.model_copy(update={"count": statement.body.count + 1})
    assert is_signed(statement)
    assert not is_signed(statement.model_copy(update={"body": changed}))
    assert not is_signed(statement.model_copy(update={"incarnation": "another"}))


def test_the_agent_may_change_what_it_handed_over(tmp_path):
    """What is recorded is what was handed over at that moment."""
    messages = [{"role": "user", "content": "before"}]
    with recording(tmp_path) as recorder:
        recorder.session("s").prompt(messages)
        messages[0]["content"] = "after"
        messages.clear()
    assert text(of(recorded(tmp_path), "prompt")[0]) == "before"


class Unspeakable:
    """An object that does nothing but raise."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Invoice(BaseModel):
    """An object of pydantic's."""

    number: int
    due: datetime


@dataclasses.dataclass
class Line:
    """A data class."""

    price: float


CYCLE: list = []
CYCLE.append(CYCLE)
DEEP: list = []
for _ in range(5_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("plain", "plain"),
        (b"\x00\xff", "AP8="),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (2**70, str(2**70)),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ({1: "one", (2, 3): "two"}, None),
        (Invoice(number=1, due=datetime(2026, 5, 4, tzinfo=UTC)), None),
        (Line(1.5), {"price": 1.5}),
        ({1, 2}, [1, 2]),
        (timedelta(seconds=1), "PT1S"),
        (ValueError("why"), "why"),
        (Unspeakable(), None),
        (CYCLE, None),
        (DEEP, None),
        (lambda: None, None),
        (object(), None),
        (threading.Lock(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_can_be_handed_over(tmp_path, given_value, kept):
    """No object of the agent's makes recording raise or costs the event or the next one."""
    with recording(tmp_path) as recorder:
        recorder.session("s").tool_result(given_value, call_id="c1", name="f")
        recorder.session("s").tool_result("next", call_id="c2")
    first, second = of(recorded(tmp_path), "tool_result")
    assert (first.call_id, second.body.result) == ("c1", "next")
    if kept is not None:
        assert first.body.result == kept
    else:
        assert first.body.result is not None or first.absent["result"] == "not_captured"


@pytest.mark.parametrize(
    "record",
    [
        lambda s: s.decision("maybe", by="robot"),
        lambda s: s.tool_call("f", {}, effect="explode"),
        lambda s: s.tool_call(None, {}),
        lambda s: s.lifecycle(""),
        lambda s: s.record("rumour", {}),
        lambda s: s.record("prompt", {"messages": [{"role": 5}, None, 7]}),
        lambda s: s.prompt("x", input_tokens=-1, call_id=7),
        lambda s: s.prompt("x", event_id="mine", kind="custody", seq="none"),
        lambda s: s.record("tool_result", None),
        lambda s: s.prompt("x", extensions="text"),
        lambda s: s.model_output(completion({"role": "assistant"}, usage={"prompt_tokens": -4})),
    ],
)
def test_a_slip_in_the_agents_code_costs_neither_agent_nor_event(tmp_path, record):
    """Whatever does not fit the schema is recorded all the same, and so is what follows."""
    with recording(tmp_path) as recorder:
        record(recorder.session("s"))
        recorder.session("s").lifecycle("next")
    events = told(recorded(tmp_path))
    assert len(events) == 2
    assert [event.seq for event in events] == [1, 2]
    assert events[0].kind != "custody"
    assert events[1].body.change == "next"


def test_what_no_kind_of_event_can_hold_is_kept_as_text(tmp_path):
    """Where leaving out a field does not help, all that was handed over is there as text."""
    with recording(tmp_path) as recorder:
        recorder.session("s").decision("maybe", by="robot", rationale="because")
        recorder.session("s").record("rumour", {"heard": "something"})
    decided, heard = told(recorded(tmp_path))
    assert decided.body.change == heard.body.change == drafts.UNFIT
    for event, words in ((decided, ("maybe", "robot", "because")), (heard, ("something",))):
        kept = event.extensions["recorder"]
        assert kept["draft_characters"] == len(kept["draft"])
        assert all(word in kept["draft"] for word in words)


def test_an_optional_field_that_does_not_fit_costs_nothing_else(tmp_path):
    """What was handed over rightly is kept as it is; the field that was wrong is named."""
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        with session.tool_call("pay", {"to": "x"}, call_id="c1", effect="explode") as call:
            call.result({"ok": True}, trust="sure")
        session.prompt("question", model=3, input_tokens=-1)
    (called,) = of(recorded(tmp_path), "tool_call")
    (result,) = of(recorded(tmp_path), "tool_result")
    (prompt,) = of(recorded(tmp_path), "prompt")
    assert (called.body.arguments, called.body.effect) == ({"to": "x"}, None)
    assert called.extensions["recorder"]["fields"] == {"effect": "explode"}
    assert (result.body.result, result.body.trust) == ({"ok": True}, "tool")
    assert text(prompt) == "question"
    assert prompt.extensions["recorder"]["fields"] == {"request_model": 3, "input_tokens": -1}


TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner)
            | st.dictionaries(TEXTS | st.integers() | st.tuples(TEXTS), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_value_makes_an_event(value):
    """Whatever JSON-like value is handed over, the draft of it becomes an event."""
    from locard.ingest.conversations import Conversations
    from locard.ingest.recorder.draft_bytes import head_of, write_draft

    head = head_of("01a21094-8287-7940-91d2-c8cfae19f18b", "prompt")
    data = write_draft(head, {"session_id": "s"}, {}, {"messages": value})
    maker = drafts.Drafts("c", "i", {}, Conversations())
    event = maker.event(0, drafts.read_draft(data))
    assert event.kind == "prompt"
    assert event_json(event)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_what_is_plain_is_read_as_it_is(value):
    """A JSON value is read whole, into a copy that has no container in common with it."""
    read = Reader().value(value)
    assert repr(read) == repr(value)
    assert read is not value or not isinstance(value, list | dict)
    flat = flat_copy({"a": value}, 100_000)
    assert flat is None or repr(flat[0]) == repr({"a": value})


def test_history_is_stored_once(tmp_path):
    """In 200 turns each message is stored once, and a turn costs the same at the end."""
    messages = [{"role": "system", "content": "be exact " * 50}]
    with recording(tmp_path) as recorder:
        session = recorder.session("long")
        for turn in range(200):
            messages.append({"role": "user", "content": f"question {turn} " + "and more " * 20})
            session.prompt(messages)
            answer = {"role": "assistant", "content": f"answer {turn} " + "in full " * 20}
            session.model_output(completion(answer))
            messages.append(answer)
            if turn % 20 == 0:
                recorder.flush(SECONDS)
    events = told(recorded(tmp_path))
    texts = [
        part.content
        for event in events
        for message in event.body.messages
        for part in message.parts
    ]
    assert sorted(texts) == sorted(message["content"] for message in messages)
    sizes = [len(event_json(event)) for event in of(events, "prompt")]
    assert max(sizes[100:]) <= 1.1 * max(sizes[1:20])
    last = of(events, "prompt")[-1].body.history
    assert last.messages == len(messages) - 2


def test_a_full_ring_drops_counts_and_declares(tmp_path, caplog):
    """With nowhere to go events are dropped without blocking, and each drop is declared later."""
    log = SwitchedLog(tmp_path / "log.sqlite")
    log.is_up = False
    with recording(tmp_path, log, ring_bytes=64 * 1024, spool_bytes=0) as recorder:
        results = [recorder.lifecycle("step", {"text": "x" * 1000}) for _ in range(200)]
        dropped = [n for n, result in enumerate(results) if result.seq is None]
        assert len(dropped) == recorder.dropped > 100
        log.is_up = True
        assert recorder.flush(SECONDS)
        recorder.lifecycle("after")
    events = recorded(tmp_path)
    present = {event.seq for event in events}
    declared = {
        number
        for statement in statements(events)
        for drop in statement.body.drops
        for number in range(drop.first_seq, drop.last_seq + 1)
        if drop.reason == "queue_full"
    }
    assert len(declared) >= len(dropped)
    assert not present & declared
    assert present | declared == set(range(max(present) + 1))
    assert sum("dropped and counted" in record.message for record in caplog.records) == 1


def test_what_waited_in_the_spool_comes_in_order(tmp_path):
    """While the log is away events go to the disk; when it is back, all come in their order."""
    log = SwitchedLog(tmp_path / "log.sqlite")
    log.is_up = False
    with recording(tmp_path, log) as recorder:
        session = recorder.session("s")
        for number in range(100):
            session.lifecycle("step", {"number": number})
        assert recorder.flush(SECONDS)
        assert recorder.spooled_bytes
        log.is_up = True
        for number in range(100, 200):
            session.lifecycle("step", {"number": number})
        wait_for_empty_spool(recorder)
    from importing import events_in_log

    steps = [e for e in events_in_log(tmp_path / "log.sqlite") if e.session_id == "s"]
    assert [event.body.attributes["number"] for event in steps] == list(range(200))


def test_an_event_larger_than_the_ring_is_whole(tmp_path):
    """The largest events are not the first to vanish."""
    large = "x" * 3_000_000
    with recording(tmp_path, ring_bytes=256 * 1024) as recorder:
        recorder.session("s").tool_result(large, call_id="c1")
        recorder.session("s").tool_result("small", call_id="c2")
    first, second = of(recorded(tmp_path), "tool_result")
    assert (first.body.result, second.body.result) == (large, "small")


def test_an_event_larger_than_any_log_takes_keeps_its_core(tmp_path, monkeypatch):
    """What no log takes, even with its texts cut, is recorded without its content, and says so."""
    monkeypatch.setattr(drafts, "LARGEST_RECORD", 10_000)
    with recording(tmp_path) as recorder:
        recorder.session("s").tool_result("x" * 10_000, call_id="c1", name="f")
    (event,) = of(recorded(tmp_path), "tool_result")
    assert (event.call_id, event.body.result) == ("c1", None)
    assert event.absent["result"] == "not_captured"
    assert event.extensions["recorder"]["left_out"] == "event_too_large"


def test_nothing_refers_to_what_was_cut(tmp_path):
    """A result that was too large to be stored is no place to find it."""
    result = "x" * (LARGEST_RECORD - 100)
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        session.tool_result(result, call_id="c1", name="f", extensions={"more": "y" * 200})
        session.prompt([{"role": "tool", "tool_call_id": "c1", "content": result[:1000]}])
        session.prompt([{"role": "tool", "tool_call_id": "c1", "content": result[:-1]}])
    events = recorded(tmp_path)
    (cut,) = of(events, "tool_result")
    assert cut.body.result["characters"] == len(result)
    assert cut.extensions["more"] == "y" * 200
    for prompt in of(events, "prompt"):
        assert str(cut.event_id) not in event_json(prompt).decode()


def test_an_output_names_its_prompt_beside_other_causes(tmp_path):
    """Causes that the agent names do not hide which prompt was answered."""
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        other = session.lifecycle("retry")
        prompt = session.prompt("question")
        session.model_output("answer", caused_by=[other.event_id])
    (output,) = of(recorded(tmp_path), "model_output")
    assert [str(cause) for cause in output.caused_by] == [other.event_id, prompt.event_id]


def test_what_the_collector_refuses_is_declared(tmp_path):
    """An event that was refused for good is named by the next statement, with the reason."""
    refused: list = []
    log = SwitchedLog(tmp_path / "log.sqlite")
    taken = log.append

    def append(records):
        bad = [record for record in records if b"unwanted" in record.value]
        for record in bad:
            refused[0](record, "other_workflow")
        taken([record for record in records if record not in bad])

    log.append = append
    recorder = Recorder(
        settings(tmp_path), open_log=lambda _key, tell: (refused.append(tell), log)[1]
    )
    recorder.lifecycle("wanted")
    event = recorder.lifecycle("unwanted")
    recorder.close(SECONDS)
    last = statements(recorded(tmp_path))[-1].body
    assert [(d.first_seq, d.last_seq, d.reason) for d in last.drops] == [
        (event.seq, event.seq, "refused_other_workflow")
    ]
    assert (last.count, last.declared_drops) == (2, 1)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_set_is_told(tmp_path, monkeypatch, seconds):
    """Events keep their order and their wall time, and the step between them is an event."""
    real = time.time_ns
    step = 0
    monkeypatch.setattr(ids, "_last_tick", ids._last_tick)  # else later ids keep the set time
    monkeypatch.setattr(time, "time_ns", lambda: real() + step * 1_000_000_000)
    with recording(tmp_path) as recorder:
        recorder.lifecycle("before")
        step = seconds
        recorder.lifecycle("after")
        assert recorder.flush(SECONDS)
    events = told(recorded(tmp_path))
    assert [event.body.change for event in events] == ["before", "after", "clock_step"]
    assert abs(events[2].body.attributes["seconds"] - seconds) < 1
    moved = events[1].occurred_at - events[0].occurred_at
    assert abs(moved.total_seconds() - seconds) < SECONDS


def test_tasks_do_not_mix_up_their_sessions(tmp_path):
    """In parallel tasks each output answers the prompt of its own task."""

    async def work(recorder, number):
        async with recorder.session(f"s{number}") as session:
            prompt = session.prompt(f"question {number}")
            await asyncio.sleep(0)
            assert recorder.current_session is session
            recorder.lifecycle("thinking")
            await asyncio.sleep(0)
            session.model_output(f"answer {number}")
            return prompt.event_id

    async def main(recorder):
        return await asyncio.gather(*(work(recorder, n) for n in range(10)))

    with recording(tmp_path) as recorder:
        prompts = asyncio.run(main(recorder))
        assert recorder.current_session is None
    events = recorded(tmp_path)
    for number, prompt in enumerate(prompts):
        own = [event for event in events if event.session_id == f"s{number}"]
        (output,) = of(own, "model_output")
        assert [str(cause) for cause in output.caused_by] == [prompt]
        assert "thinking" in [e.body.change for e in of(own, "lifecycle")]


def test_a_decorated_tool_is_recorded_and_behaves_as_before(tmp_path):
    """Plain and async functions, methods, errors: the caller sees no difference."""
    with recording(tmp_path) as recorder:

        @recorder.tool(effect="send", trust="external")
        def pay(to, amount=1, *rest, **more):
            """Pay."""
            return {"to": to}

        @recorder.tool
        async def look(where):
            return where * 2

        @recorder.tool(name="breaks")
        def fail():
            raise KeyError("not there")

        class Desk:
            @recorder.tool
            def open(self, door):
                return door

        with recorder.session("s") as session:
            session.model_output(completion(ASKS))
            assert pay("y") == {"to": "y"}
            assert asyncio.run(look("ab")) == "abab"
            assert Desk().open("front") == "front"
            with pytest.raises(KeyError):
                fail()
            with pytest.raises(TypeError):
                fail(1, 2)
        assert pay.__doc__ == "Pay."
        assert pay("outside") == {"to": "outside"}
    events = recorded(tmp_path)
    calls = [e for e in of(events, "tool_call") if e.body.sighting == "executed"]
    assert [(e.body.tool_name, e.body.arguments) for e in calls][:4] == [
        ("pay", {"to": "y"}),
        ("look", {"where": "ab"}),
        ("open", {"door": "front"}),
        ("breaks", {}),
    ]
    assert calls[0].call_id == "c2"  # asked for with these arguments
    results = {e.call_id: e for e in of(events, "tool_result")}
    assert results.keys() == {e.call_id for e in calls}
    failed = results[calls[3].call_id].body
    assert (failed.outcome, failed.error_type, failed.error_message) == (
        "error",
        "KeyError",
        "'not there'",
    )
    assert results["c2"].body.trust == "external"


def test_what_happens_inside_a_tool_is_caused_by_it(tmp_path):
    """A sub-agent's session names the tool call that began it."""
    with recording(tmp_path) as recorder, recorder.session("outer") as session:
        with session.tool_call("delegate") as call, recorder.session("inner"):
            pass
        call_event = call.recorded.event_id
    inner = [e for e in recorded(tmp_path) if e.session_id == "inner"]
    assert [str(cause) for cause in inner[0].caused_by] == [call_event]


def test_a_recorder_that_is_off_does_nothing(tmp_path):
    """Switched off, no thread runs and no file is made."""
    recorder = Recorder(settings(tmp_path, is_on=False))
    with recorder.session("s") as session:
        output = session.model_output(completion(ASKS))
        assert [call.id for call in output.calls] == ["c1", "c2"]
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_disk_events_go_straight_to_the_log(tmp_path, caplog):
    """Where no directory can be made, there is no spool and no key of one's own, and it is said."""
    (tmp_path / "spool").write_text("a file")
    with recording(tmp_path) as recorder:
        for number in range(10):
            recorder.lifecycle("step", {"number": number})
    assert len(told(recorded(tmp_path))) == 10
    assert all(is_signed(statement) for statement in statements(recorded(tmp_path)))
    said = [record.getMessage() for record in caplog.records]
    assert sum("has no spool" in message for message in said) == 1
    assert sum("which nobody can have registered" in message for message in said) == 1


def test_memory_for_large_events_is_bounded(tmp_path, monkeypatch):
    """Beyond the bound a large event keeps its core, and says why."""
    monkeypatch.setattr("locard.ingest.recorder.channel._MOST_LARGE_BYTES", 1_000_000)
    log = SwitchedLog(tmp_path / "log.sqlite")
    log.is_up = False
    with recording(tmp_path, log, ring_bytes=64 * 1024, spool_bytes=0) as recorder:
        session = recorder.session("s")
        for number in range(6):
            session.tool_result("x" * 400_000, call_id=f"c{number}")
        log.is_up = True
    results = of(recorded(tmp_path), "tool_result")
    assert [event.call_id for event in results] == [f"c{number}" for number in range(6)]
    left_out = [event for event in results if event.body.result is None]
    assert len(left_out) >= 3
    for event in left_out:
        assert event.absent["result"] == "not_captured"
        assert event.extensions["recorder"]["left_out"] == "too_much_in_memory"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOCARD_ENDPOINT", "not an address"),
        ("LOCARD_ENDPOINT", "http://[::1"),
        ("LOCARD_SPOOL_BYTES", "many"),
        ("LOCARD_RING_BYTES", "1"),
        ("LOCARD_ACCOUNTING_SECONDS", "-1"),
        ("LOCARD_ACCOUNTING_SECONDS", "nan"),
        ("LOCARD_TOKEN_FILE", "/nowhere/at/all"),
        ("LOCARD_RECORDER", "perhaps"),
        ("LOCARD_RING_BYTES", "9" * 30),
        ("LOCARD_RING_BYTES", "9" * 5_000),
        ("LOCARD_SPOOL_BYTES", "9" * 30),
        ("LOCARD_CLOSE_SECONDS", "inf"),
        ("LOCARD_CLOSE_SECONDS", "1e300"),
        ("LOCARD_CLOSE_SECONDS", "nan"),
        ("LOCARD_SPOOL", "~nobody-of-this-name/spool"),
        ("LOCARD_SPOOL", "a\0b"),
        ("LOCARD_SPOOL", "a\udcffb"),
        ("LOCARD_COLLECTOR_ID", "a\udcffb"),
        ("LOCARD_COLLECTOR_ID", "é" * 200),
        ("LOCARD_WORKFLOW", "a\nb"),
        ("LOCARD_TOKEN", "a\nb"),
        ("LOCARD_TOKEN", "t\u00f6ken"),
        ("LOCARD_TOKEN_FILE", "/dev/zero"),
    ],
)
def test_a_slip_in_a_variable_is_told_and_its_default_used(variable, value, caplog):
    """Configuration never keeps an agent from starting."""
    found = RecorderSettings.from_env({variable: value})
    assert found == RecorderSettings()
    assert [variable in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ring_bytes", "many"), ("spool", None), ("is_on", "yes"), ("token", 5), ("endpoint", None)],
)
def test_settings_in_code_are_checked_too(name, value):
    """Whoever makes settings in code hears of a slip at once, by the name of the variable."""
    with pytest.raises(ValueError, match="LOCARD_"):
        RecorderSettings(**{name: value})


def test_defaults_fit_whatever_machine_and_program_are_called(monkeypatch, tmp_path):
    """Names that are no Unicode, or far too long, make settings all the same."""
    monkeypatch.setattr("sys.argv", ["/x/\udcff\n" + "long" * 500])
    monkeypatch.setenv("XDG_STATE_HOME", "/x/\udcff")
    assert len(RecorderSettings().collector_id.encode()) <= 200
    monkeypatch.delattr("sys.argv")
    assert RecorderSettings().collector_id.endswith("/python")


def test_every_variable_is_read(tmp_path):
    """Each setting comes from its variable."""
    (tmp_path / "token").write_text("secret\n")
    found = RecorderSettings.from_env(
        {
            "LOCARD_ENDPOINT": "https://collector.example.com/in",
            "LOCARD_TOKEN_FILE": str(tmp_path / "token"),
            "LOCARD_KAFKA": "broker:9092",
            "LOCARD_KAFKA_TOPIC": "topic",
            "LOCARD_WORKFLOW": "payments",
            "LOCARD_ENVIRONMENT": "test",
            "LOCARD_AGENT_ID": "a1",
            "LOCARD_AGENT": "payer",
            "LOCARD_AGENT_VERSION": "2",
            "LOCARD_COLLECTOR_ID": "c",
            "LOCARD_SPOOL": str(tmp_path),
            "LOCARD_SPOOL_BYTES": "1000",
            "LOCARD_RING_BYTES": "100000",
            "LOCARD_ACCOUNTING_SECONDS": "5",
            "LOCARD_CLOSE_SECONDS": "1.5",
            "LOCARD_RECORDER": "off",
        }
    )
    assert found == RecorderSettings(
        endpoint="https://collector.example.com/in",
        token="secret",
        kafka="broker:9092",
        kafka_topic="topic",
        workflow_id="payments",
        environment="test",
        agent_id="a1",
        agent_name="payer",
        agent_version="2",
        collector_id="c",
        spool=tmp_path,
        spool_bytes=1000,
        ring_bytes=100_000,
        accounting_seconds=5.0,
        seconds_to_close=1.5,
        is_on=False,
    )
    assert "secret" not in repr(found)
