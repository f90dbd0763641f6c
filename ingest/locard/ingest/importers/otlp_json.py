"""Files of the OpenTelemetry Collector's file exporter: a request of OTLP/JSON on each line.

    {"resourceSpans": […]}      traces
    {"resourceLogs": […]}       logs
    {"resourceMetrics": […]}    left out, as profiles are: they do not tell what was done

A line becomes the events that the collector API makes of the same request, with the same ids, so
what it received already adds nothing. Spans and log records are taken one by one: those that are
refused are counted by their class, and the others are imported.

A prompt repeats its conversation, and a record may name no more than its trace. So the converter
remembers what was said in each session, and which session a trace is of, from line to line and from
file to file.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar, Final

from locard.ingest.conversations import Conversations
from locard.ingest.importers.conversion import Converted, Surroundings, read_json
from locard.ingest.importers.lines import Line
from locard.ingest.otlp import Refusal, Translation, Translator, decode_logs, decode_traces
from locard.schema import RejectedRecord

OTHER_SIGNAL: Final = (
    "lines of metrics or profiles, left out; import traces or logs, which tell what was done"
)
EMPTY: Final = "lines without any span or log record, left out; nothing is missing"

_LOGS: Final = "resourceLogs"
_OTHERS: Final = frozenset({"resourceMetrics", "resourceProfiles"})
_SIGNALS: Final = frozenset({"resourceSpans", _LOGS, *_OTHERS})
_FIRST_MEMBER: Final = re.compile(rb'\s*\{\s*"(resource_?[A-Za-z]+)"\s*:')


class OtlpJson:
    """Converts requests. See `Converter`."""

    format_name: ClassVar[str] = "otlp-json"
    unit: ClassVar[str] = "lines"
    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._translator = Translator(Conversations())
        self._reasons: dict[str, str] = {}  # the first of each class: one notice for each is enough

    def convert(self, line: Line, surroundings: Surroundings) -> Converted:
        """Return the events of this line's spans or log records, and which were refused."""
        signal = _signal(line)
        if signal in _OTHERS:
            return Converted((), Counter({OTHER_SIGNAL: 1}))
        translation, refused = self._translated(line, signal, surroundings)
        if refused and not translation.events:
            raise RejectedRecord(
                f"none of its {len(refused):,} spans or log records could be taken; the first: "
                f"{refused[0].reason}",
                refused[0].error_class,
            )
        notices = Counter(self._notice(refusal) for refusal in refused)
        if not translation.events:
            notices[EMPTY] += 1
        return Converted(tuple(translation.events), notices, translation.commit)

    def _translated(
        self, line: Line, signal: str | None, surroundings: Surroundings
    ) -> tuple[Translation, list[Refusal]]:
        """Return the events of a line, and every refusal."""
        observed_at = surroundings.observed_at
        if signal == _LOGS:
            logs = decode_logs(line.data, "json")
            told = self._translator.logs(logs.records, observed_at=observed_at)
            return told, [*logs.rejected, *told.refused]
        traces = decode_traces(line.data, "json")
        told = self._translator.spans(traces.records, observed_at=observed_at)
        return told, [*traces.rejected, *told.refused]

    def _notice(self, refusal: Refusal) -> str:
        reason = self._reasons.setdefault(refusal.error_class, refusal.reason)
        return f"spans or log records that were refused: {refusal.error_class}: {reason}"


def _signal(line: Line) -> str | None:
    """Return the name of the list that a request has, `None` where it has none that is known.

    Raises:
        RejectedRecord: the line is no JSON.
    """
    first = _FIRST_MEMBER.match(line.data)
    names = {_plain(first[1].decode())} if first else set()
    if not names & _SIGNALS:  # it is not the first member, or there is none
        value, _ = read_json(line)
        names = {_plain(name) for name in value} if isinstance(value, dict) else set()
    return min(names & _SIGNALS, default=None)


def _plain(name: str) -> str:
    """Return a member's name in lowerCamelCase; some senders write it with an underscore."""
    before, underscore, after = name.partition("_")
    return before + after.capitalize() if underscore else name
