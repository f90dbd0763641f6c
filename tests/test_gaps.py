"""Loss accounting: what collectors numbered, held against what is in the lake."""

from __future__ import annotations

import json
import re
from itertools import groupby

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import recorders
from lakes import publish
from locard.cli.commands import locard
from locard.evidence import SigningKey, signed
from locard.query import connect, find_gaps
from locard.query.gap_view import GAPS, NUMBERED, STREAMS, gaps_of
from locard.query.gap_view import numbered as numbered_rows
from locard.schema import AccountingEvent, Event
from locard.schema.arrow import event_table
from making import event

LARGEST = 2**53 - 1


@pytest.fixture
def lake(tmp_path):
    """Where the lake is, once there is one."""
    return tmp_path / "lake"


def numbered(seq: int, incarnation: str = "i", collector_id: str = "c", **core) -> Event:
    """Return an event that a collector numbered."""
    return event(collector_id=collector_id, incarnation=incarnation, seq=seq, **core)


def stated(statement: str, seq: int, incarnation: str = "i", **fields) -> AccountingEvent:
    """Return a statement; fields of its body by name, and what its core may have."""
    names = ("collector_id", "principal", "principal_verified")
    core = {name: fields.pop(name) for name in names if name in fields}
    source = {"collector_id": "c", "incarnation": incarnation, "seq": seq, "session_id": None}
    made = event("accounting", {"statement": statement, **fields}, **{**source, **core})
    assert isinstance(made, AccountingEvent)
    return made


def drop(first: int, last: int, reason: str = "queue_full", **more) -> dict:
    """Return a declared drop."""
    return {"first_seq": first, "last_seq": last, "reason": reason, **more}


def told(lake, columns: str = "incarnation, first_seq, last_seq, what") -> list[tuple]:
    """Return these columns of all gaps, in order."""
    with connect(lake) as connection:
        return connection.execute(
            f"SELECT {columns} FROM gaps ORDER BY collector_id, incarnation, first_seq"  # noqa: S608
        ).fetchall()


def streams(lake, columns: str) -> list[tuple]:
    """Return these columns of all streams, in order."""
    with connect(lake) as connection:
        return connection.execute(
            f"SELECT {columns} FROM streams ORDER BY collector_id, incarnation, principal"  # noqa: S608
        ).fetchall()


def test_a_stream_that_is_whole_has_no_gaps(lake):
    """Everything that was numbered is there and spoken for: nothing is told."""
    publish(
        lake,
        stated("open", 0),
        *map(numbered, range(1, 5)),
        stated("interval", 5, first_seq=0, last_seq=4),
        numbered(6),
        stated("close", 7, first_seq=5, last_seq=6),
    )
    assert told(lake) == []
    columns = "state, events, highest_seq, accounted_to, missing, doubled, dropped, unaccounted"
    assert streams(lake, columns) == [("closed", 8, 7, 7, 0, 0, 0, 0)]


def test_every_kind_of_gap_is_told_once(lake):
    """Lost, declared, doubled and not yet accounted for, each as one range."""
    publish(
        lake,
        stated("open", 0),
        numbered(1),
        numbered(2),
        numbered(2),
        stated("interval", 8, first_seq=0, last_seq=7, drops=[drop(4, 6)]),
        numbered(9),
        numbered(10),
        numbered(12),
    )
    assert told(lake, "first_seq, last_seq, count, what, drop_reason, verified") == [
        (2, 2, 1, "doubled", None, None),
        (3, 3, 1, "missing", None, None),
        (4, 6, 3, "dropped", "queue_full", False),
        (7, 7, 1, "missing", None, None),
        (9, 10, 2, "unaccounted", None, None),
        (11, 11, 1, "missing", None, None),
        (12, 12, 1, "unaccounted", None, None),
    ]
    counted = "events, missing, doubled, dropped, unaccounted, accounted_to, highest_seq, state"
    assert streams(lake, counted) == [(7, 3, 1, 3, 3, 8, 12, "open")]


