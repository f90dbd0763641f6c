"""Retention: what is over goes, what is held stays, and nothing else moves."""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.cli.commands import locard
from locard.evidence.custody import CUSTODY_KEY
from locard.ingest.lake import LakeWriter
from locard.ingest.retention import (
    Holds,
    Retention,
    RetentionPolicy,
    expiry,
    policy,
    read_retention,
)
from locard.ingest.segments import Position, Row, Segment
from locard.ingest.upkeep import CONTENT_COLUMNS, vacuum
from locard.query import connect
from locard.schema import CannotContinue, RetryableError, parse_json
from locard.schema.arrow import EVENT_COLUMNS, events_of_table
from making import custodian, event, redacted

OLD = datetime(2026, 1, 5, 9, tzinfo=UTC)
YOUNG = datetime(2026, 10, 5, 9, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 10, 10, 9, tzinfo=UTC)
SECRET = "the plan for the merger"
HALF_A_YEAR = {"payload_days": 183}


def publish(lake: LakeWriter, moment: datetime, *events) -> None:
    """Add events to the lake as of a moment."""
    first = lake.next_offsets("topic", [0]).get(0, 0)
    made = Segment("topic", 0, first, first)
    for offset, plain in enumerate(events, first):
        made.rows.append(Row(Position("topic", 0, offset), redacted(plain)))
        made.advance(made.rows[-1].position)
    lake.publish([made], moment)


def said(session: str = "s", workflow: str = "w", kind: str = "tool_result"):
    """Return an event with content."""
    bodies = {
        "tool_result": {"outcome": "ok", "result": SECRET},
        "prompt": {"messages": [{"role": "user", "parts": [{"type": "text", "content": SECRET}]}]},
        "access": {"action": "asked", "query": SECRET},
        "custody": {"custody_action": "expiry", "reason": SECRET},
        "lifecycle": {"change": "session_start"},
    }
    return event(kind, bodies[kind], session_id=session, workflow_id=workflow)


class Kept:
    """An installation with a lake of an old and of a young day, to which retention is applied."""

    def __init__(self, path, *events):
        self.home = path
        self.path = path / "lake"
        lake = LakeWriter(self.path)
        publish(lake, OLD, *events)
        publish(lake, YOUNG, *events)
        self.holds = Holds(path / "holds.json", seconds=0.2)

    def retention(self, **policy) -> Retention:
        made = RetentionPolicy.model_validate(policy)
        return Retention(self.path, made, self.holds, custodian(), self.home)

    def rows(self, day: datetime = OLD) -> list[dict]:
        """Return the rows of a day, in the order of the log."""
        table = DeltaTable(self.path).to_pyarrow_table(filters=[("ingest_date", "=", day.date())])
        return table.sort_by("log_offset").to_pylist()

    def version(self) -> int:
        return DeltaTable(self.path).version()


@pytest.fixture
def kept(tmp_path):
    """One event each of two sessions in two workflows."""
    return Kept(tmp_path, said("s1", "w1"), said("s2", "w2"))


def test_content_that_is_over_goes_and_the_event_stays(kept):
    """The core is as before, `absent` says what went, and the younger day is untouched."""
    before, young = kept.rows(), kept.rows(YOUNG)
    (done,) = kept.retention(default=HALF_A_YEAR).run(NOW)

    assert (done.day, done.payloads, done.records, done.held) == (OLD.date(), 2, 0, 0)
    for was, row in zip(before, kept.rows(), strict=True):
        evidence = row.pop("evidence")
        assert "salt" in was.pop("evidence")
        assert "salt" not in evidence
        assert row == {**was, "result": None, "absent": '{"result":"expired"}'}
    assert kept.rows(YOUNG) == young
    table = DeltaTable(kept.path).to_pyarrow_table()
    assert len(list(events_of_table(table.select(EVENT_COLUMNS.names)))) == 4


