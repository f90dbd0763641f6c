"""Ingest, stage by stage and end to end, on both logs.

Stages alone: append to the log, read from it, decode, redact, publish. The comparison for decoding
is the standard library's parser with the same model behind it; for publishing it is
`write_deltalake`, which neither syncs the disk nor carries a transaction.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from deltalake import write_deltalake

from bench.reporting import Report, best_seconds
from bench.workload import events as make_events
from locard.ingest.consumer import Consumer
from locard.ingest.decode import decode
from locard.ingest.eventlog import EventLogReader, EventLogWriter, RawRecord, outgoing
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.garbage import collect_garbage_less_often
from locard.ingest.lake import LakeWriter
from locard.ingest.quarantine import Quarantine
from locard.ingest.segments import Position, Row, Segment, segments_table
from locard.redaction import Keyring, RedactedEvent, RedactionPool, presidio_pool
from locard.schema import Event, RedactionRecord, event_json, validate_event

NOW = datetime(2026, 5, 4, tzinfo=UTC)
RECORD = RedactionRecord(policy="bench", engine="bench")
SCRIPT_KAFKA = Path(__file__).parents[1] / "script" / "kafka"


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
        with presidio_pool(self.keyring.pseudonymizer(), workers=1) as one:
            self._redact(one, "rate with 1 worker")
        self._redact(self.pool, "rate with 2 workers")

    @cached_property
    def pool(self) -> RedactionPool:
        """Two workers for all that redacts; not before, since starting them takes both cores."""
        return presidio_pool(self.keyring.pseudonymizer(), workers=2)

    def _redact(self, pool: RedactionPool, metric: str) -> None:
        _redact(pool, self.events[:2])  # the processes start outside the measurement
        events = self.events[: self.redacted]
        started = time.perf_counter()
        _redact(pool, events)
        seconds = time.perf_counter() - started
        self._rates("redact", metric, seconds, len(events) / len(self.events), None)

    def log(self, name: str, log: AnyLog) -> None:
        """Append and read."""
        records = [
            outgoing(event, value) for event, value in zip(self.events, self.values, strict=True)
        ]

        def append() -> None:
            with log.fresh().writer() as writer:
                for start in range(0, len(records), 1_000):
                    writer.append(records[start : start + 1_000])

        self.stage(name, "append rate", append)

        def read() -> None:
            with log.reader() as reader:
                _read(reader, len(records))

        self.stage(name, "read rate", read)

    def end_to_end(self, name: str, log: AnyLog) -> None:
        """From a full log to the lake, with redaction in two processes."""
        # Texts that the workers have not seen: they remember the findings of those they have.
        events = make_events(self.redacted, seed=next(self._seeds))
        share = len(events) / len(self.events)
        with log.fresh().writer() as writer:
            writer.append([outgoing(event, event_json(event)) for event in events])
        home = self.directory()
        quarantine = Quarantine(home / "quarantine", self.keyring.quarantine_public_key())
        with log.reader() as reader:
            consumer = Consumer(reader, self.pool, LakeWriter(home / "lake"), quarantine)
            started = time.perf_counter()
            consumer.run_once()
            seconds = time.perf_counter() - started
        if consumer.counts.published != len(events):
            raise AssertionError("not every event was published")
        self._rates(name, "end to end rate", seconds, share, None)


class AnyLog:
    """An event log that can be made anew; embedded, or on a broker."""

    def __init__(self, directory: Callable[[], Path], kafka: str | None = None) -> None:
        self._directory = directory
        self._kafka = kafka
        self._path = directory()

    def fresh(self) -> AnyLog:
        """Go on with an empty log."""
        self._path = self._directory()
        return self

    @contextmanager
    def writer(self) -> Iterator[EventLogWriter]:
        """Open it for appending."""
        writer: Any
        if self._kafka:
            from locard.ingest.eventlog.kafka import KafkaWriter

            writer = KafkaWriter(self._settings())
        else:
            writer = EmbeddedWriter(self._path / "log.sqlite")
        yield writer
        writer.close()

    @contextmanager
    def reader(self) -> Iterator[EventLogReader]:
        """Open it for reading from the beginning."""
        reader: Any
        if self._kafka:
            from locard.ingest.eventlog.kafka import KafkaReader

            reader = KafkaReader(self._settings())
        else:
            reader = EmbeddedReader(self._path / "log.sqlite")
        yield reader
        reader.close()

    def _settings(self) -> Any:
        from locard.ingest.eventlog.kafka_cluster import KafkaSettings

        name = f"bench.{self._path.parent.name}.{self._path.name}"
        return KafkaSettings(str(self._kafka), topic=name, group=name)


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


@contextmanager
def _broker(scratch: Path) -> Iterator[str | None]:
    """Start a broker where Java and Maven are; without them the Kafka figures are left out."""
    data = ["--data", str(scratch / "kafka")]
    started = subprocess.run([str(SCRIPT_KAFKA), "start", *data], stdout=subprocess.PIPE, text=True)
    if started.returncode != 0:
        print("no broker: the figures for Kafka are left out", file=sys.stderr)
        yield None
        return
    try:
        yield started.stdout.strip()
    finally:
        subprocess.run([str(SCRIPT_KAFKA), "stop", *data, "--kill"], check=False)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    quick = parser.parse_args().quick
    collect_garbage_less_often()  # as `locard consume` does
    scratch = Path(tempfile.mkdtemp(prefix="locard-bench-"))
    try:
        sizes = (8_000, 800, 2) if quick else (100_000, 20_000, 3)
        bench = Bench(*sizes, scratch)
        bench.decode()
        bench.publish()
        bench.redact()
        embedded = AnyLog(bench.directory)
        bench.log("embedded", embedded)
        bench.end_to_end("embedded", embedded)
        with _broker(scratch) as kafka:
            if kafka:
                bench.log("kafka", AnyLog(bench.directory, kafka))
                bench.end_to_end("kafka", AnyLog(bench.directory, kafka))
        bench.pool.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
