"""The timeline: causes first, everything in words, and readable at a glance."""

from __future__ import annotations

import io
import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakes import publish
from locard.cli.timeline_view import print_timeline
from locard.query import TimelineRow, connect, count_calls, position_of, timeline
from locard.query.details import JSON_COLUMNS, details
from locard.query.layout import width_of
from locard.query.order import in_causal_order
from locard.query.telling import tell
from locard.schema import CannotContinue
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS, event_table
from making import event, said
from strategies import events

START = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)


def row(number: int, seconds: float = 0, causes=(), **columns):
    """Return a row of the view `events` as far as its order goes."""
    return {
        "event_id": f"{number:03}",
        "occurred_at": START + timedelta(seconds=seconds),
        "caused_by": [f"{cause:03}" for cause in causes] or None,
        **columns,
    }


@st.composite
def sessions(draw):
    """Draw events whose clocks tie and disagree, and whose causes may be circles, or not there."""
    count = draw(st.integers(0, 12))
    number = st.integers(0, count + 1)
    return [
        row(
            n,
            draw(st.integers(0, 4)),
            draw(st.lists(number, max_size=3)),
            collector_id=draw(st.sampled_from([None, "a", "b"])),
            seq=draw(st.none() | st.integers(0, 3)),
            log_offset=draw(st.integers(0, 3)),
        )
        for n in range(count)
    ]


def ids(rows) -> list[str]:
    """Return the event ids in order."""
    return [row["event_id"] for row in rows]


def reached(rows) -> dict[str, set[str]]:
    """Return for each event all that led to it, step by step."""
    known = set(ids(rows))
    causes = {row["event_id"]: known & set(row["caused_by"] or ()) for row in rows}
    while True:
        further = {n: found.union(*(causes[c] for c in found)) for n, found in causes.items()}
        if further == causes:
            return causes
        causes = further


@given(sessions(), st.randoms())
def test_the_order_does_not_depend_on_how_the_events_come(rows, random):
    """However the rows are shuffled, they are told in the same order, each of them once."""
    expected = in_causal_order(rows)
    assert sorted(ids(expected)) == sorted(ids(rows))
    random.shuffle(rows)
    assert in_causal_order(rows) == expected


@given(sessions())
def test_no_event_is_told_before_its_cause(rows):
    """What an event names as its cause stands before it, unless each led to the other."""
    led_to, told = reached(rows), set()
    for row in in_causal_order(rows):
        event_id = row["event_id"]
        told.add(event_id)
        causes = led_to.keys() & set(row["caused_by"] or ())
        assert {cause for cause in causes if event_id not in led_to[cause]} <= told


@given(sessions())
def test_time_decides_wherever_causes_do_not(rows):
    """The order goes back in time only from a cause to its own effect."""
    ordered = in_causal_order(rows)
    for before, after in pairwise(ordered):
        if after["occurred_at"] < before["occurred_at"]:
            assert before["event_id"] in after["caused_by"]


def test_where_times_tie_the_source_counts_then_the_log_then_the_id():
    """At one moment the collector's own numbers decide, then the place in the log."""
    expected = [
        row(9, collector_id="a", incarnation="x", seq=1, log_offset=7),
        row(8, collector_id="a", incarnation="x", seq=2, log_offset=6),
        row(7, collector_id="b", incarnation="x", seq=0, log_offset=5),
        row(6, log_topic_id="t", log_partition=0, log_offset=3),
        row(5, log_topic_id="t", log_partition=0, log_offset=4),
        row(3, log_topic_id="t", log_partition=1, log_offset=1),
        row(4, log_topic_id="t", log_partition=1, log_offset=1),
    ]
    assert ids(in_causal_order(reversed(expected))) == ids(expected)


def test_an_effect_whose_clock_is_behind_follows_its_cause_at_once():
    """Between a cause and its effect no later event slips in."""
    rows = [row(1, 10), row(2, 3, causes=[1]), row(3, 11), row(4, 1)]
    assert ids(in_causal_order(rows)) == ["004", "001", "002", "003"]


def test_what_a_circle_caused_comes_after_it():
    """Two events that cause each other are told by time, and what they led to after them."""
    rows = [row(1, 5, causes=[2]), row(2, 4, causes=[1]), row(3, 0, causes=[1])]
    assert ids(in_causal_order(rows)) == ["002", "001", "003"]


