"""Importing files into the log: every line once, whatever stops the import in between."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importing import Interrupted, asks, call, events_in_log, send, tells, user
from locard.cli.ingesting import FORMATS
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.importers import files
from locard.ingest.importers.files import MOST_REJECTS_KEPT
from locard.ingest.importers.openai_messages import NO_CALL, TAKEN_RUN_ID
from locard.schema import CannotContinue, RetryableError


def run(run_id, *messages, **more):
    """Return a run with these messages, or with three that make five events."""
    said = messages or (user(), asks(call("a")), tells("a"))
    return {"run_id": run_id, "messages": list(said), **more}


def write(path, *runs):
    """Write runs, or lines given as bytes, to a file."""
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in runs]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def interruption(number, is_appended):
    """Return what puts such a failure around a log."""
    return partial(Interrupted, number=number, is_appended=is_appended)


@pytest.fixture
def home(tmp_path):
    """Where log and ledger are."""
    return tmp_path / "home"


def ids_in_log(home) -> Counter:
    """Return how often each event is in the log."""
    return Counter(event.event_id for event in events_in_log(home / "log.sqlite"))


def test_the_command_line_offers_what_can_be_imported():
    """Each format that the command takes has a converter, and each converter is offered."""
    assert set(FORMATS) == files.CONVERTERS.keys()
    assert all(make().format_name == name for name, make in files.CONVERTERS.items())


def test_every_line_is_counted_once(home, tmp_path):
    """A line is a run, known, or a reject; the counts are those of the log."""
    file = write(
        tmp_path / "runs",
        run("a"),
        b"{",
        run("b", {"role": "tool"}),
        b"",
        run("c", {"role": "tool"}),
        run("a"),
        run("d", messages=[]),
    )
    report = send(home, file)

    assert (report.lines, report.events, report.known_lines, report.rejected) == (3, 9, 1, 2)
    assert [(r.line, r.error_class) for r in report.rejects] == [
        (2, "json_syntax"),
        (7, "empty_run"),
    ]
    assert report.notices == {NO_CALL: 2}
    assert report.noticed_at == {NO_CALL: 3}
    assert len(ids_in_log(home)) == 9


def test_runs_keep_their_order(home, tmp_path):
    """A second lies between lines and a millisecond between events, from the file's time on."""
    file = write(tmp_path / "runs", run("a"), run("b"))
    send(home, file)

    start = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
    began = {
        event.session_id: (event.occurred_at - start).total_seconds()
        for event in events_in_log(home / "log.sqlite")
        if event.kind == "lifecycle"
    }
    assert began == {"a": 1, "b": 2}


def test_the_same_line_twice_is_sent_once(home, tmp_path):
    """A line that comes again is known, before and after it is noted, here and in another file."""
    first = write(tmp_path / "first", *[run("a")] * 5)
    second = write(tmp_path / "second", run("a"), run("b"))

    assert send(home, first).known_lines == 4
    assert send(home, second).known_lines == 1
    assert set(ids_in_log(home).values()) == {1}
    assert send(home, first).lines == send(home, second).lines == 0


@pytest.mark.parametrize("is_same_file", [True, False])
def test_two_runs_of_one_name_are_two_sessions(home, tmp_path, is_same_file):
    """A run whose name another has becomes a session of its own, the same one each time."""
    one, other = run("a"), run("a", user("something else"))
    if is_same_file:
        reports = [send(home, write(tmp_path / "runs", one, other))]
    else:
        reports = [send(home, write(tmp_path / name, r)) for name, r in [("1", one), ("2", other)]]

    sessions = {event.session_id for event in events_in_log(home / "log.sqlite")}
    assert len(sessions) == 2
    assert "a" in sessions
    assert sum(report.notices[TAKEN_RUN_ID] for report in reports) == 1

    (home / "imports.sqlite").unlink()
    send(home, write(tmp_path / "again", one, other))
    assert {event.session_id for event in events_in_log(home / "log.sqlite")} == sessions


def test_an_event_that_no_log_takes_is_a_reject_of_its_run_alone(home, tmp_path):
    """A run with an event over the limit is refused whole, and its neighbours are sent."""
    huge = run("huge", user("Kanarienvogel" + "x" * LARGEST_RECORD))
    report = send(home, write(tmp_path / "runs", run("a"), huge, run("b")))

    assert (report.lines, report.rejected) == (2, 1)
    (reject,) = report.rejects
    assert (reject.line, reject.error_class) == (2, "event_too_large")
    assert "16,777,216; split what it holds" in reject.reason
    assert "Kanarienvogel" not in reject.reason
    assert {event.session_id for event in events_in_log(home / "log.sqlite")} == {"a", "b"}


def test_progress_is_told_after_each_append(home, tmp_path, monkeypatch):
    """The counts that are told are those of runs in the log, and the last are the report's."""
    monkeypatch.setattr(files, "_EVENTS_PER_APPEND", 10)
    told = []
    report = send(
        home,
        write(tmp_path / "runs", *[run(str(number)) for number in range(5)]),
        on_progress=lambda r: told.append((r.lines, r.events)),
    )

    assert told == [(2, 10), (4, 20), (5, 25)]
    assert (report.lines, report.events) == (5, 25)


def test_progress_is_told_while_lines_are_known(home, tmp_path, monkeypatch):
    """An import that goes over many known lines is seen to be alive."""
    monkeypatch.setattr(files, "_KNOWN_PER_PROGRESS", 2)
    file = write(tmp_path / "runs", *[run(str(number)) for number in range(5)])
    send(home, file)
    told = []
    send(home, file, on_progress=lambda r: told.append(r.known_lines))

    assert told == [2, 4]