def test_whole_events_go_and_the_commit_says_which(kept):
    """The offsets of what is no longer there stand in the commit, for whoever counts."""
    (done,) = kept.retention(default={"record_days": 200}).run(NOW)

    assert (done.payloads, done.records) == (0, 2)
    assert (kept.rows(), len(kept.rows(YOUNG))) == ([], 2)
    (told,) = json.loads(DeltaTable(kept.path).history(1)[0][CUSTODY_KEY])
    assert told["dropped"] == {"topic/0": [[0, 2]]}
    assert told["policy"].startswith("sha256:")


def test_what_expired_is_off_the_disk_after_the_next_vacuum(kept):
    """No file that Locard owns in the lake has it any more."""
    kept.retention(default=HALF_A_YEAR).run(NOW + timedelta(days=200))
    assert len(vacuum(DeltaTable(kept.path), kept.path, timedelta(0))) == 2
    for path in kept.path.rglob("*.parquet"):
        if "_delta_log" not in path.parts:
            assert SECRET not in str(pq.read_table(path).to_pylist())
    assert len(kept.rows()) == len(kept.rows(YOUNG)) == 2


def test_a_second_run_changes_nothing_and_reads_nothing(kept, monkeypatch):
    """What was found not to be due is not looked at again until something is different."""
    told = {"default": {"payload_days": 183}}
    kept.retention(**told).run(NOW)
    version = kept.version()
    assert kept.retention(**told).run(NOW) == []
    monkeypatch.setattr(Retention, "_look", lambda *_: pytest.fail("it looked again"))
    assert kept.retention(**told).run(NOW) == []
    assert kept.version() == version


HELD = {
    "session": ({"sessions": ["s1"]}, ["s1"]),
    "workflow": ({"workflows": ["w2"]}, ["s2"]),
    "both": ({"workflows": ["w2"], "sessions": ["s1"]}, ["s1", "s2"]),
    "everything": ({"is_everything": True}, ["s1", "s2"]),
    "something else": ({"sessions": ["s"], "workflows": ["w*"]}, []),
}


@pytest.mark.parametrize(("what", "stays"), HELD.values(), ids=HELD.keys())
@pytest.mark.parametrize("period", ["payload_days", "record_days"])
def test_a_hold_wins(kept, what, stays, period):
    """What it names is kept whole; once released, it goes."""
    placed = kept.holds.add("anna", "case 7", NOW, **what)
    retention = kept.retention(default={period: 183})
    (preview,) = retention.preview(NOW)
    retention.run(NOW)

    assert [row["session_id"] for row in kept.rows() if row["result"]] == stays
    assert preview.held == len(stays)
    kept.holds.release(placed.hold_id, "anna", "closed", NOW)
    retention.run(NOW)
    assert not any(row["result"] for row in kept.rows())


def test_no_hold_is_placed_while_something_expires(kept):
    """Once `add` has returned, nothing that it names expires; so it waits for what is under way."""

    def hold_now(_):
        with pytest.raises(RetryableError, match="in use"):
            kept.holds.add("anna", "case 7", NOW, is_everything=True)

    assert kept.retention(default=HALF_A_YEAR).run(NOW, hold_now)
    kept.holds.add("anna", "case 7", NOW, is_everything=True)


def test_holds_that_cannot_be_read_stop_retention(kept):
    """It could take out what they keep."""
    (kept.home / "holds.json").write_text('[{"hold_id": ')
    with pytest.raises(CannotContinue, match="nothing expires"):
        kept.retention(default=HALF_A_YEAR).run(NOW)
    assert all(row["result"] for row in kept.rows())


def test_what_tells_of_the_record_itself_is_kept_unless_a_rule_names_it(tmp_path):
    """A policy for everything does not reach access, custody and accounting events."""
    kept = Kept(tmp_path, said(kind="access"), said(kind="custody"), said(kind="prompt"))
    kept.retention(default={"record_days": 183}, rules=[{"workflows": ["*"], **HALF_A_YEAR}]).run(
        NOW
    )
    assert [row["kind"] for row in kept.rows()] == ["access", "custody"]
    assert all(row["absent"] is None for row in kept.rows())

    kept.retention(rules=[{"kinds": ["access"], "record_days": 183}]).run(NOW)
    assert [row["kind"] for row in kept.rows()] == ["custody"]