def test_long_chains_and_rings_of_causes_are_ordered():
    """A session of many events that cause each other neither hangs nor runs out of stack."""
    count = 20_000
    chain = [row(n, count - n, causes=[n - 1] if n else []) for n in range(count)]
    assert ids(in_causal_order(chain)) == [f"{n:03}" for n in range(count)]
    ring = [row(n, n, causes=[(n + 1) % count, (n + 7) % count]) for n in range(count)]
    assert ids(in_causal_order(ring)) == [f"{n:03}" for n in range(count)]


def told(plain, tools=None, **columns):
    """Return an event in words, as the view `events` would hand it on."""
    return tell({**event_table([plain]).to_pylist()[0], **columns}, tools or {})


def output(*parts, **core):
    """Return what a model answered."""
    message = {"role": "assistant", "parts": list(parts)}
    return event("model_output", {"messages": [message]}, **core)


BEFORE = {
    "role": "tool",
    "same_as": {"event": "0190c1d2-0000-7000-8000-000000000001", "message": 2},
}
CALL = {"tool_name": "pay", "arguments": {"to": "é", "n": 1.5}}


@pytest.mark.parametrize(
    ("plain", "who", "what", "trust"),
    [
        (event("prompt", {"messages": [said("Pay it.")]}), "user", "Pay it.", "user"),
        (
            event("prompt", {"messages": [said("Be nice.", "system", "system"), said("Pay it.")]}),
            "system+user",
            "user: Pay it.\nsystem: Be nice.",
            "user",
        ),
        (
            event("prompt", {"messages": [said("a"), said("b", "user", "external")]}),
            "user",
            "a\nb",
            "external",
        ),
        (event("prompt", {"messages": [{"role": "user"}]}), "user", "", None),
        (
            event("prompt", {"messages": [BEFORE, said("a")]}),
            "tool+user",
            f"user: a\ntool: (as before: event {BEFORE['same_as']['event']})",
            "user",
        ),
        (
            event("prompt", {"messages": [{**BEFORE, "parts": said("a")["parts"]}]}),
            "tool",
            "a",
            "user",
        ),
        (
            event("prompt", {}, absent={"messages": "quarantined"}),
            "agent",
            "[messages: quarantined]",
            None,
        ),
        (
            event("prompt", {}, absent={"messages": "erased"}, agent_name="payer"),
            "payer",
            "[messages: erased]",
            None,
        ),
        (
            output(
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "Done."},
                {"type": "tool_call", "name": "pay", "arguments": {"n": 1}},
                request_model="asked",
                response_model="answered",
            ),
            "answered",
            "(reasons) hm\nDone.\nasks for pay",
            None,
        ),
        (
            output({"type": "blob", "mime_type": "image/png", "content": "AAAA"}),
            "model",
            "(image/png, 4 characters of base64)",
            None,
        ),
        (output({"type": "new", "x": 1}), "model", '{"type": "new", "x": 1}', None),
        (
            event("tool_call", {**CALL, "sighting": "requested"}, request_model="some-model"),
            "some-model",
            'asks for pay(n=1.5, to="é")',
            None,
        ),
        (
            event("tool_call", {**CALL, "sighting": "executed"}, agent_name="payer"),
            "payer",
            'runs pay(n=1.5, to="é")',
            None,
        ),
        (
            event("tool_call", {**CALL, "sighting": "server", "tool_server": "bank"}),
            "bank",
            'serves pay(n=1.5, to="é")',
            None,
        ),
        (
            event("tool_call", {**CALL, "arguments": "not json", "sighting": "client"}),
            "agent",
            "sends pay(not json)",
            None,
        ),
        (event("tool_result", {"outcome": "ok", "tool_name": "pay"}), "pay", "ok", None),
        (
            event("tool_result", {"outcome": "ok", "result": "a\nb", "trust": "external"}),
            "tool",
            "ok: a\nb",
            "external",
        ),
        (
            event("tool_result", {"outcome": "error", "error_message": "no", "result": "x"}),
            "tool",
            "error: no",
            None,
        ),
        (
            event(
                "decision",
                {"decided_by": "policy", "verdict": "deny", "rule": "r7", "rationale": "too much"},
                call_id="c1",
            ),
            "policy",
            "deny pay: r7, too much",
            None,
        ),
        (
            event(
                "content",
                {"operation": "read", "title": "Notes", "content": "text", "trust": "external"},
                agent_name="payer",
            ),
            "payer",
            "reads Notes: text",
            "external",
        ),
        (
            event("lifecycle", {"change": "session_start", "attributes": {"a": 1}}, principal="p"),
            "p",
            'session_start {"a": 1}',
            None,
        ),
        (
            event("custody", {"custody_action": "erasure", "ticket": "T1"}, session_id=None),
            "–",
            "erasure ticket=T1",
            None,
        ),
    ],
)
def test_an_event_is_told_in_words(plain, who, what, trust):
    """Who, what and how far trusted, for each kind; instructions come last and missing content is
    named."""
    assert told(plain, {"c1": "pay"}) == (who, what, trust)


