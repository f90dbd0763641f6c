"""Spans and log records as events.

Spans of a request are read in the order in which they began, so that a result is known before the
prompt that shows it to a model; agents and workflows are read last, since they say again what their
parts said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from locard.ingest.conversations import Conversations, Telling
from locard.ingest.otlp.contexts import TraceSessions
from locard.ingest.otlp.log_reading import LogReader
from locard.ingest.otlp.making import Made
from locard.ingest.otlp.records import LogRecord, Refusal, Span
from locard.ingest.otlp.span_reading import Request, SpanReader
from locard.ingest.otlp.transcripts import Transcripts
from locard.schema import Event


@dataclass(frozen=True, slots=True)
class Translation:
    """The events of some records.

    Args:
        made: the events, each with its JSON.
        refused: records of which no event could be made, by their index among those given.
    """

    made: list[Made] = field(default_factory=list, repr=False)
    refused: list[Refusal] = field(default_factory=list)
    _telling: Telling | None = field(default=None, repr=False)

    @property
    def events(self) -> list[Event]:
        """The events alone."""
        return [one.event for one in self.made]

    def commit(self) -> None:
        """Let later translations refer to these events: they are durable in the event log now."""
        if self._telling is not None:
            self._telling.commit()


class Translator:
    """Makes events of what OTLP sends; safe to share between threads.

    It remembers, within bounds, what was said in each session and which session a trace belongs to.
    The same records give the same events again, as long as that is remembered.
    """

    def __init__(
        self, conversations: Conversations | None = None, transcripts: Transcripts | None = None
    ) -> None:
        self._conversations = conversations or Conversations()
        self._sessions = TraceSessions()
        self._transcripts = transcripts or Transcripts()

    def spans(
        self,
        spans: Sequence[Span],
        *,
        observed_at: datetime,
        workflow_id: str | None = None,
        sender: str = "",
    ) -> Translation:
        """Return the events of these spans, in the order in which the spans began.

        Args:
            observed_at: when they came.
            workflow_id: whose they are; `None` where that is not known.
            sender: the principal that sent them: only its own spans are remembered for them.
        """
        telling = self._conversations.tell()
        request = Request(
            self._sessions, self._transcripts, telling, observed_at, workflow_id, sender
        )
        reader = SpanReader(spans, request)
        made = [one for reading in reader.readings() for one in reading.made]
        return Translation(made, reader.refused, telling)

    def logs(
        self,
        records: Sequence[LogRecord],
        *,
        observed_at: datetime,
        workflow_id: str | None = None,
        sender: str = "",
    ) -> Translation:
        """Return the events of these log records, in the order of their times; see `spans`."""
        telling = self._conversations.tell()
        request = Request(
            self._sessions, self._transcripts, telling, observed_at, workflow_id, sender
        )
        reader = LogReader(records, request)
        made = [one for reading in reader.readings() for one in reading.made]
        return Translation(made, reader.refused, telling)
