"""The log records of one request, each read into the events that it gives."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader
from locard.ingest.otlp.classes import reader_of
from locard.ingest.otlp.contexts import (
    agent_of,
    origin_of,
    own_session,
    trace_session,
)
from locard.ingest.otlp.decisions import evaluation
from locard.ingest.otlp.happenings import event_messages, is_message
from locard.ingest.otlp.inference import add_output, add_prompt, model_fields
from locard.ingest.otlp.json_members import whole
from locard.ingest.otlp.making import moment
from locard.ingest.otlp.message_forms import Message
from locard.ingest.otlp.messages import Said
from locard.ingest.otlp.reading import Reading
from locard.ingest.otlp.records import LogRecord, Refusal
from locard.ingest.otlp.span_reading import Request, source_of, take_core
from locard.ingest.otlp.vendors import vendor_event
from locard.schema import CanonicalError, canonical_bytes, rfc3339

_VENDORS_OF_SCOPE: Final = {"com.anthropic.claude_code": "claude_code", "codex": "codex"}
_SEQUENCE: Final = "event.sequence"
_MOST_CONTINUED: Final = 200  # messages of one span; each record looks at all before it
_TOLD_IN_BODY: Final = (names.EVENT_DETAILS, names.EVENT_EVALUATION)


class LogReader:
    """Reads the log records of one request."""

    def __init__(self, records: Sequence[LogRecord], request: Request) -> None:
        self.refused: list[Refusal] = []
        self._records = records
        self._sessions = request.sessions
        self._transcripts = request.transcripts
        self._telling = request.telling
        self._observed_at = rfc3339(request.observed_at)
        self._workflow_id = request.workflow_id
        self._owner = request.owner
        self._seen: Counter[bytes] = Counter()
        self._spoken: dict[tuple[str, str], list[Message]] = {}
        self._prompts: dict[tuple[str, str], Any] = {}

    def readings(self) -> list[Reading]:
        """Return each record, read, in the order of their times."""
        named = {index: event_name(record) for index, record in enumerate(self._records)}
        self._batch_sessions = self._sessions_of_traces()
        order = sorted(named, key=lambda index: (*_order(self._records[index]), index))
        opened = [(index, self._open(self._records[index], named[index])) for index in order]
        for index, reading in opened:
            self._read(self._records[index], reading)
            if error := reading.close():
                self.refused.append(Refusal(index, error.error_class, str(error)))
        return [reading for _, reading in opened]

    def _read(self, record: LogRecord, reading: Reading) -> None:
        if is_message(reading.name):
            self._message(record, reading)
        else:
            if reading.name in _TOLD_IN_BODY and isinstance(record.body, dict):
                told = record.body | reading.reader.rest()
                reading.reader = Reader(told, reading.reader.nonconformant)
            elif record.body not in (None, "", reading.name):
                reading.facts["body"] = record.body
            self._reader(reading)(reading)

    def _reader(self, reading: Reading) -> Callable[[Reading], Any]:
        if reading.name == names.EVENT_EVALUATION:
            return evaluation
        if reading.name == names.EVENT_DETAILS:
            read, _ = reader_of(reading)
            return read
        if reading.name == names.EVENT_EXCEPTION:
            return partial(_lifecycle, change="exception")
        return vendor_event(reading.name) or partial(_lifecycle, change="log")

    def _message(self, record: LogRecord, reading: Reading) -> None:
        """Add one message of a call of a model; those of one span continue each other."""
        messages, used = event_messages(reading.name, record.body, record.attributes)
        for name in used:
            reading.reader.take(name)
        span = (record.trace_id or "", record.span_id or reading.id_parts[-1])
        model = model_fields(reading.reader)
        told = Said(messages, None) if messages else Said()
        if reading.name == names.EVENT_CHOICE:
            add_output(reading, told, model, self._prompts.get(span), is_captured=bool(messages))
            return
        spoken = self._spoken.setdefault(span, [])
        if len(spoken) >= _MOST_CONTINUED:
            spoken.clear()
        spoken.extend(messages)
        if messages:
            told = Said([*spoken], None)
        self._prompts[span] = add_prompt(reading, told, model)

    def _open(self, record: LogRecord, name: str) -> Reading:
        workflow = self._workflow_id or ""
        reader = Reader(record.attributes, record.replaced)
        if reader.look("event.name") == name:
            reader.take("event.name")
        session = self._session(record)
        time = moment(record.time) or moment(record.observed_time)
        is_observed = not record.time
        core: dict[str, Any] = {
            "observed_at": self._observed_at,
            "lane": "otlp_log",
            **({"session_id": session} if session is not None else {}),
            **({"trace_id": record.trace_id} if record.trace_id else {}),
            **({"span_id": record.span_id} if record.span_id else {}),
            **({"workflow_id": self._workflow_id} if self._workflow_id is not None else {}),
            **({"time_source": "observed"} if is_observed else {}),
            **origin_of(record.resource),
            **agent_of(record.attributes),
        }
        take_core(reader, core)
        digest = self._digest(record)
        conversation = f"{self._owner}\x00{session or f'record:{digest}'}"
        return Reading(
            name=name,
            kind="",
            reader=reader,
            core=core,
            id_parts=(workflow, record.trace_id or "", record.span_id or "", digest),
            started_at=time or self._observed_at,
            ended_at=time or self._observed_at,
            telling=self._telling,
            session=conversation,
            earlier=self._transcripts.of(conversation),
            facts=_facts(record, name),
            extensions={**source_of(record.resource, record.scope), **_loss(record)},
        )

    def _session(self, record: LogRecord) -> str | None:
        named = own_session(record.attributes) or own_session(record.resource.attributes)
        if record.trace_id is None:
            return named
        told = self._batch_sessions.get(record.trace_id) or named or trace_session(record.trace_id)
        bound = self._sessions.bind(self._owner, record.trace_id, told)
        return named or bound

    def _sessions_of_traces(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for record in sorted(self._records, key=_order):
            named = own_session(record.attributes)
            if named is not None and record.trace_id is not None:
                found.setdefault(record.trace_id, named)
        return found

    def _digest(self, record: LogRecord) -> str:
        """Return what names a record: its content, and which of several equal ones it is."""
        content = [
            str(record.time),
            str(record.observed_time),
            record.severity_number,
            record.severity_text,
            record.event_name,
            record.body,
            record.attributes,
            record.resource.attributes,
            record.scope.name,
            record.scope.version,
        ]
        try:
            data = canonical_bytes(content)
        except CanonicalError:
            data = repr(content).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(data).digest()
        self._seen[digest] += 1
        return f"{digest.hex()}.{self._seen[digest] - 1}"


def event_name(record: LogRecord) -> str:
    """Return what a record says it is: in its own field, an attribute or its body.

    A vendor's name without its prefix gets it from the scope or the body.
    """
    told = record.event_name or record.attributes.get("event.name")
    body = record.body if isinstance(record.body, str) else ""
    if not isinstance(told, str) or not told:
        return body if _is_name(body) else ""
    if "." not in told and body.endswith(f".{told}") and _is_name(body):
        return body
    if "." not in told:
        for scope, vendor in _VENDORS_OF_SCOPE.items():
            if record.scope.name.startswith(scope):
                return f"{vendor}.{told}"
    return told


def _is_name(body: str) -> bool:
    is_known = body.startswith(("gen_ai.", "claude_code.", "codex."))
    return is_known and len(body) < 100 and " " not in body


def _order(record: LogRecord) -> tuple[int, int]:
    sequence = whole(record.attributes.get(_SEQUENCE))
    return (record.time or record.observed_time, sequence or 0)


def _lifecycle(reading: Reading, change: str) -> None:
    reading.lifecycle(change)


def _facts(record: LogRecord, name: str) -> dict[str, Any]:
    facts = {
        "name": name,
        "severity": record.severity_text or record.severity_number,
        "flags": record.flags,
    }
    return {name: value for name, value in facts.items() if value}


def _loss(record: LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {"unread": [dict(item) for item in record.unread]}
    if record.dropped_attributes:
        found["dropped"] = {"attributes": record.dropped_attributes}
    return {name: value for name, value in found.items() if value}
