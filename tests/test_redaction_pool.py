"""Redaction in worker processes: order, budgets, crashes, and nothing that leaks."""

from __future__ import annotations

import multiprocessing

import pytest

from locard.redaction import FailedRedaction, RedactedEvent, RedactionPool
from locard.schema import CannotContinue
from making import event
from redactors import FaultyRedactor, broken_factory


def collect(pool, count):
    """Return that many results, or fail."""
    results = []
    for _ in range(100):
        results += pool.collect(1.0)
        if len(results) >= count:
            return results
    raise AssertionError(f"{len(results)} of {count} results came")


@pytest.fixture
def pool():
    """Two workers, and a budget that a hanging event exceeds at once."""
    with RedactionPool(FaultyRedactor, workers=2, seconds_per_event=0.5) as made:
        yield made


def test_results_come_in_the_order_of_submission(pool):
    """However the work is shared out, results come in order and each names its event."""
    batches = [[event(call_id=f"{chunk}/{n}") for n in range(20)] for chunk in range(10)]
    for batch in batches:
        pool.submit(batch)

    results = collect(pool, 200)

    assert [result.event.event_id for result in results] == [e.event_id for b in batches for e in b]
    assert all(isinstance(result, RedactedEvent) for result in results)
    assert pool.pending == 0


FAULTS = {
    "raise": "redaction_error",
    "hang": "redaction_timeout",
    "crash": "redaction_crash",
    "memory": "redaction_error",
}


@pytest.mark.parametrize(("fault", "error_class"), FAULTS.items(), ids=FAULTS.keys())
def test_one_bad_event_fails_alone(pool, fault, error_class):
    """The event that raises, hangs, kills its worker or needs all memory fails; no other does."""
    batch = [event(), event(call_id=fault), event(), event(call_id=fault), event()]
    pool.submit(batch)
    pool.submit([event()])

    results = collect(pool, 6)

    told = [r.error_class if isinstance(r, FailedRedaction) else "ok" for r in results]
    assert told == ["ok", error_class, "ok", error_class, "ok", "ok"]
    assert [result.event.event_id for result in results[:5]] == [e.event_id for e in batch]


def test_a_worker_that_prints_does_not_leak(capfd):
    """Whatever a library prints while it holds raw text goes nowhere."""
    with RedactionPool(FaultyRedactor) as pool:  # started under the capture, which it inherits
        pool.submit([event(call_id="print", body={"tool_name": "CANARY", "sighting": "executed"})])
        collect(pool, 1)

    printed = capfd.readouterr()
    assert "CANARY" not in printed.out + printed.err


def test_discarded_work_is_forgotten(pool):
    """After a discard only what was submitted later comes back."""
    pool.submit([event(call_id="hang"), event()])
    pool.submit([event()])
    pool.discard()
    kept = event()
    pool.submit([kept])

    assert [result.event.event_id for result in collect(pool, 1)] == [kept.event_id]


def test_work_that_is_discarded_costs_no_worker():
    """A rebalance makes work worthless, not what the workers have loaded."""
    with RedactionPool(FaultyRedactor) as pool:
        pool.submit([event(call_id="process")])
        (before,) = collect(pool, 1)
        pool.submit([event() for _ in range(50)])
        pool.discard()
        pool.submit([event(call_id="process")])
        (after,) = collect(pool, 1)

    assert before.event.call_id == after.event.call_id


def test_the_rest_of_discarded_work_is_not_begun_again(pool):
    """An event that kills its worker takes what was submitted with it along, if nobody wants it."""
    pool.submit([event(call_id="crash"), *(event(call_id="hang") for _ in range(5))])
    pool.discard()
    pool.submit([event()])

    assert isinstance(collect(pool, 1)[0], RedactedEvent)


def test_a_worker_that_holds_too_much_memory_is_replaced():
    """What leaks is given back; no event is lost for it."""
    with RedactionPool(FaultyRedactor, most_bytes=200 * 1024 * 1024) as pool:
        processes = []
        for call_id in ("process", "process", "leak", "process"):
            pool.submit([event(call_id=call_id)])
            processes += [result.event.call_id for result in collect(pool, 1)]

    assert processes[0] == processes[1]
    assert processes[3] != processes[1]


def test_a_redactor_that_cannot_start_stops_everything():
    """A damaged installation is no reason to quarantine every event: it stops, and says why."""
    with RedactionPool(broken_factory) as pool:
        pool.submit([event()])
        with pytest.raises(CannotContinue, match="redaction cannot start: ImportError: no engine"):
            collect(pool, 1)


def test_a_process_that_dies_while_idle_is_replaced():
    """The system may kill a process that does nothing; the next event does not notice."""
    before = set(multiprocessing.active_children())
    with RedactionPool(FaultyRedactor) as pool:
        pool.submit([event(), event()])
        collect(pool, 2)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
            child.join()
        pool.submit([event()])

        assert isinstance(collect(pool, 1)[0], RedactedEvent)


def test_collecting_without_work_returns_at_once(pool):
    """Nothing submitted, nothing to wait for."""
    assert pool.collect(timeout=60) == []