def test_a_kind_of_a_newer_version_is_told_with_what_it_has():
    """A kind and a column that this version does not know are shown all the same."""
    new = told(event(), kind="delegation", delegated_to="another agent", agent_name="payer")
    assert new.who == "payer"
    assert "delegated_to=another agent" in new.what
    assert "send_money" in new.what


@pytest.mark.parametrize("messages", ["no json", "{}", "[1, null]", '[{"parts": [3, {}]}]', "[[]]"])
def test_damaged_messages_are_told_as_they_are(messages):
    """What is no list of messages breaks nothing."""
    for kind in ("prompt", "model_output"):
        told(event(kind, {"messages": []}), messages=messages)


@given(events)
def test_every_event_can_be_shown(plain):
    """Whatever the schema allows is told, printed in lines that fit, and inert with details."""
    columns = event_table([plain]).to_pylist()[0]
    found = tell(columns, {})
    present = {name: value for name, value in columns.items() if value is not None}
    shown = TimelineRow("id", START, False, plain.kind, found.who, found.what, found.trust, present)
    for has_details, width in ((False, 60), (True, None)):
        printed = view([shown], details=has_details, width=width)
        acting = {c for c in printed if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert acting <= {"\n"}
        if width:
            assert len(printed.splitlines()) == 4
            assert all(width_of(line) <= width for line in printed.splitlines())


def view(rows, zone=UTC, *, details=False, **options) -> str:
    """Return the timeline as it is printed to a pipe."""
    stream = io.StringIO()
    print_timeline(rows, zone, details=details, stream=stream, **options)
    return stream.getvalue()


def shown(who: str, what: str, seconds: float = 0, kind: str = "prompt", **fields) -> TimelineRow:
    """Return a row of a timeline."""
    trust, is_made_up = fields.pop("trust", None), fields.pop("time_made_up", False)
    moment = fields.pop("occurred_at", START) + timedelta(seconds=seconds)
    fields = {"session_id": "s1", **fields}
    return TimelineRow(f"{who}-id", moment, is_made_up, kind, who, what, trust, fields)


STORY = [
    shown("user", "Pay it.\nPlease.", trust="user"),
    shown("payer", "runs read(x=1)", 1, "tool_call", call_id="c1"),
    shown("read", "ok: 日本語 mail", 2.5, "tool_result", trust="external", call_id="c1"),
    shown("payer", "runs pay(n=1)", 3, "tool_call", call_id="c2"),
    shown("payer", "runs tell(n=1)", 4, "tool_call", call_id="c3"),
    shown("pay", "error: no", 65, "tool_result", trust="tool", call_id="c2", outcome="error"),
]


def test_a_timeline_reads_at_a_glance():
    """One line for each event, in columns; results lead to their calls; the day stands once."""
    assert view(STORY, width=70).splitlines() == [
        "s1: 6 events, 3 tool calls, 1 failed, 1 min 5 s",
        "# UTC          kind        who   trust    what",
        "── 2026-05-04 ──",
        "1 09:32:00.000 prompt      user  user     Pay it.⏎Please.",
        "2 09:32:01.000 tool_call   payer          runs read(x=1)",
        "3 09:32:02.500 tool_result read  external └ ok: 日本語 mail",
        "4 09:32:03.000 tool_call   payer          runs pay(n=1)",
        "5 09:32:04.000 tool_call   payer          runs tell(n=1)",
        "6 09:33:05.000 tool_result pay   tool     └ #4 error: no",
    ]


def test_a_long_name_of_a_session_leaves_room_for_what_happened():
    """The counts stand in the first line however long the session's id is."""
    line = view([shown("a", "x", session_id="s" * 200)], width=60).splitlines()[0]
    assert line.endswith("sss: 1 event, 0 tool calls, 0 failed, 0 s")
    assert width_of(line) == 60


def test_a_result_leads_to_the_nearest_call_of_its_id():
    """Where a source uses an id twice, each result answers the call before it."""
    twice = ["tool_call", "tool_result", "prompt", "tool_call", "prompt", "tool_result"]
    rows = [shown("a", "x", n, kind, call_id="c1") for n, kind in enumerate(twice)]
    lines = view(rows, width=80).splitlines()
    assert lines[0].startswith("s1: 6 events, 2 tool calls, ")
    assert [line.partition("tool_result a ")[2].strip() for line in lines[3:]] == [
        "", "└ x", "", "", "", "└ #4 x",
    ]  # fmt: skip


def test_sightings_of_a_call_are_counted_once(tmp_path):
    """One call that was seen in three places is one, and calls without an id are each one."""
    places = ("requested", "client", "executed")
    seen = [
        event("tool_call", {"tool_name": "a", "sighting": s}, call_id="c1", session_id="s1")
        for s in places
    ]
    nameless = [event("tool_call", session_id="s1") for _ in range(2)]
    publish(tmp_path / "lake", *seen, *nameless, event("prompt", session_id="s1"))
    with connect(tmp_path / "lake") as connection:
        assert count_calls(timeline(connection, "s1")) == 3


def test_in_a_pipe_nothing_is_cut_and_every_line_has_its_date():
    """Without a width a line is as long as its text, and says its day itself."""
    long = shown("a-name-that-is-longer-than-any-column", "x" * 5000)
    line = view([long]).splitlines()[-1]
    assert line.startswith("1 2026-05-04 09:32:00.000 prompt a-name-that-is-longer-than-any-column")
    assert line.endswith("x" * 5000)


def test_wide_characters_do_not_push_the_columns_apart():
    """Columns are aligned by what a terminal shows, and names that are too long are cut."""
    rows = [shown("日本語のとても長い名前です", "A"), shown("short", "A"), shown("👍", "A")]
    body = view(rows, width=80).splitlines()[3:]
    assert len({width_of(line[: line.rindex("A")]) for line in body}) == 1


def test_local_time_stands_beside_utc_and_knows_summer_time():
    """Each event has the local time of its own day, with the day where it is another."""
    rows = [
        shown("a", "winter", occurred_at=datetime(2026, 1, 4, 22, 30, tzinfo=UTC)),
        shown("b", "summer", occurred_at=datetime(2026, 7, 4, 22, 30, tzinfo=UTC)),
    ]
    lines = view(rows, ZoneInfo("Europe/Paris"), width=80).splitlines()
    assert lines[1].split()[:3] == ["#", "UTC", "local"]
    assert lines[3].split()[1:3] == ["22:30:00.000", "23:30:00"]
    assert lines[5].split()[1:3] == ["22:30:00.000", "00:30:00+1d"]
    assert "CET" in view(rows[:1], ZoneInfo("Europe/Paris"), width=80).splitlines()[1]


def test_times_that_an_importer_made_up_are_marked():
    """A made-up time is marked, explained once, and not turned into a local time or a duration."""
    rows = [shown("a", "x", time_made_up=True), shown("b", "y", 60, time_made_up=True)]
    lines = view(rows, ZoneInfo("Europe/Paris"), width=80).splitlines()
    assert lines[0] == "s1: 2 events, 0 tool calls, 0 failed"
    assert lines[1] == "~ marks times that an importer made up: they only give the order"
    assert lines[4].startswith("1 ~09:32:00.000 prompt")


def test_a_clock_that_is_behind_is_marked():
    """Where an event stands after its cause against its clock, the line says so."""
    lines = view([shown("a", "cause", 5), shown("b", "effect", 4)], width=80).splitlines()
    assert lines[1] == "< marks events whose clock is behind that of what caused them"
    assert lines[-1].startswith("2 <09:32:04.000")


def test_details_have_every_field_whole():
    """With details every field follows its event, structures as outlines, nothing cut."""
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "a\nb"}]}])
    only = shown(
        "a", "x", messages=messages, seq=7, caused_by=["p", "q"], absent='{"uri":"erased"}'
    )
    assert view([STORY[0], only], details=True, width=60, only=1).splitlines()[3:] == [
        "2 09:32:00.000 prompt a          x",
        "    since_start  +0 s",
        "    session_id   s1",
        "    messages",
        "      -",
        "        role: user",
        "        parts:",
        "          -",
        "            type: text",
        "            content:",
        "              │ a",
        "              │ b",
        "    seq          7",
        "    caused_by",
        "      - p",
        "      - q",
        "    absent",
        "      uri: erased",
        "",
    ]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("5", '"5"'),
        ("null", '"null"'),
        ("- a", '"- a"'),
        ("key:", '"key:"'),
        (" x", '" x"'),
        ("│ a", '"│ a"'),
        ("\x1b[2J", "␛[2J"),
        (5, "5"),
        ([], "[]"),
        (datetime(2026, 5, 4, tzinfo=UTC), "2026-05-04T00:00:00.000000Z"),
    ],
)
def test_details_cannot_be_forged(value, line):
    """Text that could pass for another value, or another line, is quoted or shown."""
    assert list(details({"name": value})) == [f"name  {line}"]


