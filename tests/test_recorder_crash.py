"""Whatever ends an agent's process, what it recorded is sent, or declared as lost, and by whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from eventlogs import polls
from locard.evidence import is_signed
from locard.ingest.recorder.orphans import orphans
from locard.ingest.recorder.places import own_spool
from recorders import (
    SECONDS,
    agent_program,
    recorded,
    recording,
    rings,
    run_agent,
    statements,
    told,
    wait_for_empty_spool,
)

SEND = "[recorder.lifecycle('step', {'number': n}) for n in range(COUNT)]"


def numbers(events) -> list[int]:
    """Return the numbers that the agents of these tests count their events with."""
    return [event.body.attributes["number"] for event in events if event.kind == "lifecycle"]


@pytest.mark.parametrize(
    ("way", "status"),
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_what_a_crash_left_is_sent_by_the_next_process(tmp_path, way, status):
    """Every event that was recorded before a crash is in the log, and the crash is stated."""
    agent = run_agent(tmp_path, f"{SEND.replace('COUNT', '300')}\n{way}", check=False)
    assert agent.returncode == status, agent.stderr
    with recording(tmp_path) as recorder:
        assert recorder.flush(SECONDS)
        following = recorder.incarnation
    events = recorded(tmp_path)
    ended = [event for event in events if event.incarnation != following]
    assert numbers(ended) == list(range(300))
    crash = statements(ended)[-1]
    assert crash.body.statement == "crash"
    assert crash.seq == crash.body.last_seq + 1 == 301
    assert crash.body.drops == ()
    opening = statements([event for event in events if event.incarnation == following])[0]
    assert opening.body.follows == ended[0].incarnation
    assert all(is_signed(statement) for statement in statements(events))
    assert rings(tmp_path) == []


def test_a_crash_is_found_once_by_processes_that_start_together(tmp_path):
    """Of several processes that start after a crash, one sends what was left."""
    run_agent(tmp_path, f"{SEND.replace('COUNT', '50')}\nos._exit(1)", check=False)
    code = "assert recorder.flush(60)"
    agents = [
        subprocess.Popen(
            [sys.executable, "-c", agent_program(tmp_path, code)], stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for agent in agents:
        _, errors = agent.communicate(timeout=120)
        assert agent.returncode == 0, errors
    events = recorded(tmp_path)
    assert numbers(events) == list(range(50))
    assert [s.body.statement for s in statements(events)].count("crash") == 1


def test_a_process_that_simply_ends_loses_nothing(tmp_path):
    """Without any call to close, the interpreter's end hands everything on and states it."""
    run_agent(tmp_path, SEND.replace("COUNT", "2000"))
    events = recorded(tmp_path)
    assert numbers(events) == list(range(2_000))
    assert [s.body.statement for s in statements(events)] == ["open", "close"]
    assert statements(events)[-1].body.count == 2_001
    assert rings(tmp_path) == []


def test_threads_and_handlers_at_the_end_are_recorded(tmp_path):
    """What a last thread records, and a handler that runs at exit before ours, is in the log."""
    run_agent(
        tmp_path,
        """
import atexit
atexit.register(lambda: recorder.lifecycle("late", {"number": 1}))
gate = threading.Event()
def work():
    gate.wait()
    recorder.lifecycle("late", {"number": 0})
threading.Thread(target=work).start()
gate.set()
""",
    )
    assert numbers(recorded(tmp_path)) == [0, 1]


def test_a_closed_recorder_takes_nothing_and_raises_nothing(tmp_path):
    """After close, recording is quiet."""
    with recording(tmp_path) as recorder:
        recorder.lifecycle("step", {"number": 0})
    recorder.lifecycle("step", {"number": 1})
    recorder.close()
    assert numbers(recorded(tmp_path)) == [0]


def test_a_fork_begins_an_incarnation_of_its_own(tmp_path):
    """Parent and child of a fork number their events apart, and neither sends the other's."""
    run_agent(
        tmp_path,
        """
recorder.lifecycle("step", {"number": 0})
child = os.fork()
if child == 0:
    [recorder.lifecycle("step", {"number": n}) for n in range(100, 120)]
    recorder.close(60)
    os._exit(0)
[recorder.lifecycle("step", {"number": n}) for n in range(1, 20)]
assert os.waitpid(child, 0)[1] == 0
""",
    )
    events = recorded(tmp_path)
    runs: dict[str, list] = {}
    for event in events:
        runs.setdefault(event.incarnation, []).append(event)
    assert sorted(map(numbers, runs.values())) == [list(range(20)), list(range(100, 120))]
    for run in runs.values():
        assert [event.seq for event in run] == list(range(len(run)))
        assert [s.body.statement for s in statements(run)] == ["open", "close"]


def test_a_forked_worker_that_is_killed_costs_the_parent_nothing(tmp_path):
    """A forking server: a worker dies, the parent goes on, the next process finds the worker's."""
    run_agent(
        tmp_path,
        """
child = os.fork()
if child == 0:
    [recorder.lifecycle("step", {"number": n}) for n in range(100, 150)]
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
[recorder.lifecycle("step", {"number": n}) for n in range(10)]
""",
    )
    with recording(tmp_path) as recorder:
        assert recorder.flush(SECONDS)
    events = recorded(tmp_path)
    assert sorted(numbers(events)) == [*range(10), *range(100, 150)]
    assert [s.body.statement for s in statements(events)].count("crash") == 1


