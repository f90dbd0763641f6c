"""The failure table: each external write, lost, done but reported as failed, or its process killed.

After each a restart completes the work, and every record is in the lake or in quarantine, once.

Kafka's produce and offset commit are not in it: a produce whose fate is unknown is the same
`RetryableError` as here, after which the sender sends again, and a committed offset is never read.
`tests/test_chaos.py` kills both sides of a real broker.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest

from faulty_writing import KINDS, WRITES, run
from locard.ingest.doctor import examine_files, examine_log
from locard.ingest.quarantine import pointers
from locard.query import connect
from locard.schema import event_json
from making import event

# A clean process for each run, with everything imported: delta-rs cannot be forked once it ran.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["faulty_writing"])


def in_process(*arguments) -> int:
    """Return how a run in a process of its own ended."""
    process = _PROCESSES.Process(target=run, args=arguments)
    # Its server does not look for what it is to import where this process does (CPython 3.11).
    with mock.patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parent)):
        process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def records():
    """Return events, some that redaction fails on, and what is no event; and what they are."""
    made = [
        event(call_id="raise" if n % 6 == 2 else f"c{n}", session_id=f"s{n}") for n in range(24)
    ]
    values = [event_json(one) for one in made]
    return made, [*values[:10], b"no event", *values[10:], b"{"]


# What may end well at once: the error is told to whoever sent it, or is only a signal.
WITHOUT_HARM = {
    ("log entry", "done, reported as failed"),  # the lake is read again, and has it
    ("optimise, log entry", "done, reported as failed"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", WRITES)
def test_after_a_fault_a_restart_completes_the_work(tmp_path, write, kind):
    """Nothing is lost, nothing is there twice, and the lake is in order."""
    made, values = records()
    status = in_process(tmp_path, values, write, kind)
    if kind.startswith("killed"):
        assert status == -9, "the write was never reached"
    else:
        assert (status == 0) == ((write, kind) in WITHOUT_HARM), "the fault went unnoticed"
    assert in_process(tmp_path, values, None) == 0

    put_away = Counter(one.error_class for one in pointers(tmp_path / "quarantine"))
    with connect(tmp_path / "lake") as lake:
        ids = [row[0] for row in lake.sql("SELECT event_id FROM events").fetchall()]
        copies = lake.sql("SELECT count(*) FROM lake_rows").fetchall()[0][0]
        differ = lake.sql("SELECT count(*) FROM duplicates WHERE differ").fetchall()[0][0]
    assert sorted(map(str, ids)) == sorted(str(one.event_id) for one in made)
    assert differ == 0
    sent_again = kind in ("done, reported as failed", "killed after")
    times = 2 if sent_again and write in ("spool", "produce") else 1
    assert copies == times * len(made)
    assert put_away == {
        "redaction_error": 4 * times,
        "json_syntax": 2 * times,
    }
    found = [*examine_log(tmp_path / "lake", repair=False)]
    found += examine_files(tmp_path / "lake", repair=False, deep=True)
    assert [one for one in found if one.level not in ("ok", "warning")] == []


def test_without_a_fault_it_is_done_at_once(tmp_path):
    """The table's own ground: the way works."""
    made, values = records()
    assert in_process(tmp_path, values, None) == 0
    with connect(tmp_path / "lake") as lake:
        assert lake.sql("SELECT count(*) FROM lake_rows").fetchall() == [(len(made),)]
    assert len(list((tmp_path / "lake").glob("ingest_date=*/*"))) == 1