def test_names_in_details_cannot_be_forged():
    """A name in a structure that could pass for a name and a value, or for lines, is quoted."""
    value = json.dumps({"ok": 1, "trust: system": 2, "a\nb": 3, "": {"x": 4}})
    assert list(details({"arguments": value})) == [
        "arguments", "  ok: 1", '  "trust: system": 2', '  "a\\nb": 3', '  "":', "    x: 4",
    ]  # fmt: skip


def test_details_know_which_columns_are_structures():
    """The columns that are taken apart are those that the schema says hold JSON."""
    columns = [*EVENT_COLUMNS, *STORED_COLUMNS]
    assert {c.name for c in columns if (c.metadata or {}).get(b"form") == b"json"} == JSON_COLUMNS


def test_a_timeline_of_the_lake_is_in_causal_order(tmp_path):
    """Rows come causes first; decisions name the tool of their call; all columns are there."""
    cause = event(call_id="c1", occurred_at="2026-05-04T09:32:05Z", agent_name="payer")
    effect = event(
        "tool_result",
        call_id="c1",
        caused_by=[str(cause.event_id)],
        occurred_at="2026-05-04T09:32:04Z",
        time_source="importer",
    )
    decision = event("decision", call_id="c1", occurred_at="2026-05-04T09:32:01Z")
    lake = publish(tmp_path / "lake", effect, decision, cause, event(session_id="s2"))
    with connect(lake) as connection:
        rows = timeline(connection, "s1")
        assert timeline(connection, "nobody") == []
    assert [row.event_id for row in rows] == [str(e.event_id) for e in (decision, cause, effect)]
    assert [row.what for row in rows] == [
        "allow send_money",
        "runs send_money(amount=1)",
        "ok: sent",
    ]
    assert [row.time_made_up for row in rows] == [False, False, True]
    assert rows[2].trust == "tool"
    assert rows[2].fields["caused_by"] == [str(cause.event_id)]
    assert rows[2].fields["log_offset"] == 0
    assert rows[0].occurred_at == datetime(2026, 5, 4, 9, 32, 1, tzinfo=UTC)


def test_an_event_is_named_by_its_number_its_id_or_the_beginning_of_it():
    """`--event` takes what the timeline shows, or as much of an id as is unique."""
    rows = [shown("aaaa1", ""), shown("aaaa2", ""), shown("99999", "")]
    assert position_of(rows, "2") == position_of(rows, "#2") == position_of(rows, "aaaa2-id") == 1
    assert position_of(rows, "AAAA1") == 0
    assert position_of(rows, "9999") == 2
    for given_, reason in (
        ("aaaa", "2 events"),
        ("4", "no event"),
        ("99", "1|no"),
        ("x", "no event"),
    ):
        with pytest.raises(CannotContinue, match=reason):
            position_of(rows, given_)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_times_at_the_ends_of_the_calendar_can_be_shown_in_any_zone(zone):
    """An event with an absurd time does not make its session unreadable."""
    ends = (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    rows = [replace(shown("x", "y"), occurred_at=moment) for moment in ends]

    text = view(rows, ZoneInfo(zone))
    assert "0001-01-01 00:00:00.000" in text
    assert "9999-12-31 23:59:59.999" in text
