"""Timelines by anything that events have in common, and how far they can be relied on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakes import publish
from locard.query import Selection, connect, rows_of, standing, timeline
from locard.query.clocks import clocks, corrected
from locard.query.sightings import merged
from locard.schema import CannotContinue, rfc3339
from making import event

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def at(minute: int) -> str:
    return rfc3339(NOON + timedelta(minutes=minute))


def call(tool: str, minute: int, arguments: dict[str, Any] | None = None, **core: Any):
    """Return a call of a tool at this minute after noon."""
    body = {"tool_name": tool, "sighting": "executed", "arguments": arguments or {}}
    return event("tool_call", body, **{"session_id": "s1", "occurred_at": at(minute), **core})


EVENTS = {
    "pays": call(
        "send_money", 1, {"to": "‹IBAN_CODE:k1:aa›"}, trace_id="t" * 32, agent_name="payer"
    ),
    "reads": call("read_file", 2, {"path": "bill.txt"}, workflow_id="billing"),
    "other": call("send_mail", 3, session_id="s2", on_behalf_of="‹PERSON:k1:bb›", agent_id="a-7"),
    "late": call("read_file", 90, session_id="s2", workflow_id="billing"),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("lake") / "lake", *EVENTS.values())


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(session_id="s1"), "pays reads"),
        (Selection(trace_id="t" * 32), "pays"),
        (Selection(agent="payer"), "pays"),
        (Selection(agent="a-7"), "other"),
        (Selection(workflow_id="billing"), "reads late"),
        (Selection(person="‹PERSON:k1:bb›"), "other"),
        (Selection(tool="read_file"), "reads late"),
        (Selection(value="‹IBAN_CODE:k1:aa›"), "pays"),
        (Selection(document="bill.txt"), "reads"),
        (Selection(since=NOON + timedelta(minutes=3)), "other late"),
        (Selection(until=NOON + timedelta(minutes=2)), "pays"),
        (Selection(tool="read_file", session_id="s2"), "late"),
        (Selection(tool="read_file", until=NOON + timedelta(hours=1)), "reads"),
        (Selection(session_id="s1", workflows=frozenset({"billing"})), "reads"),
        (Selection(session_id="s1", workflows=frozenset()), ""),
        (Selection(session_id="nobody"), ""),
        (Selection(value="' OR true --"), ""),
    ],
)
def test_events_are_selected(lake, selection, expected):
    """Each selector alone and together, in the order of time; hostile values find nothing."""
    with connect(lake) as connection:
        found = [row.event_id for row in timeline(connection, selection)]
    assert found == [str(EVENTS[name].event_id) for name in expected.split()]


def test_nothing_selected_is_told(lake):
    """The whole lake is no timeline."""
    with connect(lake) as connection, pytest.raises(CannotContinue, match="nothing is selected"):
        timeline(connection, Selection(workflows=frozenset({"billing"})))


def row(number: int, **columns: Any) -> dict[str, Any]:
    """Return a row of the view `events` with what a timeline needs."""
    told = {
        "event_id": f"{number:03}", "kind": "tool_call", "occurred_at": NOON, "call_id": None,
        "ingested_at": NOON + timedelta(hours=1), "time_source": "source", "caused_by": None,
        "tool_name": "t", "session_id": "s", "collector_id": "a", "incarnation": "i", "seq": number,
    }  # fmt: skip
    return {**told, **columns}


def test_sightings_of_a_call_are_one_row_with_all_who_saw_it():
    """The nearest to the deed speaks, in the place of the earliest."""
    events = [
        row(1, call_id="c", sighting="requested", lane="otlp_trace", arguments='{"a":1}'),
        row(2, kind="prompt"),
        row(3, call_id="c", sighting="executed", lane="recorder", arguments='{"a":1}'),
        row(4, call_id="c", sighting="client", lane="otlp_trace", arguments='{"a":2}'),
    ]
    (first, sightings), (second, none) = merged(events)
    assert (first["event_id"], second["event_id"], none) == ("003", "002", [])
    assert [one["sighting"] for one in sightings] == ["executed", "client", "requested"]
    assert all(one["differs"] for one in sightings)


def test_a_second_call_under_the_same_id_does_not_vanish():
    """Sources use an id twice: two executed sightings are two calls."""
    events = [row(n, call_id="c", sighting=s) for n, s in enumerate(("requested", "executed") * 2)]
    told = merged(events)
    assert [event["event_id"] for event, _ in told] == ["001", "003"]
    assert [len(sightings) for _, sightings in told] == [2, 2]


def test_a_clock_ahead_of_the_arrival_is_moved_back():
    """Nothing happened after it arrived; the raw time stays."""
    ahead = row(1, occurred_at=NOON + timedelta(hours=3))
    known = clocks([ahead])
    assert corrected(ahead, known) == NOON + timedelta(hours=1)
    (told,) = rows_of([ahead])
    assert told.occurred_at == NOON + timedelta(hours=3)
    assert (told.corrected_at, told.later_ms) == (NOON + timedelta(hours=1), 0)


def test_an_effect_is_moved_after_its_cause_and_all_of_its_source_with_it():
    """The second machine is five minutes behind; what it did alone moves too."""
    cause = row(1, occurred_at=NOON)
    effect = row(2, occurred_at=NOON - timedelta(minutes=5), caused_by=["001"], collector_id="b")
    alone = row(3, occurred_at=NOON - timedelta(minutes=4), collector_id="b")
    known = clocks([cause, effect, alone])
    assert corrected(effect, known) == NOON
    assert corrected(alone, known) == NOON + timedelta(minutes=1)


OFFSETS = st.integers(-600, 600)


@given(st.lists(OFFSETS, min_size=3, max_size=3), st.randoms())
def test_skewed_late_and_shuffled_events_give_the_same_timeline(offsets, random):
    """Ten steps over three machines whose clocks differ by minutes, each caused by the last."""
    steps = [
        row(
            n,
            collector_id="abc"[n % 3],
            occurred_at=NOON + timedelta(seconds=n + offsets[n % 3]),
            ingested_at=NOON + timedelta(seconds=n + 2),
            caused_by=[f"{n - 1:03}"] if n else None,
        )
        for n in range(10)
    ]
    expected = rows_of(steps)
    assert [one.event_id for one in expected] == [f"{n:03}" for n in range(10)]
    moments = [one.corrected_at for one in expected]
    assert moments == sorted(moments)
    random.shuffle(steps)
    assert rows_of(steps) == expected


@pytest.mark.parametrize("seed", range(4))
def test_doubled_events_in_any_order_of_the_log_give_the_same_timeline(tmp_path, seed):
    """Through the lake: the log had them shuffled, some twice, in several files."""
    random = Random(seed)  # noqa: S311 - the same order each time
    steps = [call(f"t{n}", n, collector_id="abc"[n % 3]) for n in range(9)]
    told = [step.event_id for step in steps]
    arrived = [*steps, *random.sample(steps, 4)]
    random.shuffle(arrived)
    for n in range(0, len(arrived), 5):
        publish(tmp_path / "lake", *arrived[n : n + 5])
    with connect(tmp_path / "lake") as connection:
        assert [one.event_id for one in timeline(connection, "s1")] == list(map(str, told))


def test_a_gap_is_a_row_and_the_answer_says_so(tmp_path):
    """Number 2 of three never arrived: between its neighbours, counted, and not whole."""
    numbered = [
        call("t", n, collector_id="c", incarnation="01890000-0000-7000-8000-000000000000", seq=n)
        for n in (0, 1, 3)
    ]
    lake = publish(tmp_path / "lake", *numbered)
    with connect(lake) as connection:
        stands = standing(connection, Selection(session_id="s1"), lake)
        rows = timeline(connection, "s1", gaps=stands.gaps)
    assert [one.state for one in rows] == ["recorded", "recorded", "gap", "recorded"]
    assert (stands.missing, stands.is_whole) == (1, False)
    assert "1 missing" in stands.sentence()
    assert "can be proved" in stands.sentence()


def test_a_whole_answer_says_that_nothing_is_known_to_be_missing(lake):
    """And still sends to `locard verify`, which alone can tell whether it was altered."""
    with connect(lake) as connection:
        stands = standing(connection, Selection(session_id="s1"), None)
    assert stands.is_whole
    assert "locard verify" in stands.sentence()


def test_a_gap_that_goes_on_far_beyond_an_answer_is_cut(tmp_path):
    """A session has few of a collector's numbers, and only those near them are looked at."""
    there = [0, 30_000, 30_001, 60_000]
    rows = [
        event(session_id=f"s{n // 30_000}", collector_id="c", incarnation="i", seq=n) for n in there
    ]
    with connect(publish(tmp_path / "lake", *rows)) as connection:
        near = standing(connection, Selection(session_id="s1"), None).gaps
        whole = standing(connection, None, None).gaps
    assert [(gap["first_seq"], gap["last_seq"], gap["count"]) for gap in near] == [
        (20_000, 29_999, 10_000),
        (30_002, 40_001, 10_000),
    ]
    assert [(gap["first_seq"], gap["last_seq"]) for gap in whole] == [(1, 29_999), (30_002, 59_999)]


def test_a_standing_counts_what_is_within_the_answer_and_nothing_else(tmp_path):
    """Over the sources, times and absences of one session; another one has gaps of its own."""
    mine = [
        event(session_id="s1", collector_id=collector, incarnation="i", seq=seq, **more)
        for collector, seq, more in (
            ("a", 0, {}),
            ("a", 3, {"time_source": "importer"}),
            ("b", 0, {"time_source": "importer"}),
            ("b", 1, {"time_source": "importer"}),
        )
    ]
    others = [
        event(session_id="s2", collector_id="c", incarnation="i", seq=seq, time_source="importer")
        for seq in (0, 9)
    ]
    lake = publish(tmp_path / "lake", *mine, *others)
    with connect(lake) as connection:
        stands = standing(connection, Selection(session_id="s1"), None)
        whole = standing(connection, None, None)
    assert (stands.missing, stands.times_made_up, stands.is_whole) == (2, 3, False)
    assert [(gap["collector_id"], gap["first_seq"], gap["last_seq"]) for gap in stands.gaps] == [
        ("a", 1, 2)
    ]
    assert (whole.missing, whole.times_made_up) == (10, 5)
