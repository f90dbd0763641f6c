"""Importing files: read, convert, append to the event log, remember what was done.

Resumable: a ledger notes each line by its digest once its events are durable in the log. A run
that was interrupted, or is started again by mistake, sends only what is missing. What is sent twice
(the ledger was lost, or the fate of an append unknown) has the same event ids, and adds nothing.

A line is all or nothing: its events go into one append, or it is a reject with a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from locard.ingest.eventlog import EventLogWriter, OutgoingRecord, check_sizes, outgoing
from locard.ingest.importers.conversion import Converted, Converter
from locard.ingest.importers.events import later
from locard.ingest.importers.ledger import Ledger
from locard.ingest.importers.lines import (
    Line,
    Reject,
    UnreadableFile,
    modified_at,
    read_lines,
)
from locard.ingest.importers.openai_messages import run_events
from locard.schema import RejectedRecord, event_json

__all__ = ["CONVERTERS", "ImportReport", "Ledger", "Reject", "UnreadableFile", "import_file"]

CONVERTERS: Final[dict[str, Converter]] = {"openai-messages": run_events}
"""The formats that can be imported."""

MOST_REJECTS_KEPT: Final = 100
_EVENTS_PER_APPEND: Final = 1_000
_BYTES_PER_APPEND: Final = 8 * 1024 * 1024


@dataclass
class ImportReport:
    """What became of one file: every line that is not blank is in exactly one of the counts.

    Args:
        runs: lines whose events were sent.
        known_runs: lines that were sent before, also earlier in this file.
        rejected: lines that could not be imported, and places where the file is damaged.
        rejects: the first of those, at most `MOST_REJECTS_KEPT`.
        notices: how often something was odd and kept, by a sentence about it.
        noticed_at: the first line that each notice is about.
    """

    path: Path
    runs: int = 0
    events: int = 0
    known_runs: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    noticed_at: dict[str, int] = field(default_factory=dict)

    def add(self, line: Line, converted: Converted) -> None:
        """Count a line that is sent."""
        self.runs += 1
        self.events += len(converted.events)
        self.notices += converted.notices
        for notice in converted.notices:
            self.noticed_at.setdefault(notice, line.number)

    def reject(self, reject: Reject) -> None:
        """Count something that could not be imported."""
        self.rejected += 1
        if len(self.rejects) < MOST_REJECTS_KEPT:
            self.rejects.append(reject)


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
        UnreadableFile: the file cannot be opened.
        CannotContinue: the log or the ledger refuses for good.
        RetryableError: the log cannot be reached; starting again goes on where this stopped.
    """
    report = ImportReport(path)
    convert = CONVERTERS[format_name]
    start = modified_at(path)
    sender = _Sender(writer, ledger)
    for line in read_lines(path):
        if isinstance(line, Reject):
            report.reject(line)
        elif sender.knows(line):
            report.known_runs += 1
        else:
            # A second for each line keeps the runs of a file in its order.
            run_start = later(start, timedelta(seconds=line.number))
            try:
                converted = convert(line, run_start, observed_at, sender.has_session)
                records = _records(converted)
            except RejectedRecord as error:
                report.reject(Reject(line.number, error.error_class, str(error)))
                continue
            sender.add(line, converted.session_id, records)
            report.add(line, converted)
        if sender.is_due:
            sender.send()
            on_progress(report)
    if sender.send():
        on_progress(report)
    return report


def _records(converted: Converted) -> list[OutgoingRecord]:
    """Return what goes into the log.

    Raises:
        RejectedRecord: an event is too large for any log.
    """
    records = [outgoing(event, event_json(event)) for event in converted.events]
    check_sizes(records)
    return records


class _Sender:
    """Collects lines until appending them is worth it, then notes them in the ledger."""

    def __init__(self, writer: EventLogWriter, ledger: Ledger) -> None:
        self._writer = writer
        self._ledger = ledger
        self._records: list[OutgoingRecord] = []
        self._bytes = 0
        self._sessions: dict[str, str] = {}  # by the digest of the line

    def knows(self, line: Line) -> bool:
        """Say whether the line was sent, or is about to be."""
        return line.digest in self._sessions or self._ledger.knows(line.digest)

    def has_session(self, session_id: str) -> bool:
        """Say whether a line was sent as this session, or is about to be."""
        return session_id in self._sessions.values() or self._ledger.has_session(session_id)

    def add(self, line: Line, session_id: str, records: list[OutgoingRecord]) -> None:
        """Take the records of a line."""
        self._records += records
        self._bytes += sum(len(record.value) for record in records)
        self._sessions[line.digest] = session_id

    @property
    def is_due(self) -> bool:
        """Say whether enough is collected."""
        return len(self._records) >= _EVENTS_PER_APPEND or self._bytes >= _BYTES_PER_APPEND

    def send(self) -> bool:
        """Append what is collected, and return whether that was anything."""
        if not self._sessions:
            return False
        self._writer.append(self._records)
        self._ledger.note(self._sessions)
        self._records, self._bytes, self._sessions = [], 0, {}
        return True
