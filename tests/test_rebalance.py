"""Partitions move among three consumers under load: none is lost or doubled, no worker is new."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from eventlogs import polls
from locard.ingest.batch import BatchLimits
from locard.ingest.consumer import Consumer
from locard.ingest.eventlog import outgoing
from locard.ingest.lake import LakeWriter
from locard.query import connect
from locard.redaction import RedactionPool
from locard.schema import LocardError, event_json
from making import event
from redactors import FaultyRedactor
from test_consumer import Installation

MOST_WAITING = 1_000


class Running:
    """A consumer in a thread of its own, until it is stopped."""

    def __init__(self, shared: Installation, pool: RedactionPool) -> None:
        self.workers = processes(pool)
        self.pool = pool
        self.failure: BaseException | None = None
        self.counts = None
        self._shared = shared
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        shared = self._shared
        lake = LakeWriter(shared.path / "lake")
        try:
            with shared.log.reader() as reader:
                limits = BatchLimits(rows=50, age=0.1)
                consumer = Consumer(reader, self.pool, lake, shared.quarantine, limits=limits)
                self.counts = consumer.counts
                consumer.run(self._stopping.is_set)
        except (LocardError, AssertionError) as error:
            self.failure = error

    @property
    def published(self) -> int:
        """How many events it has published."""
        return self.counts.published if self.counts else 0

    def stop(self) -> None:
        """Have it publish what it has and leave the group."""
        self._stopping.set()
        self._thread.join()


def processes(pool: RedactionPool) -> list[int | None]:
    """Return the processes that redact for a pool."""
    return [station.worker._process.pid for station in pool._stations]


@pytest.mark.kafka
def test_partitions_move_among_three_consumers_under_load(kafka_bootstrap, tmp_path):
    """Two join, one leaves, and all the while events come in."""
    shared = Installation(tmp_path, kafka_bootstrap)
    sent = []
    with ExitStack() as stack:
        pools = [stack.enter_context(RedactionPool(FaultyRedactor)) for _ in range(3)]
        writer = stack.enter_context(shared.log.writer())
        running: list[Running] = []

        def send_until(holds) -> None:
            for _ in polls():
                if len(sent) - sum(one.published for one in running) > MOST_WAITING:
                    threading.Event().wait(0.02)
                    continue
                made = [event(session_id=f"session {len(sent) + n}") for n in range(40)]
                writer.append([outgoing(one, event_json(one)) for one in made])
                sent.extend(made)
                assert [one.failure for one in running if one.failure] == []
                if holds():
                    return
            raise AssertionError("it did not come to that")

        try:
            for pool in pools:
                running.append(Running(shared, pool))
                send_until(lambda: running[-1].published > 100)
            running[0].stop()
            before = running[1].published + running[2].published
            send_until(lambda: running[1].published + running[2].published > before + 400)
            for _ in polls():
                if sum(one.published for one in running) >= len(sent):
                    break
        finally:
            for one in running:
                one.stop()
        assert [one.failure for one in running if one.failure] == []
        assert [processes(one.pool) for one in running] == [one.workers for one in running]
    with connect(tmp_path / "lake") as lake:
        ids = [str(row[0]) for row in lake.sql("SELECT event_id FROM lake_rows").fetchall()]
    assert sorted(ids) == sorted(str(one.event_id) for one in sent)