def test_the_beginning_of_a_stream_can_be_missing(lake):
    """Numbers count from 0: what comes before the first that is there was lost."""
    publish(lake, numbered(3))
    assert told(lake) == [("i", 0, 2, "missing"), ("i", 3, 3, "unaccounted")]
    assert streams(lake, "state, accounted_to") == [("silent", None)]


def test_an_event_that_arrived_twice_is_no_gap(lake):
    """The same event again, also through another session or collector, doubles no number."""
    first = numbered(0)
    other = {"collector_id": "d", "incarnation": "j", "seq": 0}
    publish(lake, first, first, first.model_copy(update={"session_id": "s2"}))
    publish(lake, first.model_copy(update=other))
    assert told(lake) == [("i", 0, 0, "unaccounted"), ("j", 0, 0, "unaccounted")]


def test_what_was_declared_as_dropped_and_came_after_all_is_no_gap(lake):
    """A recorder that did not hear the answer declares what the log has all the same."""
    publish(lake, *map(numbered, range(3)), stated("close", 3, drops=[drop(1, 2)]))
    assert told(lake) == []


def test_a_later_run_declares_what_an_earlier_one_lost(lake):
    """A drop that names another run of the same collector counts there."""
    publish(
        lake,
        stated("open", 0, "early"),
        stated("crash", 4, "early", first_seq=0, last_seq=3, drops=[drop(1, 2, "crash")]),
        stated("open", 0, "late", follows="early"),
        stated("interval", 1, "late", drops=[drop(3, 3, "refused", incarnation="early")]),
    )
    assert told(lake, "incarnation, first_seq, last_seq, what, drop_reason") == [
        ("early", 1, 2, "dropped", "crash"),
        ("early", 3, 3, "dropped", "refused"),
    ]
    assert streams(lake, "incarnation, state, follows, dropped, statements") == [
        ("early", "crashed", None, 3, 2),
        ("late", "open", "early", 0, 2),
    ]


def test_a_run_of_which_nothing_arrived_is_missing(lake):
    """A run that another one follows has had a beginning, whether or not any of it came."""
    publish(lake, stated("open", 0, "late", follows="early"))
    assert told(lake) == [("early", 0, 0, "missing")]
    assert streams(lake, "incarnation, state, events, highest_seq, missing") == [
        ("early", "unseen", 0, None, 1),
        ("late", "open", 1, 0, 0),
    ]


def test_a_collector_can_only_declare_its_own_drops(lake):
    """What another collector declares for a run of the same name takes no loss away."""
    publish(lake, numbered(0), numbered(2))
    forged = stated("open", 0, "x", collector_id="forger", drops=[drop(1, 1, incarnation="i")])
    publish(lake, forged)
    assert told(lake, "collector_id, incarnation, first_seq, last_seq, what") == [
        ("c", "i", 0, 0, "unaccounted"),
        ("c", "i", 1, 1, "missing"),
        ("c", "i", 2, 2, "unaccounted"),
        ("forger", "i", 0, 0, "missing"),
        ("forger", "i", 1, 1, "dropped"),
    ]


def test_a_verified_declaration_counts_before_one_that_is_not(lake):
    """Whoever declares everything as dropped does not hide what the collector itself said."""
    publish(
        lake,
        stated("open", 0, drops=[drop(0, 9, "forged")]),
        stated("close", 9, drops=[drop(3, 4, "refused")], principal_verified=True),
    )
    assert told(lake, "first_seq, last_seq, drop_reason, verified") == [
        (1, 2, "forged", False),
        (3, 4, "refused", True),
        (5, 8, "forged", False),
    ]
    assert streams(lake, "statements, verified_statements, dropped") == [(2, 1, 8)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"first_seq": 5, "last_seq": 2}, []),
        ({"first_seq": 1, "last_seq": LARGEST}, [(1, LARGEST, "missing")]),
        ({"last_seq": 2}, [(1, 2, "missing")]),
        ({"drops": [drop(4, 2)]}, []),
        ({"drops": [drop(LARGEST, LARGEST)]}, [(1, LARGEST - 1, "missing"),
                                               (LARGEST, LARGEST, "dropped")]),
        ({"drops": [drop(0, LARGEST), drop(2, 3), drop(3, LARGEST), drop(0, 1)]},
         [(1, LARGEST, "dropped")]),
        ({"drops": [drop(1, 3), drop(2, 6)], "last_seq": 7}, [(1, 6, "dropped"),
                                                               (7, 7, "missing")]),
        ({"drops": [drop(0, 0, incarnation="")], "count": LARGEST, "declared_drops": 0},
         [(0, 0, "dropped")]),
    ],
)  # fmt: skip
def test_a_hostile_statement_is_taken_at_its_word_and_no_further(lake, body, expected):
    """Ranges that end before they begin say nothing; others say what they say, however large."""
    publish(lake, stated("open", 0, **body))
    assert [(first, last, what) for _, first, last, what in told(lake)] == expected


