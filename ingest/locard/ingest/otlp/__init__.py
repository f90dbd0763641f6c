"""OTLP: traces and logs of OpenTelemetry as events.

    >>> decoded = decode_traces(body, "protobuf")
    >>> translation = translator.spans(decoded.records, observed_at=utc_now())
    >>> ...                        # append translation.events to the event log
    >>> translation.commit()

Every record of a request is accepted or refused with a reason, and each that is accepted becomes at
least one event.
"""

from __future__ import annotations

from locard.ingest.otlp import json_form, protobuf_form
from locard.ingest.otlp.records import (
    Decoded,
    Form,
    Link,
    LogRecord,
    Refusal,
    Resource,
    Scope,
    Span,
    SpanEvent,
)
from locard.ingest.otlp.translator import Translation, Translator

__all__ = [
    "Decoded",
    "Form",
    "Link",
    "LogRecord",
    "Refusal",
    "Resource",
    "Scope",
    "Span",
    "SpanEvent",
    "Translation",
    "Translator",
    "decode_logs",
    "decode_traces",
]


def decode_traces(body: bytes, form: Form) -> Decoded[Span]:
    """Return the spans of an `ExportTraceServiceRequest`.

    A span whose ids are not 16 and 8 bytes, or all zero, is refused, and so is what is no span.

    Raises:
        RejectedRecord: the body as a whole is no such request.
    """
    if form == "json":
        return json_form.decode(body, json_form.TRACES)
    return protobuf_form.decode(body, protobuf_form.TRACES)


def decode_logs(body: bytes, form: Form) -> Decoded[LogRecord]:
    """Return the log records of an `ExportLogsServiceRequest`.

    A record may lack ids; one with ids of the wrong length is refused, and so is what is no log
    record.

    Raises:
        RejectedRecord: the body as a whole is no such request.
    """
    if form == "json":
        return json_form.decode(body, json_form.LOGS)
    return protobuf_form.decode(body, protobuf_form.LOGS)
