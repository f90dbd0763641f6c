"""Ingest, stage by stage and end to end, on both logs.

Stages alone: append to the log, read from it, decode, redact, publish. The comparison for decoding
is the standard library's parser with the same model behind it; for publishing it is
`write_deltalake`, which neither syncs the disk nor carries a transaction. End to end there are
three kinds of traffic: made-up events whose texts are all new, real agent runs, and real agent runs
in which every text has been made new.

`--soak EVENTS` does one thing only: it lets so many events through Kafka and looks at memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deltalake import write_deltalake

from bench.agent_traffic import agent_events
from bench.event_logs import BenchLog, broker
from bench.ingest_load import measure_latency, measure_memory
from bench.reporting import Report, best_seconds
from bench.workload import events as make_events
from locard.ingest.consumer import Consumer
from locard.ingest.decode import decode
from locard.ingest.eventlog import EventLogReader, RawRecord, outgoing
from locard.ingest.garbage import collect_garbage_less_often
from locard.ingest.lake import LakeWriter
from locard.ingest.quarantine import Quarantine
from locard.ingest.segments import Position, Row, Segment, segments_table
from locard.redaction import Keyring, RedactedEvent, RedactionPool, presidio_pool
from locard.schema import Event, RedactionRecord, event_json, validate_event

NOW = datetime(2026, 5, 4, tzinfo=UTC)
RECORD = RedactionRecord(policy="bench", engine="bench")


class Bench:
    """One run over one workload.

    Args:
        count: events for the stages that are fast.
        redacted: events for those that include redaction.
    """

    def __init__(self, count: int, redacted: int, repeats: int, scratch: Path) -> None:
        self.report = Report("ingest")
        self.events = make_events(count)
        self.values = [event_json(event) for event in self.events]
        self.megabytes = sum(map(len, self.values)) / 1e6
        self.redacted = redacted
        self.repeats = repeats
        self.scratch = scratch
        self._names = itertools.count()
        self._seeds = itertools.count(1)
        self.rates: dict[str, float] = {}
        self.keyring = Keyring.open_or_create(self.directory() / "keys")

    def stage(
        self,
        case: str,
        metric: str,
        work: Callable[[], object],
        share: float = 1.0,
        aim: str | None = None,
    ) -> float:
        """Measure work over `share` of the workload and print its rates; return its seconds."""
        seconds = best_seconds(work, self.repeats)
        self._rates(case, metric, seconds, share, aim)
        return seconds

    def _rates(self, case: str, metric: str, seconds: float, share: float, aim: str | None) -> None:
        self.report.figure(case, metric, len(self.events) * share / seconds, "events/s", aim)
        self.report.figure(case, metric, self.megabytes * share / seconds, "MB/s")

    def directory(self) -> Path:
        """Return a new empty directory."""
        path = self.scratch / str(next(self._names))
        path.mkdir()
        return path

    def decode(self) -> None:
        """Bytes to events, against the standard library's parser before the same model."""
        records = [RawRecord("t", 0, n, NOW, value) for n, value in enumerate(self.values)]
        ours = self.stage("decode", "rate", lambda: list(decode(records, NOW)), aim=">=30000")
        theirs = best_seconds(
            lambda: [validate_event(json.loads(value)) for value in self.values], self.repeats
        )
        self.report.figure("decode", "over json.loads and the same model", theirs / ours, "x")

    def publish(self) -> None:
        """Redacted events to a durable commit, against `write_deltalake` of the same rows."""
        segment = _segment(self.events)

        def ours() -> None:
            LakeWriter(self.directory() / "lake").publish([segment], NOW)

        def theirs() -> None:
            write_deltalake(self.directory() / "lake", segments_table([segment]))

        seconds = self.stage("publish", "rate", ours, aim=">=20000")
        ratio = best_seconds(theirs, self.repeats) / seconds
        self.report.figure("publish", "over write_deltalake without fsync", ratio, "x")

    def redact(self) -> None:
        """Presidio in one worker process and in two, each event once."""
        for workers, metric in ((1, "rate with 1 worker"), (2, "rate with 2 workers")):
            with presidio_pool(self.keyring.pseudonymizer(), workers=workers) as pool:
                self._redact(pool, metric)

    def _redact(self, pool: RedactionPool, metric: str) -> None:
        _redact(pool, self.events[:2])  # the processes start outside the measurement
        events = self.events[: self.redacted]
        started = time.perf_counter()
        _redact(pool, events)
        seconds = time.perf_counter() - started
        self._rates("redact", metric, seconds, len(events) / len(self.events), None)

    def log(self, name: str, kafka: str | None = None) -> None:
        """Append and read."""
        records = [
            outgoing(event, value) for event, value in zip(self.events, self.values, strict=True)
        ]
        logs: list[BenchLog] = []

        def append() -> None:
            logs.append(BenchLog(self.directory(), kafka))
            with logs[-1].writer() as writer:
                for start in range(0, len(records), 1_000):
                    writer.append(records[start : start + 1_000])

        self.stage(name, "append rate", append)

        def read() -> None:
            with logs[-1].reader() as reader:
                _read(reader, len(records))

        self.stage(name, "read rate", read)

    def end_to_end(self, name: str, kafka: str | None = None) -> None:
        """From a full log to the lake, with redaction in two processes."""
        # Texts that the workers have not seen: they remember the findings of those they have.
        made_up = make_events(self.redacted, seed=next(self._seeds))
        self._end_to_end(name, "made-up events", made_up, kafka)
        for kind, fresh in (("agent runs", False), ("agent runs, all texts new", True)):
            traffic = list(itertools.islice(agent_events(fresh=fresh), self.redacted))
            aim = ">=5000" if kafka and not fresh else None
            self._end_to_end(name, kind, traffic, kafka, aim)

    def _end_to_end(
        self,
        name: str,
        kind: str,
        events: Sequence[Event],
        kafka: str | None,
        aim: str | None = None,
    ) -> None:
        values = [event_json(event) for event in events]
        log = BenchLog(self.directory(), kafka)
        with log.writer() as writer:
            records = [outgoing(e, value) for e, value in zip(events, values, strict=True)]
            for start in range(0, len(records), 1_000):
                writer.append(records[start : start + 1_000])
        quarantine = Quarantine(log.directory / "quarantine", self.keyring.quarantine_public_key())
        with (
            presidio_pool(self.keyring.pseudonymizer(), workers=2) as pool,
            log.reader() as reader,
        ):
            _redact(pool, events[:2])  # the processes start outside the measurement
            consumer = Consumer(reader, pool, LakeWriter(log.directory / "lake"), quarantine)
            started = time.perf_counter()
            consumer.run_once()
            seconds = time.perf_counter() - started
        if consumer.counts.published != len(events):
            raise AssertionError("not every event was published")
        rate = len(events) / seconds
        megabytes = sum(map(len, values)) / 1e6
        self.report.figure(name, f"end to end rate, {kind}", rate, "events/s", aim)
        self.report.figure(name, f"end to end rate, {kind}", megabytes / seconds, "MB/s")
        self.rates[kind] = rate