def test_nothing_is_imported_behind_the_agents_back(tmp_path):
    """The recorder's thread imports no module: a fork at that moment would hang the child."""
    run_agent(
        tmp_path,
        """
from locard.ingest.recorder import RecorderSettings
recorder.close(60)
before = set(sys.modules)
address = "http://127.0.0.1:1"
other = Recorder(RecorderSettings(endpoint=address, spool=home / "other", collector_id="other"))
with other.session("s") as session:
    session.prompt("question")
    session.model_output({"choices": [{"message": {"role": "assistant", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}]})
assert other.flush(60)
other.close(60)
assert not set(sys.modules) - before, set(sys.modules) - before
""",
    )


def test_a_fork_while_threads_record_does_not_hang(tmp_path):
    """Locks that other threads held at the moment of a fork do not stop the child."""
    run_agent(
        tmp_path,
        """
stop = threading.Event()
def work():
    while not stop.is_set():
        recorder.lifecycle("step", {"number": -1})
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        recorder.lifecycle("step", {"number": 7})
        recorder.close(60)
        os._exit(0)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
stop.set()
[thread.join() for thread in threads]
assert statuses == [0] * 5, statuses
""",
    )
    assert numbers(recorded(tmp_path)).count(7) == 5


def test_workers_of_a_pool_end_in_good_order(tmp_path):
    """A worker that `multiprocessing` forked says that it ended, and is not taken for crashed."""
    run_agent(
        tmp_path,
        """
import multiprocessing
def work(number):
    recorder.lifecycle("step", {"number": number})
context = multiprocessing.get_context("fork")
workers = [context.Process(target=work, args=(number,)) for number in range(3)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
""",
    )
    events = recorded(tmp_path)
    assert sorted(numbers(events)) == [0, 1, 2]
    assert sorted(s.body.statement for s in statements(events)) == ["close"] * 4 + ["open"] * 4
    assert rings(tmp_path) == []


def test_a_crash_while_the_log_is_away_costs_nothing(tmp_path):
    """Events wait in the spool and in the ring; the next process sends both, in order."""
    run_agent(
        tmp_path,
        """
recorders.SwitchedLog.append = lambda *_: (_ for _ in ()).throw(recorders.RetryableError("away"))
[recorder.lifecycle("step", {"number": n}) for n in range(500)]
assert recorder.flush(60)
[recorder.lifecycle("step", {"number": n}) for n in range(500, 800)]
os._exit(1)
""",
        check=False,
    )
    with recording(tmp_path) as recorder:
        wait_for_empty_spool(recorder)
    events = recorded(tmp_path)
    assert numbers(events) == list(range(800))
    assert len({event.event_id for event in told(events)}) == 800


def test_a_damaged_ring_keeps_no_process_from_recording(tmp_path, caplog):
    """It is put out of the way and told once; the next process records as ever."""
    run_agent(tmp_path, f"{SEND.replace('COUNT', '20')}\nos._exit(1)", check=False)
    [left] = rings(tmp_path)
    data = bytearray(left.read_bytes())
    data[8:16] = b"\xff" * 8  # how large it says that it is
    left.write_bytes(data)
    with recording(tmp_path) as recorder:
        recorder.lifecycle("step", {"number": 99})
        assert recorder.flush(SECONDS)

    assert numbers(recorded(tmp_path)) == [99]
    assert rings(tmp_path) == []
    assert len(list(left.parent.glob("*.damaged"))) == 1
    assert "is damaged" in caplog.text


def test_only_the_newest_damaged_rings_are_kept(tmp_path):
    """A machine whose every process leaves a damaged ring has a bounded number of them."""
    for number in range(9):
        path = tmp_path / f"{number}.ring"
        path.write_bytes(b"x" * 10_000)
        os.utime(path, (number, number))
    assert list(orphans([tmp_path], "c")) == []

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{number}.damaged" for number in range(5, 9)
    ]


def test_what_cannot_be_opened_at_the_start_is_opened_later(tmp_path, monkeypatch, caplog):
    """The recorder's thread goes on, and what was recorded meanwhile is sent."""
    opened = []

    def fails_at_first(*arguments):
        opened.append(arguments)
        if len(opened) < 3:
            raise ValueError("embedded null byte")
        return own_spool(*arguments)

    monkeypatch.setattr("locard.ingest.recorder.forwarder.own_spool", fails_at_first)
    with recording(tmp_path) as recorder:
        recorder.lifecycle("step", {"number": 1})
        assert recorder.flush(SECONDS)

    assert numbers(recorded(tmp_path)) == [1]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "embedded" not in caplog.text


def test_a_child_that_left_without_a_word_is_looked_after_while_its_parent_runs(tmp_path):
    """Its ring does not wait for the next start of the agent."""
    with recording(tmp_path, accounting_seconds=0.1) as recorder:
        child = os.fork()
        if not child:
            recorder.lifecycle("step", {"number": 7})
            os._exit(0)
        os.waitpid(child, 0)
        for _ in polls():
            if len(rings(tmp_path)) == 1:
                break
        else:
            raise AssertionError("the ring of the child is still there")
    assert 7 in numbers(recorded(tmp_path))
    ended = [s for s in statements(recorded(tmp_path)) if s.body.statement == "crash"]
    assert len(ended) == 1


def test_a_ring_that_comes_back_adds_nothing(tmp_path):
    """Of a ring that was copied or restored, events and statement are the same events again."""
    run_agent(tmp_path, f"{SEND.replace('COUNT', '5')}\nos._exit(1)", check=False)
    [left] = rings(tmp_path)
    data = left.read_bytes()
    for _ in range(2):
        with recording(tmp_path) as recorder:
            assert recorder.flush(SECONDS)
        left.write_bytes(data)

    told = [event for event in recorded(tmp_path) if event.incarnation == left.stem]
    assert len(told) == 14
    assert len({event.event_id for event in told}) == 7
