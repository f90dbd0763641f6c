"""Short ways to write OTLP requests, in both forms, and to translate them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from locard.ingest.otlp import Form, Translation, Translator, decode_logs, decode_traces

OBSERVED = datetime(2026, 5, 5, tzinfo=UTC)
START = 1_777_887_120_000_000_000
SECOND = 1_000_000_000
TRACE = "5b8efff798038103d269b633813fc60c"
RESOURCE = {"service.name": "payer"}
_IDS = ("traceId", "spanId", "parentSpanId")


def any_value(value: Any) -> AnyValue:
    """Return a value as OTLP has it."""
    found = AnyValue()
    match value:
        case None:
            pass
        case bool():
            found.bool_value = value
        case int():
            found.int_value = value
        case float():
            found.double_value = value
        case str():
            found.string_value = value
        case bytes():
            found.bytes_value = value
        case Mapping():
            found.kvlist_value.SetInParent()
            put(found.kvlist_value.values, value)
        case _:
            found.array_value.SetInParent()
            found.array_value.values.extend(any_value(item) for item in value)
    return found


def put(pairs: Any, attributes: Mapping[str, Any]) -> None:
    """Add attributes to a list of pairs."""
    for key, value in attributes.items():
        pair = pairs.add()
        pair.key = key
        pair.value.CopyFrom(any_value(value))


def span(
    attributes: Mapping[str, Any],
    *,
    number: int = 1,
    name: str = "a span",
    kind: int = 3,
    trace: str = TRACE,
    parent: int | None = None,
    start: int | None = None,
    seconds: int = 1,
    events: Sequence[tuple[str, Mapping[str, Any]]] = (),
    failed: str | None = None,
    **fields: Any,
) -> Span:
    """Return a span; `number` is its id, and when it began unless `start` says so."""
    begin = START + number * SECOND if start is None else start
    found = Span(
        trace_id=bytes.fromhex(trace),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        kind=kind,
        start_time_unix_nano=begin,
        end_time_unix_nano=begin + seconds * SECOND,
        **fields,
    )
    put(found.attributes, attributes)
    for event_name, told in events:
        event = found.events.add(name=event_name, time_unix_nano=begin)
        put(event.attributes, told)
    if failed is not None:
        found.status.code = 2
        found.status.message = failed
    return found


def log(
    attributes: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    body: Any = None,
    number: int = 1,
    trace: str | None = None,
    span_number: int | None = None,
    **fields: Any,
) -> LogRecord:
    """Return a log record; `number` says when."""
    found = LogRecord(
        time_unix_nano=START + number * SECOND,
        event_name=name,
        trace_id=bytes.fromhex(trace) if trace else b"",
        span_id=span_number.to_bytes(8, "big") if span_number else b"",
        **fields,
    )
    if body is not None:
        found.body.CopyFrom(any_value(body))
    put(found.attributes, attributes or {})
    return found


def traces(
    *spans: Span, resource: Mapping[str, Any] = RESOURCE, scope: str = "tests"
) -> ExportTraceServiceRequest:
    """Return a request with these spans."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, resource)
    scoped = group.scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(spans)
    return request


def logs(
    *records: LogRecord, resource: Mapping[str, Any] = RESOURCE, scope: str = "tests"
) -> ExportLogsServiceRequest:
    """Return a request with these log records."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    put(group.resource.attributes, resource)
    scoped = group.scope_logs.add()
    scoped.scope.name = scope
    scoped.log_records.extend(records)
    return request


def as_json(request: Any) -> bytes:
    """Return a request as OTLP/JSON: hexadecimal ids, 64-bit integers as text."""
    return json.dumps(_with_hex(MessageToDict(request, use_integers_for_enums=True))).encode()


def body(request: Any, form: Form = "protobuf") -> bytes:
    """Return a request in one of its forms."""
    return request.SerializeToString() if form == "protobuf" else as_json(request)


def translated(
    *records: Span | LogRecord, translator: Translator | None = None, **options: Any
) -> Translation:
    """Decode and translate spans or log records, none of which may be refused, and commit."""
    translator = translator or Translator()
    workflow = options.pop("workflow_id", None)
    form = options.pop("form", "protobuf")
    told = {
        "observed_at": options.pop("observed_at", OBSERVED),
        "workflow_id": workflow,
        "sender": options.pop("sender", ""),
    }
    if all(isinstance(record, Span) for record in records):
        decoded = decode_traces(body(traces(*records, **options), form), form)
        translation = translator.spans(decoded.records, **told)
    else:
        found = decode_logs(body(logs(*records, **options), form), form)
        decoded = found
        translation = translator.logs(found.records, **told)
    assert not decoded.rejected
    assert not translation.refused
    translation.commit()
    return translation


def of_kind(translation: Translation, *kinds: str) -> list[Any]:
    """Return the events of these kinds, in order."""
    return [event for event in translation.events if event.kind in kinds]


def only(translation: Translation, kind: str) -> Any:
    """Return the one event of this kind."""
    (event,) = of_kind(translation, kind)
    return event


def texts(event: Any) -> list[tuple[str, str]]:
    """Return role and text of each message of an event."""
    return [
        (message.role, "".join(getattr(part, "content", "") for part in message.parts))
        for message in event.body.messages
    ]


def chat(
    given: Sequence[Mapping[str, Any]] | None = None,
    answered: Sequence[Mapping[str, Any]] | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """Return the attributes of a call of a model; more of them by name, `__` for a dot."""
    found: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    if given is not None:
        found["gen_ai.input.messages"] = json.dumps(given)
    if answered is not None:
        found["gen_ai.output.messages"] = json.dumps(answered)
    return found | {name.replace("__", "."): value for name, value in attributes.items()}


def said(role: str, text: str, **fields: Any) -> dict[str, Any]:
    """Return a message of one text in OpenTelemetry's form."""
    return {"role": role, "parts": [{"type": "text", "content": text}], **fields}


def calls(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    """Return a message in which a model calls a tool."""
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
    return {"role": "assistant", "parts": [part], "finish_reason": "tool_call"}


def tells(call_id: str, response: Any) -> dict[str, Any]:
    """Return a message that shows a model what a tool gave back."""
    return {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": call_id, "response": response}],
    }


def _with_hex(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in _IDS else _with_hex(item)
        for key, item in value.items()
    }