def _segment(events: Sequence[Event]) -> Segment:
    segment = Segment("t", 0, 0, 0)
    for offset, event in enumerate(events):
        segment.rows.append(Row(Position("t", 0, offset), RedactedEvent(event, RECORD)))
    segment.next_offset = len(events)
    return segment


def _redact(pool: RedactionPool, events: Sequence[Event]) -> None:
    for start in range(0, len(events), 64):
        pool.submit(events[start : start + 64])
    done = 0
    while done < len(events):
        done += len(pool.collect(1.0))


def _read(reader: EventLogReader, count: int) -> None:
    reader.start(lambda _: {}, lambda: None)
    while count > 0:
        count -= len(reader.poll(2_000, 1.0))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    parser.add_argument("--soak", type=int, metavar="EVENTS", help="look at memory alone")
    chosen = parser.parse_args()
    collect_garbage_less_often()  # as `locard consume` does
    scratch = Path(tempfile.mkdtemp(prefix="locard-bench-"))
    try:
        sizes = (8_000, 1_500, 1) if chosen.quick else (100_000, 33_108, 3)
        bench = Bench(*sizes, scratch)
        if chosen.soak:
            _soak(bench, chosen.soak)
        else:
            _run(bench, 6 if chosen.quick else 60)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(bench: Bench, seconds: float) -> None:
    bench.decode()
    bench.publish()
    bench.redact()
    bench.log("embedded")
    bench.end_to_end("embedded")
    with broker(bench.scratch) as kafka:
        if kafka:
            bench.log("kafka", kafka)
            bench.end_to_end("kafka", kafka)
            log, rate = BenchLog(bench.directory(), kafka), bench.rates["agent runs"] / 2
            measure_latency(bench.report, "kafka", log, bench.keyring, rate, seconds)


def _soak(bench: Bench, events: int) -> None:
    with broker(bench.scratch) as kafka:
        log = BenchLog(bench.directory(), kafka)
        name = "kafka" if kafka else "embedded"
        measure_memory(bench.report, name, log, bench.keyring, events, steps=20)


if __name__ == "__main__":
    main()
