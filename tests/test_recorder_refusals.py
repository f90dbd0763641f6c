"""What a collector refuses for good is declared, whoever hears of it and whenever."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.recorder import Recorder
from locard.ingest.recorder.accounts import Drop
from locard.ingest.recorder.refusals import Refusals
from locard.schema import RetryableError
from recorders import SECONDS, SwitchedLog, recorded, settings, statements, wait_for_empty_spool

BAD = b"bad_step"


class RefusingLog(SwitchedLog):
    """A log that accepts all but what has the word `bad_step` in it."""

    def __init__(self, path: Path, refuse: Callable[[OutgoingRecord, str], None]) -> None:
        super().__init__(path)
        self._refuse = refuse

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Append what is good, and tell of what is not."""
        super().append([record for record in records if BAD not in record.value])
        for record in records:
            if self.is_up and BAD in record.value:
                self._refuse(record, "other_workflow")


def recorder(home: Path, *, is_up: bool = True) -> Recorder:
    """Return a recorder of this home, whose log answers or does not."""

    def open_log(_key: object, refused: Callable[[OutgoingRecord, str], None]) -> RefusingLog:
        log = RefusingLog(home / "log.sqlite", refused)
        log.is_up = is_up
        return log

    return Recorder(settings(home, seconds_to_close=0.0), open_log=open_log)


def declared(home: Path) -> list[tuple[str | None, int, int, str]]:
    """Return the drops of all statements: whose numbers, which, and why."""
    return [
        (drop.incarnation or str(statement.incarnation), drop.first_seq, drop.last_seq, drop.reason)
        for statement in statements(recorded(home))
        for drop in statement.body.drops
    ]


def test_a_refusal_is_declared_by_the_process_that_hears_it(tmp_path):
    """In the next statement, with its number and the reason."""
    one = recorder(tmp_path)
    one.lifecycle("good_step")
    bad = one.lifecycle("bad_step")
    assert one.flush(SECONDS)
    incarnation = one.incarnation
    one.close(SECONDS)

    assert declared(tmp_path) == [(incarnation, bad.seq, bad.seq, "refused_other_workflow")]


def test_a_refusal_that_a_later_process_hears_is_declared(tmp_path):
    """The event waited in the spool; who empties it may end before its next statement."""
    first = recorder(tmp_path, is_up=False)
    bad = first.lifecycle("bad_step")
    assert first.flush(SECONDS)
    incarnation = first.incarnation
    first.close(SECONDS)
    for _ in range(3):  # hears it, declares it, and has nothing more to declare
        later = recorder(tmp_path)
        wait_for_empty_spool(later)
        later.close(SECONDS)

    whole = (incarnation, bad.seq, bad.seq, "refused_other_workflow")
    assert declared(tmp_path) == [whole]
    with closing(sqlite3.connect(settings(tmp_path).directory / "refused.sqlite")) as file:
        assert file.execute("SELECT * FROM refused").fetchall() == []


def drop(first: int, last: int, incarnation: str = "i") -> Drop:
    """Return a refused range."""
    return Drop(incarnation, first, last, "refused")


def test_what_was_noted_is_there_after_a_crash_until_it_was_declared(tmp_path):
    """Whatever process comes next takes it; what a statement declared is forgotten."""
    refusals = Refusals.open(tmp_path / "refused.sqlite")
    for number in (3, 4, 5, 9):
        refusals.note(drop(number, number))
    refusals.note(drop(4, 4, "j"))  # and no close: the process is killed here

    after = Refusals.open(tmp_path / "refused.sqlite")
    assert sorted(after.take_new(), key=str) == [drop(3, 5), drop(9, 9), drop(4, 4, "j")]
    assert after.take_new() == []
    after.forget([drop(3, 5), drop(4, 4, "j")])

    assert Refusals.open(tmp_path / "refused.sqlite").take_new() == [drop(9, 9)]


def test_the_same_refusal_twice_is_one(tmp_path):
    """A kill before the event left the spool has it refused again."""
    for _ in range(2):
        refusals = Refusals.open(tmp_path / "refused.sqlite")
        refusals.note(drop(7, 7))
    assert Refusals.open(tmp_path / "refused.sqlite").take_new() == [drop(7, 7)]


def test_after_the_end_a_refusal_is_not_taken(tmp_path):
    """So the event stays in the spool, and the next process hears of it."""
    refusals = Refusals.open(tmp_path / "refused.sqlite")
    refusals.close()
    with pytest.raises(RetryableError):
        refusals.note(drop(1, 1))


def test_without_a_file_this_process_still_declares(tmp_path, caplog):
    """A directory that cannot be written costs what a crash would, and is told once."""
    refusals = Refusals.open(tmp_path / "nowhere" / "refused.sqlite")
    refusals.note(drop(1, 1))
    refusals.forget([])

    assert refusals.take_new() == [drop(1, 1)]
    assert "kept in memory alone" in caplog.text


def test_a_full_file_grows_no_more(tmp_path, monkeypatch):
    """An agent whose every event is refused fills no disk."""
    monkeypatch.setattr("locard.ingest.recorder.refusals._MOST_RANGES", 2)
    refusals = Refusals.open(tmp_path / "refused.sqlite")
    for number in range(0, 20, 2):
        refusals.note(drop(number, number))

    assert len(refusals.take_new()) == 10
    assert len(Refusals.open(tmp_path / "refused.sqlite").take_new()) == 2
