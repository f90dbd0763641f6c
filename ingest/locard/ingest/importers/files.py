"""Importing files: read, convert, append to the event log, remember what was done.

Resumable: a ledger notes each line by its digest once its events are durable in the log. A run
that was interrupted, or is started again by mistake, sends only what is missing. Where the ledger
is lost, sending again does no harm either, since an importer derives the same event ids.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from locard.ingest.eventlog import EventLogWriter, OutgoingRecord, outgoing
from locard.ingest.importers.lines import Line, Reject, modified_at, read_lines
from locard.ingest.importers.openai_messages import Converted, run_events
from locard.schema import CannotContinue, RejectedRecord, event_json

_EVENTS_PER_APPEND: Final = 1_000

Converter = Callable[[Line, datetime, datetime], Converted]
CONVERTERS: Final[dict[str, Converter]] = {"openai-messages": run_events}
"""The formats that can be imported."""


@dataclass
class ImportReport:
    """What became of one file: every line that is not blank is in exactly one of the counts."""

    path: Path
    runs: int = 0
    events: int = 0
    known_runs: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Which lines have been sent to which log.

    Raises:
        CannotContinue: the file cannot be made or written.
    """

    def __init__(self, path: Path, topic_id: str) -> None:
        self._path = path
        self._topic_id = topic_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS lines (topic_id TEXT, digest TEXT,"
                " PRIMARY KEY (topic_id, digest)) WITHOUT ROWID"
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def knows(self, line: Line) -> bool:
        """Say whether the line's events are in the log."""
        found = self._connection.execute(
            "SELECT 1 FROM lines WHERE topic_id = ? AND digest = ?", (self._topic_id, line.digest)
        )
        return found.fetchone() is not None

    def note(self, digests: list[str]) -> None:
        """Remember lines whose events are durable in the log."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR IGNORE INTO lines VALUES (?, ?)",
                ((self._topic_id, digest) for digest in digests),
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _unusable(self, error: Exception) -> CannotContinue:
        return CannotContinue(
            f"the import ledger {self._path} cannot be used: {error}; "
            "check that its disk has room and its directory is writable"
        )


def import_file(
    path: Path,
    format_name: str,
    writer: EventLogWriter,
    ledger: Ledger,
    *,
    observed_at: datetime,
    on_progress: Callable[[ImportReport], None] = lambda _: None,
) -> ImportReport:
    """Append the events of every run in the file to the log.

    Args:
        observed_at: when the import began; becomes the events' `observed_at`.
        on_progress: called after each append.

    Raises:
        CannotContinue: the file cannot be opened, or the log or ledger refuses for good.
        RetryableError: the log cannot be reached; starting again goes on where this stopped.
    """
    report = ImportReport(path)
    start = modified_at(path)
    digests: list[str] = []
    records: list[OutgoingRecord] = []

    def flush() -> None:
        writer.append(records)
        ledger.note(digests)
        records.clear()
        digests.clear()
        on_progress(report)

    for line, converted in _converted(path, format_name, ledger, report, start, observed_at):
        try:
            run = _records(converted)
        except RejectedRecord as error:
            report.rejects.append(Reject(line.number, error.error_class, str(error)))
            continue
        report.runs += 1
        report.events += len(run)
        report.notices += converted.notices
        records += run
        digests.append(line.digest)
        if len(records) >= _EVENTS_PER_APPEND:
            flush()
    flush()
    return report


def _converted(
    path: Path,
    format_name: str,
    ledger: Ledger,
    report: ImportReport,
    start: datetime,
    observed_at: datetime,
) -> Iterator[tuple[Line, Converted]]:
    """Yield the lines that are new and can be converted; count the others."""
    convert = CONVERTERS[format_name]
    for line in read_lines(path):
        if isinstance(line, Reject):
            report.rejects.append(line)
        elif ledger.knows(line):
            report.known_runs += 1
        else:
            try:
                # A second for each line keeps the runs of a file in its order.
                yield line, convert(line, start + timedelta(seconds=line.number), observed_at)
            except RejectedRecord as error:
                report.rejects.append(Reject(line.number, error.error_class, str(error)))


def _records(converted: Converted) -> list[OutgoingRecord]:
    return [outgoing(event, event_json(event)) for event in converted.events]
