"""Importing files: read, convert, append to the event log, remember what was done.

Resumable: a ledger notes each line by its digest once its events are durable in the log. A run
that was interrupted, or is started again by mistake, sends only what is missing. What is sent twice
(the ledger was lost, or the fate of an append unknown) has the same event ids, and adds nothing.

A line is all or nothing: its events go into one append, or it is a reject with a reason. Where it
holds nothing to send it is counted as left out, and a notice says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from locard.ingest.eventlog import EventLogWriter, OutgoingRecord, check_sizes, outgoing
from locard.ingest.importers.claude_code import ClaudeCode
from locard.ingest.importers.conversion import Converted, Converter, Surroundings
from locard.ingest.importers.events import later
from locard.ingest.importers.jsonl import Jsonl
from locard.ingest.importers.ledger import Ledger
from locard.ingest.importers.lines import (
    Line,
    Reject,
    UnreadableFile,
    modified_at,
    read_lines,
)
from locard.ingest.importers.openai_messages import OpenAIMessages
from locard.schema import RejectedRecord, event_json

__all__ = ["CONVERTERS", "ImportReport", "Ledger", "Reject", "UnreadableFile", "import_file"]


def _otlp_json() -> Converter:
    """Make the one converter that needs the definitions of OTLP."""
    from locard.ingest.importers.otlp_json import OtlpJson

    return OtlpJson()


CONVERTERS: Final[dict[str, Callable[[], Converter]]] = {
    "openai-messages": OpenAIMessages,
    "otlp-json": _otlp_json,
    "claude-code": ClaudeCode,
    "jsonl": Jsonl,
}
"""The formats that can be imported. Each makes a converter, which serves one import of one or many
files and remembers what it saw."""

MOST_REJECTS_KEPT: Final = 100
_KNOWN_PER_PROGRESS: Final = 1_000
_EVENTS_PER_APPEND: Final = 1_000
_BYTES_PER_APPEND: Final = 8 * 1024 * 1024


@dataclass
class ImportReport:
    """What became of one file: every line that is not blank is in exactly one of the counts.

    Args:
        unit: what a line holds, as a word for several.
        lines: lines whose events were sent.
        known_lines: lines that were sent before, also earlier in this file.
        left_out: lines without anything to send; notices say why.
        rejected: lines that could not be imported, and places where the file is damaged.
        rejects: the first of those, at most `MOST_REJECTS_KEPT`.
        notices: how often something was odd and kept, or left out, by a sentence about it.
        noticed_at: the first line that each notice is about.
    """

    path: Path
    unit: str
    lines: int = 0
    events: int = 0
    known_lines: int = 0
    left_out: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    noticed_at: dict[str, int] = field(default_factory=dict)

    def add(self, line: Line, converted: Converted) -> None:
        """Count a line that is sent, or has nothing to send."""
        if converted.events:
            self.lines += 1
        else:
            self.left_out += 1
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
    converter: Converter,
    writer: EventLogWriter,
    ledger: Ledger,
    *,
    observed_at: datetime,
    on_progress: Callable[[ImportReport], None] = lambda _: None,
) -> ImportReport:
    """Append the events of every line in the file to the log.

    Args:
        converter: of the file's format; the same one for all files of an import.
        observed_at: when the import began; becomes the events' `observed_at`.
        on_progress: called after each append, and now and then while lines are known.

    Raises:
        UnreadableFile: the file cannot be opened.
        CannotContinue: the log or the ledger refuses for good.
        RetryableError: the log cannot be reached; starting again goes on where this stopped.
    """
    report = ImportReport(path, converter.unit)
    sender = _Sender(writer, ledger, converter.format_name)
    start = modified_at(path)
    for line in read_lines(path):
        if isinstance(line, Reject):
            report.reject(line)
            continue
        surroundings = Surroundings(
            # A second for each line keeps the lines of a file in its order.
            start=later(start, timedelta(seconds=line.number)),
            observed_at=observed_at,
            file_name=path.name,
            is_taken=sender.has_session,
        )
        if sender.knows(line):
            report.known_lines += 1
            if converter.remembers:
                _remind(converter, line, surroundings)
            if report.known_lines % _KNOWN_PER_PROGRESS == 0:
                on_progress(report)
            continue
        try:
            converted = converter.convert(line, surroundings)
            records = _records(converted)
        except RejectedRecord as error:
            report.reject(Reject(line.number, error.error_class, str(error)))
            continue
        converted.commit()
        report.add(line, converted)
        if records:
            sender.add(line, converted.session_ids, records)
        if sender.is_due:
            sender.send()
            on_progress(report)
    if sender.send():
        on_progress(report)
    return report


def _remind(converter: Converter, line: Line, surroundings: Surroundings) -> None:
    """Let a converter see a line whose events are in the log already."""
    try:
        converter.convert(line, surroundings).commit()
    except RejectedRecord:
        return  # an earlier version took it, and this one has nothing to remember of it


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

    def __init__(self, writer: EventLogWriter, ledger: Ledger, format_name: str) -> None:
        self._writer = writer
        self._ledger = ledger
        # The first ledgers knew one format. In another one a line is another thing.
        self._prefix = "" if format_name == OpenAIMessages.format_name else f"{format_name}:"
        self._records: list[OutgoingRecord] = []
        self._bytes = 0
        self._sent: dict[str, frozenset[str]] = {}  # sessions by the ledger's name of the line
        self._sessions: set[str] = set()

    def knows(self, line: Line) -> bool:
        """Say whether the line was sent, or is about to be."""
        key = self._prefix + line.digest
        return key in self._sent or self._ledger.knows(key)

    def has_session(self, session_id: str) -> bool:
        """Say whether a line was sent as this session, or is about to be."""
        return session_id in self._sessions or self._ledger.has_session(session_id)

    def add(self, line: Line, session_ids: frozenset[str], records: list[OutgoingRecord]) -> None:
        """Take the records of a line."""
        self._records += records
        self._bytes += sum(len(record.value) for record in records)
        self._sent[self._prefix + line.digest] = session_ids
        self._sessions |= session_ids

    @property
    def is_due(self) -> bool:
        """Say whether enough is collected."""
        return len(self._records) >= _EVENTS_PER_APPEND or self._bytes >= _BYTES_PER_APPEND

    def send(self) -> bool:
        """Append what is collected, and return whether that was anything."""
        if not self._sent:
            return False
        self._writer.append(self._records)
        self._ledger.note(self._sent)
        self._records, self._bytes, self._sent, self._sessions = [], 0, {}, set()
        return True