def test_numbers_as_large_as_can_be_are_counted_exactly(lake):
    """An event of the largest number makes everything below it missing; nothing overflows."""
    for collector_id in "cd":
        publish(lake, numbered(LARGEST, collector_id=collector_id))
    assert streams(lake, "missing, unaccounted") == [(LARGEST, 1)] * 2
    with connect(lake) as connection:
        account, _ = find_gaps(connection)
    assert (account.missing, account.unaccounted) == (2 * LARGEST, 2)


def test_statements_that_contradict_each_other_hide_nothing(lake):
    """What one statement counts as sent and another as dropped was sent if it is there."""
    publish(
        lake,
        stated("open", 0, "i"),
        numbered(1),
        stated("interval", 4, first_seq=0, last_seq=3, count=4, declared_drops=0),
        stated("interval", 4, first_seq=0, last_seq=1, drops=[drop(1, 2, "unfit")]),
        stated("close", 5),
        stated("crash", 5),
    )
    assert told(lake) == [
        ("i", 2, 2, "dropped"), ("i", 3, 3, "missing"), ("i", 4, 5, "doubled"),
    ]  # fmt: skip
    assert streams(lake, "state") == [("crashed",)]


def test_events_without_a_number_have_no_stream(lake):
    """What was imported or came as OTLP was numbered by nobody."""
    publish(lake, event(), event(collector_id="c"), event(seq=7))
    assert told(lake) == []
    assert streams(lake, "*") == []


def test_a_run_needs_no_name(lake):
    """A collector that names no run has one stream, and its drops and copies count there."""
    nameless = {"incarnation": None, "collector_id": "c"}
    publish(lake, numbered(0, **nameless), numbered(2, **nameless), numbered(0, "i"))
    publish(lake, stated("close", 4, None, drops=[drop(1, 1)]))
    assert told(lake) == [
        ("i", 0, 0, "unaccounted"), (None, 1, 1, "dropped"), (None, 3, 3, "missing"),
    ]  # fmt: skip
    assert streams(lake, "incarnation, missing, dropped") == [("i", 0, 0), (None, 1, 1)]


def test_a_filter_on_the_collector_reaches_the_files(lake):
    """Of two files that hold one collector each, a question about one reads only its file."""
    for collector_id in "cd":
        publish(lake, stated("open", 0, collector_id=collector_id))
    with connect(lake) as connection:
        for view in ("gaps", "streams"):
            statement = f"EXPLAIN ANALYZE FROM {view} WHERE collector_id = 'c'"
            (_, plan) = connection.execute(statement).fetchone()
            scanned = re.findall(r"Row Groups Scanned: (\d+) / (\d+)", plan)
            assert scanned
            assert set(scanned) == {("1", "2")}


def test_a_real_recorder_accounts_for_all_that_it_numbered(tmp_path):
    """A process that was killed, and the one after it: their statements cover every event, and a
    record that is taken away shows."""
    code = """
with recorder.session("S") as session:
    for n in range(20):
        session.prompt([{"role": "user", "content": str(n)}])
recorder.flush(30)
os._exit(1)
"""
    recorders.run_agent(tmp_path, code, check=False)
    with recorders.recording(tmp_path) as recorder, recorder.session("S2"):
        pass
    events = recorders.recorded(tmp_path)
    whole = publish(tmp_path / "lake", *events)
    with connect(whole) as connection:
        account, rows = find_gaps(connection, is_all=True, signatures=True)
    assert (account.streams, account.is_whole, rows) == (2, True, [])
    assert sorted(streams(whole, "state")) == [("closed",), ("crashed",)]

    (lost, *_) = (e for e in events if e.kind == "prompt")
    holed = publish(tmp_path / "holed", *(e for e in events if e is not lost))
    assert told(holed) == [(lost.incarnation, lost.seq, lost.seq, "missing")]


