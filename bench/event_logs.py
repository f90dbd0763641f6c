"""Event logs for benchmarks: embedded, or a topic on a broker that is started for the purpose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from locard.ingest.eventlog import EventLogReader, EventLogWriter
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.eventlog.kafka import KafkaReader, KafkaWriter
from locard.ingest.eventlog.kafka_cluster import KafkaSettings

_SCRIPT_KAFKA: Final = Path(__file__).parents[1] / "script" / "kafka"


@dataclass(frozen=True)
class BenchLog:
    """An event log that is empty at first.

    Args:
        directory: empty; an embedded log is in it, a topic is called like it.
        kafka: address of a broker, or `None` for an embedded log.
    """

    directory: Path
    kafka: str | None = None

    @contextmanager
    def writer(self) -> Iterator[EventLogWriter]:
        """Open it for appending."""
        writer: Any
        writer = KafkaWriter(self._settings()) if self.kafka else EmbeddedWriter(self._path)
        yield writer
        writer.close()

    @contextmanager
    def reader(self) -> Iterator[EventLogReader]:
        """Open it for reading from the beginning."""
        reader: Any
        reader = KafkaReader(self._settings()) if self.kafka else EmbeddedReader(self._path)
        yield reader
        reader.close()

    @property
    def _path(self) -> Path:
        return self.directory / "log.sqlite"

    def _settings(self) -> KafkaSettings:
        name = f"bench.{self.directory.parent.name}.{self.directory.name}"
        return KafkaSettings(str(self.kafka), topic=name, group=name)


@contextmanager
def broker(scratch: Path) -> Iterator[str | None]:
    """Start a broker where Java and Maven are; without them the Kafka figures are left out."""
    data = ["--data", str(scratch / "kafka")]
    started = subprocess.run(
        [str(_SCRIPT_KAFKA), "start", *data], stdout=subprocess.PIPE, text=True
    )
    if started.returncode != 0:
        print("no broker: the figures for Kafka are left out", file=sys.stderr)
        yield None
        return
    try:
        yield started.stdout.strip()
    finally:
        subprocess.run([str(_SCRIPT_KAFKA), "stop", *data, "--kill"], check=False)
