"""The consumer under a load that goes on: how soon an event can be asked for, and what it holds.

Agent traffic is produced by a process of its own, at a fixed rate or as fast as the consumer takes
it, and stamped with the moment at which it is handed to the log. An event can be asked for once the
commit that adds it is made; that moment is taken when `publish` returns, which is later still.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from bench.agent_traffic import agent_events
from bench.event_logs import BenchLog
from bench.reporting import Report
from locard.ingest.consumer import Consumer
from locard.ingest.eventlog import OutgoingRecord, outgoing
from locard.ingest.lake import LakeWriter
from locard.ingest.quarantine import Quarantine
from locard.ingest.segments import Segment
from locard.redaction import Keyring, RedactionPool, presidio_pool
from locard.schema import Event, event_json, rfc3339, utc_now

_TEMPLATES: Final = 11_036  # events of all runs of the corpora, once
_BURST_SECONDS: Final = 0.02
_WARM_SECONDS: Final = 5.0
_MOST_AHEAD: Final = 60_000  # events that are in the log and not published, in a soak
_BURST: Final = 2_000
_MARK: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_CONTEXT: Final = multiprocessing.get_context("spawn")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def measure_latency(
    report: Report, case: str, log: BenchLog, keyring: Keyring, rate: float, seconds: float
) -> None:
    """Produce at a steady rate and print how long an event takes until it can be asked for."""
    told = _CONTEXT.RawValue("Q", 0)
    stop = _CONTEXT.Event()
    with presidio_pool(keyring.pseudonymizer(), workers=2) as pool, log.reader() as reader:
        lake = _WatchedLake(log.directory / "lake")
        consumer = Consumer(reader, pool, lake, _quarantine(log, keyring))
        with _producer(log, told, stop, rate):
            ends = time.monotonic() + seconds + _WARM_SECONDS
            consumer.run(lambda: time.monotonic() > ends)
            stop.set()
    begin = lake.arrived[0][0].timestamp() + _WARM_SECONDS
    waits = sorted(
        (arrived - produced).total_seconds()
        for arrived, moments in lake.arrived
        if arrived.timestamp() > begin
        for produced in moments
    )
    lasted = lake.arrived[-1][0].timestamp() - begin
    report.figure(case, "load", len(waits) / lasted, "events/s")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        aim = "<=2" if name == "p99" else None
        value = waits[min(len(waits) - 1, int(len(waits) * share))]
        report.figure(case, f"produce to queryable, {name}", value, "s", aim)


def measure_memory(
    report: Report, case: str, log: BenchLog, keyring: Keyring, events: int, steps: int
) -> None:
    """Let so many events through, and print rate and memory of each part of the way.

    `growth` is the most memory of the last quarter over that of the second.
    """
    told = _CONTEXT.RawValue("Q", 0)
    stop = _CONTEXT.Event()
    with presidio_pool(keyring.pseudonymizer(), workers=2) as pool, log.reader() as reader:
        lake = LakeWriter(log.directory / "lake")
        consumer = Consumer(reader, pool, lake, _quarantine(log, keyring))
        watch = _MemoryWatch(consumer, pool, told, events, steps, report, case)
        with _producer(log, told, stop, None):
            consumer.run(watch.is_over)
            stop.set()
    watch.summarise()


class _MemoryWatch:
    """Looks at memory as events pass, and tells the producer how far they are."""

    def __init__(
        self,
        consumer: Consumer,
        pool: RedactionPool,
        told: Any,
        events: int,
        steps: int,
        report: Report,
        case: str,
    ) -> None:
        self._consumer, self._pool, self._told = consumer, pool, told
        self._events, self._size = events, events // steps
        self._report, self._case = report, case
        self._peak = 0
        self._peaks: list[int] = []
        self._at = time.monotonic()

    def is_over(self) -> bool:
        """Note the memory of now; say whether all events have passed."""
        done = self._consumer.counts.published
        self._told.value = done
        workers = sum(station.worker.resident_bytes() for station in self._pool._stations)
        self._peak = max(self._peak, _resident_bytes() + workers)
        if done >= self._size * (len(self._peaks) + 1):
            now = time.monotonic()
            case = f"{self._case}, {done / 1e6:.2f} M events"
            self._report.figure(case, "rate", self._size / (now - self._at), "events/s")
            self._report.figure(case, "peak memory, workers included", self._peak / 1e6, "MB")
            self._peaks.append(self._peak)
            self._peak, self._at = 0, now
        return done >= self._events

    def summarise(self) -> None:
        """Print how memory has grown."""
        quarter = max(1, len(self._peaks) // 4)
        second, last = self._peaks[quarter : 2 * quarter] or self._peaks, self._peaks[-quarter:]
        growth = max(last) / max(second)
        self._report.figure(self._case, "memory, growth", growth, "x", "<=1.1")


class _WatchedLake(LakeWriter):
    """A lake that notes when events arrived, and when each of them was produced."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.arrived: deque[tuple[datetime, list[datetime]]] = deque()

    def publish(self, segments: Sequence[Segment], now: datetime) -> None:
        super().publish(segments, now)
        rows = (row for segment in segments for row in segment.rows)
        self.arrived.append((utc_now(), [row.redacted.event.occurred_at for row in rows]))


@contextmanager
def _producer(log: BenchLog, told: Any, stop: Any, rate: float | None) -> Iterator[None]:
    process = _CONTEXT.Process(target=_produce, args=(log, told, stop, rate), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.join(10)
        process.kill()


def _produce(log: BenchLog, told: Any, stop: Any, rate: float | None) -> None:
    """Append agent traffic until told to stop: at this rate, or just ahead of what is published."""
    records = _records()
    with log.writer() as writer:
        due, sent = time.monotonic(), 0
        while not stop.is_set():
            if rate is None:
                if sent - told.value > _MOST_AHEAD:
                    time.sleep(0.05)
                    continue
                burst = _BURST
            else:
                due += _BURST_SECONDS
                time.sleep(max(0.0, due - time.monotonic()))
                burst = max(1, round(rate * _BURST_SECONDS))
            writer.append(list(islice(records, burst)))
            sent += burst


def _records() -> Iterator[OutgoingRecord]:
    """Yield the corpora's events without end, with new ids and the time of now.

    To make each of them from its run anew would take longer than to redact it.
    """
    cut = [_cut(event) for event in islice(agent_events(), _TEMPLATES)]
    for copy in count():
        for number, (record, before, between, after) in enumerate(cut):
            event_id = f"{copy:08x}-{number >> 16:04x}-7000-8000-{number:012x}".encode()
            moment = rfc3339(utc_now()).encode()
            value = b"".join((before, event_id, between, moment, after))
            yield OutgoingRecord(record.key + b"/%d" % copy, value)


def _cut(event: Event) -> tuple[OutgoingRecord, bytes, bytes, bytes]:
    marked = event.model_copy(update={"occurred_at": _MARK})
    record = outgoing(marked, event_json(marked))
    before, _, rest = record.value.partition(str(event.event_id).encode())
    between, _, after = rest.partition(rfc3339(_MARK).encode())
    return record, before, between, after


def _quarantine(log: BenchLog, keyring: Keyring) -> Quarantine:
    return Quarantine(log.directory / "quarantine", keyring.quarantine_public_key())


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