def test_appends_are_bounded_in_events_and_bytes(home, tmp_path):
    """However large the file, what is collected for one append stays small."""
    appends = []

    class Watched(Interrupted):
        def append(self, records):
            appends.append((len(records), sum(len(record.value) for record in records)))

    many = [run(f"small {number}") for number in range(1_000)]
    large = [run(f"large {number}", user("x" * 3_000_000)) for number in range(20)]
    send(
        home,
        write(tmp_path / "runs", *many, *large),
        interrupt=partial(Watched, number=-1, is_appended=True),
    )

    assert sum(count for count, _ in appends) == 5_000 + 40
    assert max(count for count, _ in appends) < 1_010
    assert max(size for _, size in appends) < 12 * 1024 * 1024


def test_rejects_are_counted_and_the_first_are_kept(home, tmp_path):
    """A file full of rejects does not fill the memory."""
    report = send(home, write(tmp_path / "runs", *[b"{"] * 500, run("a")))

    assert (report.lines, report.rejected, len(report.rejects)) == (1, 500, MOST_REJECTS_KEPT)


# What holds after an interruption: every event is in the log at least once after the import was
# started again; twice only where it was in the one append that was reported as failed and was not.


@pytest.mark.parametrize("is_appended", [False, True], ids=["lost", "arrived"])
@pytest.mark.parametrize("number", range(4))
def test_an_interrupted_import_goes_on_where_it_stopped(
    home, tmp_path, monkeypatch, number, is_appended
):
    """After a failed append, starting again sends what is missing and only what may be."""
    monkeypatch.setattr(files, "_EVENTS_PER_APPEND", 20)  # four runs
    file = write(tmp_path / "runs", *[run(str(number)) for number in range(16)])
    send(tmp_path / "whole", file)

    with pytest.raises(RetryableError):
        send(home, file, interrupt=interruption(number, is_appended))
    before = ids_in_log(home) if (home / "log.sqlite").exists() else Counter()
    report = send(home, file)
    found = ids_in_log(home)

    assert sum(before.values()) == (number + is_appended) * 20
    assert (report.known_lines, report.lines) == (number * 4, 16 - number * 4)
    assert found.keys() == ids_in_log(tmp_path / "whole").keys()
    doubled = {event_id for event_id, count in found.items() if count > 1}
    assert len(doubled) == (20 if is_appended else 0)
    assert doubled <= before.keys()
    assert max(found.values()) <= 2
    assert send(home, file).lines == 0


@given(
    interruptions=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4),
    per_append=st.integers(1, 40),
    numbers=st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_nothing_is_lost_however_often_an_import_is_interrupted(
    tmp_path_factory, interruptions, per_append, numbers
):
    """Each event ends in the log, once more at most for each append that failed and arrived."""
    home = tmp_path_factory.mktemp("home")
    file = write(home / "runs", *[run(str(number)) for number in numbers])
    arrived = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_EVENTS_PER_APPEND", per_append)
        for number, is_appended in interruptions:
            try:
                send(home, file, interrupt=interruption(number, is_appended))
            except RetryableError:
                arrived += is_appended
        send(home, file)
    found = ids_in_log(home)

    assert len(found) == 5 * len(set(numbers))
    assert max(found.values()) <= 1 + arrived


def test_a_lost_ledger_doubles_events_with_the_same_ids(home, tmp_path):
    """Without its ledger everything is sent again, and every event is told to be the same."""
    file = write(tmp_path / "runs", run("a"), run("b"))
    send(home, file)
    (home / "imports.sqlite").unlink()
    send(home, file)

    assert list(ids_in_log(home).values()) == [2] * 10


def test_another_log_is_sent_everything(home, tmp_path):
    """What the ledger knows of one log says nothing about another."""
    file = write(tmp_path / "runs", run("a"))
    send(home, file)
    for name in ("log.sqlite", "log.sqlite-wal", "log.sqlite-shm"):
        (home / name).unlink(missing_ok=True)

    assert send(home, file).lines == 1
    assert len(ids_in_log(home)) == 5


def test_a_ledger_of_the_first_form_is_still_read(home, tmp_path):
    """A ledger that knows lines and no sessions is gone on with."""
    file = write(tmp_path / "runs", run("a"))
    send(home, file)
    with closing(sqlite3.connect(home / "imports.sqlite")) as connection:
        connection.execute("DROP TABLE sessions")

    assert send(home, file).known_lines == 1


def test_a_broken_ledger_is_told_with_a_way_out(home, tmp_path):
    """A ledger that is no database stops the import, and says that it may be moved away."""
    home.mkdir()
    (home / "imports.sqlite").write_bytes(b"no database" * 1_000)

    with pytest.raises(CannotContinue) as caught:
        send(home, write(tmp_path / "runs", run("a")))

    assert str(caught.value) == (
        f"the import ledger {home / 'imports.sqlite'} cannot be used: file is not a database; "
        "move it away: what is in the log already is then sent again and adds nothing"
    )


def test_two_imports_at_once_do_not_break_each_other(home, tmp_path, monkeypatch):
    """An import that finds the ledger held for too long says so, and can be started again."""
    monkeypatch.setattr("locard.ingest.importers.ledger._BUSY_SECONDS", 0.0)
    file = write(tmp_path / "runs", run("a"))
    send(home, file)
    file = write(tmp_path / "runs", run("b"))
    with closing(sqlite3.connect(home / "imports.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryableError) as caught:
            send(home, file)
        other.execute("ROLLBACK")

    assert str(caught.value) == (
        f"the import ledger {home / 'imports.sqlite'} is held by another import; let that one end, "
        "then again"
    )
    assert send(home, file).lines == 1