class Model:
    """What the views have to say of a stream, number by number."""

    def __init__(self) -> None:
        self.ids: dict[int, set] = {}
        self.accounted = -1
        self.known = -1
        self.drops: dict[bool, list[tuple[int, int, str]]] = {True: [], False: []}

    def add(self, made: Event) -> None:
        """Note an event of the stream; what its statement says of other streams is not seen to."""
        self.ids.setdefault(made.seq, set()).add(made.event_id)
        self.known = max(self.known, made.seq)
        if isinstance(made, AccountingEvent):
            first, last = made.body.first_seq or 0, made.body.last_seq
            claims = [made.seq] if last is None or last < first else [made.seq, last]
            self.accounted = max(self.accounted, *claims)
            self.known = max(self.known, self.accounted)

    def declare(self, first: int, last: int, reason: str, is_verified: bool) -> None:
        """Note a declared drop."""
        if first <= last:
            self.drops[is_verified].append((first, last, reason))
            self.known = max(self.known, last)

    def at(self, seq: int) -> tuple | None:
        """Return what, why and whether that is verified."""
        if seq in self.ids:
            if len(self.ids[seq]) > 1:
                return ("doubled", None, None)
            return ("unaccounted", None, None) if seq > self.accounted else None
        for is_verified in (True, False):
            for first, last, reason in sorted(
                self.drops[is_verified], key=lambda d: (d[0], -d[1], d[2])
            ):
                if first <= seq <= last:
                    return ("dropped", reason, is_verified)
        return ("missing", None, None)

    def gaps(self) -> list[tuple]:
        """Return the ranges, in order."""
        found = []
        for told, run in groupby(range(self.known + 1), self.at):
            seqs = list(run)
            if told:
                found.append((seqs[0], seqs[-1], len(seqs), *told))
        return found


SEQS = st.integers(0, 14)
NAMES = st.sampled_from(["a", "b"])
DROPS = st.builds(
    lambda first, length, reason, named: drop(first, max(0, first + length), reason, **named),
    SEQS,
    st.integers(-2, 6),
    st.sampled_from(["queue_full", "crash"]),
    st.sampled_from([{}, {"incarnation": "a"}, {"incarnation": "b"}, {"incarnation": "c"}]),
)


@st.composite
def histories(draw) -> list[Event]:
    """Draw events of some streams: with losses, copies, numbers used twice, and any statements."""
    made: list[Event] = []
    for seq in draw(st.lists(SEQS, max_size=20)):
        source = {
            "collector_id": draw(NAMES),
            "incarnation": draw(NAMES),
            "principal": draw(st.sampled_from(["p", "q"])),
        }
        if draw(st.integers(0, 3)):
            made.append(numbered(seq, **source))
            continue
        body = draw(
            st.fixed_dictionaries(
                {"drops": st.lists(DROPS, max_size=3)},
                optional={"first_seq": SEQS, "last_seq": SEQS, "follows": NAMES},
            )
        )
        verified = draw(st.booleans())
        made.append(stated("interval", seq, **source, **body, principal_verified=verified))
    copies = draw(st.lists(st.sampled_from(made), max_size=3)) if made else []
    return draw(st.permutations([*made, *copies]))


