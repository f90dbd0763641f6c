"""Both event logs behind one interface, for tests that must hold on each."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from locard.ingest.eventlog import (
    EventLogReader,
    EventLogWriter,
    OutgoingRecord,
    RawRecord,
)
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter

SECONDS_TO_WAIT = 90


@dataclass
class LogUnderTest:
    """One empty log, and how to open it."""

    path: Path
    kafka: str | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        self.topic = f"test.{uuid4().hex}"

    @contextmanager
    def writer(self) -> Iterator[EventLogWriter]:
        """Open the log for appending."""
        writer: EventLogWriter
        if self.kafka:
            from locard.ingest.eventlog.kafka import KafkaWriter

            writer = KafkaWriter(self._settings())
        else:
            writer = EmbeddedWriter(self.path / "log.sqlite")
        try:
            yield writer
        finally:
            writer.close()

    @contextmanager
    def reader(self) -> Iterator[EventLogReader]:
        """Open the log for reading."""
        reader: EventLogReader
        if self.kafka:
            from locard.ingest.eventlog.kafka import KafkaReader

            reader = KafkaReader(self._settings())
        else:
            reader = EmbeddedReader(self.path / "log.sqlite")
        try:
            yield reader
        finally:
            reader.close()

    def append(self, *values: bytes, key: bytes = b"session") -> None:
        """Append records with one key."""
        with self.writer() as writer:
            writer.append([OutgoingRecord(key, value) for value in values])

    def _settings(self):
        from locard.ingest.eventlog.kafka_cluster import KafkaSettings

        assert self.kafka
        return KafkaSettings(
            self.kafka,
            topic=self.topic,
            group=self.topic,
            partitions=4,
            seconds_to_answer=self.seconds,
        )


def read_until(reader: EventLogReader, count: int) -> list[RawRecord]:
    """Poll until that many records have come; fail where they do not."""
    records: list[RawRecord] = []
    for _ in polls():
        records += reader.poll(1_000, 0.2)
        if len(records) >= count:
            return records
    raise AssertionError(f"{len(records)} of {count} records came")


def polls(seconds: float = SECONDS_TO_WAIT) -> Iterator[None]:
    """Yield as often as somebody asks, for as long as a slow machine may need."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        yield


def read_all(log: LogUnderTest) -> list[RawRecord]:
    """Return every record of the log, by partition and offset."""
    with log.reader() as reader:
        reader.start(lambda _: {}, lambda: None)
        ends: dict[int, int] = {}
        for _ in polls():
            first = reader.poll(1_000, 0.2)
            ends = dict(reader.end_offsets())
            if ends:
                break
        rest = read_until(reader, sum(ends.values()) - len(first)) if sum(ends.values()) else []
    records = list(itertools.chain(first, rest))
    return sorted(records, key=lambda record: (record.partition, record.offset))


def expire(log: LogUnderTest, partition: int, before: int) -> None:
    """Take records out of the log as its retention would."""
    if log.kafka:
        from kafka import KafkaAdminClient, TopicPartition

        admin = KafkaAdminClient(bootstrap_servers=log.kafka)
        admin.delete_records({TopicPartition(log.topic, partition): before})
        admin.close()
    else:
        with log.reader() as reader:
            reader._retention = timedelta(0)
            reader.commit({partition: before})
