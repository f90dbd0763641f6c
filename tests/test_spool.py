"""The spool: what was taken is durable, in the log or on the disk, in order, within its bound."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing

import pytest

from eventlogs import polls
from importing import events_in_log
from locard.ingest.eventlog import LARGEST_RECORD, OutgoingRecord, outgoing
from locard.ingest.spool import Spool, SpooledWriter, SpoolFull
from locard.schema import CannotContinue, RejectedRecord, RetryableError, event_json
from making import event
from recorders import SwitchedLog

MEGABYTE = 1024 * 1024


def records(*numbers: int, session: str = "s1", size: int = 0) -> list[OutgoingRecord]:
    """Return records of one session, told apart by their numbers."""
    made = [
        event("lifecycle", {"change": "step", "attributes": "x" * size}, seq=n, session_id=session)
        for n in numbers
    ]
    return [outgoing(one, event_json(one)) for one in made]


@pytest.fixture
def log(tmp_path) -> SwitchedLog:
    """A log that a test takes away and brings back."""
    return SwitchedLog(tmp_path / "log.sqlite")


@pytest.fixture
def writer(tmp_path, log):
    """A writer to that log with a spool in front."""
    made = SpooledWriter(lambda: log, Spool(tmp_path / "spool.sqlite", 4 * MEGABYTE))
    yield made
    made.close()


def numbers(tmp_path, session: str = "s1") -> list[int | None]:
    """Return the numbers of a session's events in the log, in the log's order."""
    return [e.seq for e in events_in_log(tmp_path / "log.sqlite") if e.session_id == session]


def wait_until_empty(writer: SpooledWriter) -> None:
    """Return when nothing waits in the spool."""
    for _ in polls():
        if not writer.spooled_bytes():
            return
    raise AssertionError("the spool is not emptied")


def test_while_the_log_answers_nothing_touches_the_spool(tmp_path, writer):
    """Records go straight through, in order."""
    writer.append(records(0, 1))
    writer.append(records(2))
    assert numbers(tmp_path) == [0, 1, 2]
    assert writer.spooled_bytes() == 0


def test_a_log_that_comes_back_gets_everything_in_order(tmp_path, writer, log):
    """What waits comes before what is appended afterwards, also of several sessions."""
    writer.append(records(0))
    log.is_up = False
    for number in range(1, 1_200):
        writer.append(records(number, session=f"s{number % 3}"))
    assert not writer.is_reachable
    log.is_up = True
    writer.append(records(1_200, session="s0"))
    wait_until_empty(writer)
    assert numbers(tmp_path, "s0") == [n for n in range(1, 1_201) if n % 3 == 0]
    assert numbers(tmp_path, "s1") == [n for n in range(1_200) if n % 3 == 1 or n == 0]
    assert numbers(tmp_path, "s2") == [n for n in range(1_200) if n % 3 == 2]


def test_what_a_process_left_in_the_spool_is_sent_by_the_next(tmp_path, log):
    """A new writer begins with what is there, and opens the log again until it can."""
    spool = Spool(tmp_path / "spool.sqlite")
    spool.append(records(0, 1, 2))
    spool.close()
    tries = []

    def open_log():
        tries.append(1)
        if len(tries) < 3:
            raise RetryableError("not there yet")
        return log

    writer = SpooledWriter(open_log, Spool(tmp_path / "spool.sqlite"))
    wait_until_empty(writer)
    writer.close()
    assert numbers(tmp_path) == [0, 1, 2]
    assert len(tries) == 3


def test_a_full_spool_takes_nothing_and_says_so(tmp_path, writer, log):
    """Beyond its bound the spool refuses whole appends, and goes on when there is room again."""
    log.is_up = False
    taken = list(range(30))
    for number in taken:
        writer.append(records(number, size=100_000))
    with pytest.raises(SpoolFull, match="holds .* bytes of"):
        writer.append(records(*range(30, 50), size=100_000))
    assert writer.spooled_bytes() <= 4 * MEGABYTE + 200_000
    log.is_up = True
    wait_until_empty(writer)
    writer.append(records(1_000))
    assert numbers(tmp_path) == [*taken, 1_000]


def test_room_in_the_file_is_used_again(tmp_path, writer, log):
    """A spool that is filled and emptied often does not grow."""
    sizes = []
    for round_number in range(4):
        log.is_up = False
        for number in range(20):
            writer.append(records(100 * round_number + number, size=100_000))
        log.is_up = True
        wait_until_empty(writer)
        sizes.append((tmp_path / "spool.sqlite").stat().st_size)
    assert max(sizes) <= 1.5 * 20 * 100_000


def test_a_clock_that_is_set_back_does_not_send_twice(tmp_path, writer, log, monkeypatch):
    """What the log took is removed whatever time it was spooled at."""
    log.is_up = False
    writer.append(records(0, 1))
    monkeypatch.setattr("time.time_ns", lambda: 0)
    log.is_up = True
    wait_until_empty(writer)
    writer.append(records(2))
    assert numbers(tmp_path) == [0, 1, 2]


def test_a_record_larger_than_a_log_takes_is_refused_at_once(writer):
    """It never gets into the spool, where it would stop all others for ever."""
    with pytest.raises(RejectedRecord, match="over the limit"):
        writer.append([OutgoingRecord(b"k", bytes(LARGEST_RECORD + 1))])
    assert writer.spooled_bytes() == 0


def test_two_processes_share_a_spool(tmp_path, log):
    """One empties it, the other's records come as well, and none comes twice."""
    log.is_up = False
    path = tmp_path / "spool.sqlite"
    writers = [SpooledWriter(lambda: log, Spool(path)) for _ in range(2)]
    threads = [
        threading.Thread(
            target=lambda n=n, w=w: [w.append(records(i, session=f"s{n}")) for i in range(50)]
        )
        for n, w in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.is_up = True
    for writer in writers:
        wait_until_empty(writer)
        writer.close()
    assert [numbers(tmp_path, f"s{n}") for n in range(2)] == [list(range(50))] * 2


def test_a_log_that_refuses_for_good_keeps_the_spool(tmp_path, log, caplog):
    """A wrong configuration loses nothing: what came waits until it is corrected."""

    def refuse(_: object) -> None:
        raise CannotContinue("another topic; correct it")

    log.append, real = refuse, log.append
    writer = SpooledWriter(lambda: log, Spool(tmp_path / "spool.sqlite"))
    writer.append(records(0))
    log.append = real
    wait_until_empty(writer)
    writer.close()
    assert numbers(tmp_path) == [0]
    assert any("correct it" in record.getMessage() for record in caplog.records)


def test_a_client_that_is_beyond_repair_is_opened_anew(tmp_path, log):
    """A writer that fails for ever although the log is back does not keep the spool full."""
    opened = []

    class Broken(SwitchedLog):
        """Never works again."""

        def append(self, records) -> None:
            raise RetryableError("this client has had it")

    def open_log():
        opened.append(Broken(tmp_path / "log.sqlite") if not opened else log)
        return opened[-1]

    writer = SpooledWriter(open_log, Spool(tmp_path / "spool.sqlite"))
    writer.append(records(0, 1))
    wait_until_empty(writer)
    writer.close()
    assert numbers(tmp_path) == [0, 1]


def test_the_warning_comes_once_and_holds_no_payload(writer, log, caplog):
    """A log that is away for a while is told once."""
    log.is_up = False
    with caplog.at_level(logging.DEBUG):
        for number in range(10):
            writer.append(records(number, session="CANARY-5512"))
    assert sum("wait in the spool" in record.getMessage() for record in caplog.records) == 1
    assert "CANARY-5512" not in caplog.text


def test_a_spool_that_was_damaged_is_told(tmp_path):
    """A file that is no spool is not written over."""
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(CannotContinue, match="cannot be used"):
        Spool(path)
    assert path.read_bytes().startswith(b"no database")


def test_a_disk_without_room_loses_nothing_that_was_taken(tmp_path, log):
    """When the disk is full, the append is refused and what was there is sent later."""
    spool = Spool(tmp_path / "spool.sqlite")
    log.is_up = False
    writer = SpooledWriter(lambda: log, spool)
    writer.append(records(0))
    connection: sqlite3.Connection = spool._writer._log.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CannotContinue, match="room"):
        writer.append(records(1, size=1_000_000))
    log.is_up = True
    wait_until_empty(writer)
    writer.close()
    assert numbers(tmp_path) == [0]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_spool_that_was_deleted_is_noticed_before_anything_counts_as_kept(
    tmp_path, writer, log, caplog, is_replaced
):
    """What is taken after that is in a file that the next process finds."""
    log.is_up = False
    writer.append(records(0))
    path = tmp_path / "spool.sqlite"
    for name in (path, path.with_name("spool.sqlite-wal"), path.with_name("spool.sqlite-shm")):
        name.unlink(missing_ok=True)
    if is_replaced:
        path.touch()
    writer.append(records(1))

    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM records").fetchone() == (1,)
    assert "was deleted or replaced" in caplog.text
    log.is_up = True
    wait_until_empty(writer)
    assert 1 in numbers(tmp_path)