def test_nothing_expires_if_it_cannot_be_noted(kept):
    """The note comes first; where it fails, the lake stays as it is."""

    def cannot(_):
        raise RetryableError("the event log does not answer")

    version = kept.version()
    with pytest.raises(RetryableError):
        kept.retention(default=HALF_A_YEAR).run(NOW, cannot)
    assert kept.version() == version


def test_columns_of_a_newer_version_stop_retention(kept):
    """They may be content, and this version would leave it where it says that all is gone."""
    (old,) = (kept.path / f"ingest_date={OLD:%Y-%m-%d}").iterdir()
    table = pq.read_table(old, partitioning=None)
    pq.write_table(table.append_column("newer", pa.array([SECRET] * table.num_rows)), old)
    with pytest.raises(CannotContinue, match="newer"):
        kept.retention(default=HALF_A_YEAR).run(NOW)


REFUSED = {
    "below the floor": ({"default": {"payload_days": 30}}, "because"),
    "a rule below the floor": ({"rules": [{"kinds": ["prompt"], "record_days": 182}]}, "rules.0"),
    "below a raised floor": ({"floor_days": 400, "default": {"record_days": 365}}, "400"),
    "a lower floor": ({"floor_days": 30}, "floor_days"),
    "an unknown kind": ({"rules": [{"kinds": ["promt"], **HALF_A_YEAR}]}, "no kind of event"),
    "a rule that says nothing": ({"rules": [{"workflows": ["w"]}]}, "payload_days"),
    "a rule for no workflow": ({"rules": [{"workflows": [], **HALF_A_YEAR}]}, "workflows"),
    "no period": ({"default": {"payload_days": 0}}, "payload_days"),
    "something else": ({"days": 400}, "days"),
}