@given(histories())
def test_any_history_of_losses_gives_exactly_its_ranges(events):
    """The views say of every number what a count by hand says, and as few ranges as can be."""
    expected: dict[tuple, Model] = {}
    for made in events:
        stream = (made.collector_id, made.incarnation, made.principal)
        expected.setdefault(stream, Model()).add(made)
        if not isinstance(made, AccountingEvent):
            continue
        if made.body.follows:
            followed = expected.setdefault((stream[0], made.body.follows, stream[2]), Model())
            followed.known = max(followed.known, 0)
        for one in made.body.drops:
            where = (stream[0], one.incarnation or stream[1], stream[2])
            model = expected.setdefault(where, Model())
            model.declare(one.first_seq, one.last_seq, one.reason, made.principal_verified)
    with duckdb.connect() as connection:
        connection.from_arrow(event_table(events)).create("lake_rows")
        found = connection.execute(f"FROM ({GAPS.sql}) ORDER BY ALL").fetchall()
        in_blocks = gaps_of(numbered_rows(NUMBERED), NUMBERED, block=4)
        assert connection.execute(f"FROM ({in_blocks}) ORDER BY ALL").fetchall() == found
        connection.execute(f"CREATE VIEW gaps AS {GAPS.sql}")
        counts = connection.execute(
            f"FROM ({STREAMS.sql}) SELECT collector_id, incarnation, principal, events, missing,"
            " doubled, dropped, unaccounted WHERE events > 0 ORDER BY ALL"
        ).fetchall()
    models = sorted(expected.items())
    assert found == [(*whose, *gap) for whose, model in models for gap in model.gaps()]
    assert counts == [
        (*whose, len(model.ids), *_sums(model, "missing", "doubled", "dropped", "unaccounted"))
        for whose, model in models
        if model.ids
    ]


def _sums(model: Model, *kinds: str) -> list[int]:
    return [sum(gap[2] for gap in model.gaps() if gap[3] == kind) for kind in kinds]


def ask(lake, *arguments: str) -> Result:
    """Run `locard gaps` on a lake."""
    command = ["--home", str(lake.parent), "gaps", *arguments]
    return CliRunner().invoke(locard, command, standalone_mode=False)


HONEST = "payments/payer"
LIES = {
    "fills the hole": [numbered(n, principal="liar") for n in (3, 4, 5)],
    "declares it in the same run": [
        stated("interval", 11, principal="liar", drops=[drop(3, 5)], principal_verified=True)
    ],
    "declares it from a run of its own": [
        stated("open", 0, "mine", principal="liar", drops=[drop(3, 5, incarnation="i")])
    ],
    "uses its numbers once more": [numbered(n, principal="liar") for n in (0, 1)],
    "counts far beyond it": [numbered(2**40, principal="liar")],
    "says that it crashed": [stated("crash", 12, principal="liar", last_seq=99)],
    "says that it goes on after it": [stated("open", 0, "mine", principal="liar", follows="i")],
    "sends as nobody": [numbered(n) for n in (3, 4, 5)],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_one_sender_says_changes_nothing_of_anothers_stream(lake, lie):
    """Whoever uses another's collector and run hides no loss there and makes none up."""
    sent = [numbered(n, principal=HONEST, principal_verified=True) for n in (0, 1, 2, 6, 7)]
    publish(lake, *sent, stated("close", 8, principal=HONEST, first_seq=0, last_seq=7), *lie)

    with connect(lake) as connection:
        rows = connection.execute(
            "SELECT first_seq, last_seq, what FROM gaps WHERE principal = ?", [HONEST]
        ).fetchall()
        state = connection.execute(
            "SELECT state, missing, events, principal_verified FROM streams WHERE principal = ?",
            [HONEST],
        ).fetchall()
    assert rows == [(3, 5, "missing")]
    assert state == [("closed", 3, 6, True)]
    assert ask(lake).return_value == 1


def test_two_senders_of_one_name_are_told_as_two(lake):
    """A reader sees that a name is used twice, and by whom."""
    publish(lake, numbered(0, principal="a"), numbered(0, principal="b"))

    assert streams(lake, "principal, events, missing") == [("a", 1, 0), ("b", 1, 0)]
    assert "1 of these runs has the name of another sender's" in ask(lake).stdout


WHO_DROPS = {
    "nobody knows who it is": ({}, {}, 1),
    "the statement is signed with a known key": ({}, {"principal_verified": True}, 0),
    "its events came with its own token": ({"principal_verified": True}, {}, 0),
}


@pytest.mark.parametrize(("core", "body", "status"), WHO_DROPS.values(), ids=WHO_DROPS.keys())
def test_a_drop_makes_a_record_whole_only_where_somebody_vouches_for_it(lake, core, body, status):
    """With the shared token anybody can say that nothing else was sent."""
    publish(lake, numbered(0, principal="p", **core))
    publish(lake, stated("close", 2, principal="p", drops=[drop(1, 1)], **body))

    done = ask(lake)
    assert done.return_value == status
    assert ("1 declared as dropped by nobody knows whom" in done.stdout) == bool(status)


def test_the_command_says_in_one_sentence_that_nothing_is_missing(lake):
    """A whole record is one sentence and status 0, with what is only not yet accounted for."""
    last = stated("close", 3, drops=[drop(2, 2)], principal_verified=True)
    publish(lake, stated("open", 0), numbered(1), last)
    publish(lake, numbered(0, "j"))
    done = ask(lake)
    assert done.return_value == 0
    assert done.stdout.splitlines()[-1] == (
        "Nothing is missing and nothing doubled, 1 declared as dropped, 1 not yet accounted for, "
        "among 4 numbered events of 2 runs of 1 collector."
    )
    assert "unaccounted" not in done.stdout
    assert "unaccounted" in ask(lake, "--all").stdout


@pytest.mark.parametrize("lost", [[numbered(1)], [numbered(0), numbered(0)]])
def test_the_command_finds_what_is_missing_or_doubled(lake, lost):
    """A loss is a finding: status 1, and machine formats go to stdout alone."""
    publish(lake, *lost)
    assert ask(lake).return_value == 1
    done = ask(lake, "--format", "jsonl")
    assert done.return_value == 1
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["collector_id"], row["first_seq"], row["count"]) == ("c", 0, 1)
    assert "among" in done.stderr


def test_the_command_can_be_about_one_collector(lake):
    """Losses of others are not told, and one that nobody knows is no clean bill."""
    publish(lake, numbered(0), numbered(1, collector_id="d"))
    assert ask(lake, "--collector", "c").return_value == 0
    assert ask(lake, "--collector", "d").return_value == 1
    unknown = ask(lake, "--collector", "e")
    assert "no numbered event of this collector" in str(unknown.exception)


def test_a_record_without_numbers_is_not_called_whole(lake):
    """Where nobody numbered anything the command does not say that nothing is missing."""
    publish(lake, event())
    done = ask(lake)
    assert done.return_value == 0
    assert "nobody can tell" in done.stdout


def test_names_of_collectors_are_inert(lake):
    """An id that would act on a terminal or a spreadsheet is shown as what it is."""
    publish(lake, numbered(1, collector_id="=cmd\x1b[2J\n\u202eevil"))
    for format_name in ("table", "csv", "json"):
        done = ask(lake, "--format", format_name)
        assert done.return_value == 1
        assert "\x1b" not in done.output
        assert "\u202e" not in done.output
    assert "'=cmd" in ask(lake, "--format", "csv").stdout


def test_a_wrong_signature_is_a_finding_when_asked_for(lake):
    """A statement that was changed after it was signed, or signed by nobody's key, is named."""
    key = SigningKey.generate()
    right = signed(stated("open", 0, declared_drops=0, previous="x"), key)
    drops = [drop(1, 1)]
    later = stated("interval", 2, first_seq=0, last_seq=1, drops=drops, principal_verified=True)
    wrong = later.model_copy(
        update={
            "body": later.body.model_copy(
                update={"signing_key_id": key.key_id, "signature": right.body.signature}
            )
        }
    )
    publish(lake, right, wrong, stated("interval", 3))
    assert ask(lake).return_value == 0
    assert ask(lake, "--signatures", "--collector", "c").return_value == 1
    done = ask(lake, "--signatures", "--format", "jsonl")
    rows = list(map(json.loads, done.stdout.splitlines()))
    assert [(row["first_seq"], row["what"]) for row in rows] == [
        (1, "dropped"), (2, "wrong_signature"),
    ]  # fmt: skip