@pytest.mark.parametrize(("told", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_policy_that_keeps_too_little_or_says_nothing_clear_is_refused(told, named):
    """Half a year is the least, unless the policy says why."""
    with pytest.raises(ValueError, match=named):
        RetentionPolicy.model_validate(told)


def test_a_policy_is_read_from_a_file_and_keeps_everything_without_one(tmp_path):
    """A file that is broken is no policy; the example of the documentation is one."""
    path = tmp_path / "retention.toml"
    assert read_retention(path).shortest is None
    path.write_text("[default\n")
    with pytest.raises(CannotContinue, match="no TOML"):
        read_retention(path)
    path.write_text("[default]\npayload_days = 20\n")
    with pytest.raises(CannotContinue, match="below the floor"):
        read_retention(path)
    for page in (policy.__doc__, (ROOT / "README.md").read_text()):
        (example,) = re.findall(r"```toml\n(.*?payload_days.*?)```", page, re.DOTALL)
        path.write_text(example)
        assert read_retention(path).shortest == 30
    path.write_text(
        '[[rules]]\nworkflows = ["a-*"]\npayload_days = 20\nbecause = "agreed"\n'
        "[default]\nrecord_days = 400\n"
    )
    assert read_retention(path).shortest == 20


PERIODS = st.sampled_from([None, 183, 300, "forever"])
RULES = st.fixed_dictionaries(
    {
        "workflows": st.sampled_from([None, ["w1"], ["w*"], ["x", "w2"], ["?1"]]),
        "kinds": st.sampled_from([None, ["prompt"], ["tool_result", "access"]]),
        "payload_days": PERIODS,
        "record_days": PERIODS,
    }
).filter(lambda rule: rule["payload_days"] or rule["record_days"])
ROWS = st.tuples(
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["w1", "w2", "x"]),
    st.sampled_from(["prompt", "tool_result", "access", "lifecycle"]),
)


def is_over(policy: dict, period: str, workflow: str, kind: str, age: int) -> bool:
    """Say the same as the SQL, in another way."""
    decided = policy["default"].get(period) if kind != "access" else None
    for rule in policy["rules"]:
        of_kind = kind in rule["kinds"] if rule["kinds"] else kind != "access"
        patterns = rule["workflows"] or ["*"]
        if rule[period] and of_kind and any(fnmatch.fnmatchcase(workflow, p) for p in patterns):
            decided = rule[period]
    return isinstance(decided, int) and age >= decided


@given(
    st.lists(ROWS, min_size=1, max_size=8),
    st.lists(RULES, max_size=4),
    st.fixed_dictionaries({"payload_days": PERIODS, "record_days": PERIODS}),
    st.sampled_from([(), ("s1",)]),
    st.sampled_from([182, 183, 299, 300]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_expires_is_what_the_policy_says(tmp_path_factory, made, rules, default, held, age):
    """For any rules, rows and holds: the same rows lose the same as by a plain reading of them."""
    kept = Kept(tmp_path_factory.mktemp("kept"), *(said(*row) for row in made))
    if held:
        kept.holds.add("anna", "case 7", NOW, sessions=held)
    told = {"default": default, "rules": rules}
    kept.retention(**told).run(OLD + timedelta(days=age))

    expected = []
    for session, workflow, kind in made:
        free = session not in held
        if free and is_over(told, "record_days", workflow, kind, age):
            continue
        emptied = free and is_over(told, "payload_days", workflow, kind, age)
        expected.append((session, workflow, kind, kind != "lifecycle" and not emptied))
    found = [
        (
            row["session_id"],
            row["workflow_id"],
            row["kind"],
            any(row[name] is not None for name in CONTENT_COLUMNS),
        )
        for row in kept.rows()
    ]
    assert found == expected


def test_a_reason_that_was_given_before_stays(kept):
    """What was never captured did not expire; members of `absent` are in canonical order."""
    due = expiry(RetentionPolicy.model_validate({"default": HALF_A_YEAR}), [], 200)
    values = dict.fromkeys(CONTENT_COLUMNS, "NULL::VARCHAR")
    values |= {"result": "'x'", "arguments": "'y'"}
    given_before = """'{"arguments":"not_captured","messages":"quarantined"}'"""
    selected = ", ".join(f"{value} AS {name}" for name, value in values.items())
    source = f"(SELECT {selected}, {given_before} AS absent, 'prompt' AS kind)"
    with connect(kept.path) as lake:
        ((absent,),) = lake.execute(
            f"SELECT {due.columns()['absent']} FROM {source}",  # noqa: S608
            due.parameters,
        ).fetchall()
    assert parse_json(absent.encode()) == {
        "arguments": "not_captured",
        "messages": "quarantined",
        "result": "expired",
    }
    assert list(json.loads(absent)) == sorted(json.loads(absent))


def test_from_the_command_line(tmp_path, monkeypatch):
    """Policy, hold, dry run, run and release; each change is in the record.

    Days are counted by the clock of this machine, and the old day is more than half a year ago.
    """
    home = tmp_path / "home"
    kept = Kept(home, said("s1", "w1"), said("s2", "w2"))
    (home / "retention.toml").write_text("[default]\npayload_days = 183\n")

    def run(*arguments: str) -> str:
        told = CliRunner().invoke(locard, ["--home", str(home), *arguments], standalone_mode=False)
        assert told.exception is None, told.output
        return told.stdout

    hold_id = run("hold", "add", "--session", "s1", "--reason", "court", "--case", "C-1").strip()
    assert hold_id in run("hold", "list", "--format", "csv")
    assert "default" in run("retention", "show", "--format", "csv")
    assert "a hold keeps 1" in run("retention", "run", "--dry-run")
    assert sum(row["result"] is None for row in kept.rows()) == 0
    run("lake", "upkeep")
    assert [row["session_id"] for row in kept.rows() if row["result"] is None] == ["s2"]
    run("hold", "release", hold_id, "--reason", "closed")
    run("retention", "run")
    assert all(row["result"] is None for row in kept.rows())

    run("consume", "--once")
    actions = run(
        "sql",
        "--format",
        "csv",
        "SELECT custody_action FROM events WHERE kind = 'custody' AND"
        " custody_action <> 'compaction' ORDER BY occurred_at",
    )
    assert actions.split() == [
        "custody_action", "hold_placed", "expiry", "hold_released", "expiry"
    ]  # fmt: skip
