"""`POST /v1/traces` and `/v1/logs`: OTLP over HTTP, as protobuf and as JSON.

What is answered is fixed by OTLP 1.x: a response message in the request's own form, whose
`partial_success` counts what was refused for good, and a `google.rpc.Status` for every error.
Exporters send again after 429, 502, 503 and 504 alone, so nothing that may succeed later is
answered with anything else.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Literal, TypeVar

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from locard.ingest.elements import counting
from locard.ingest.intake import (
    INTERNAL_ERROR,
    Intake,
    IntakeLimits,
    RejectedEvent,
    too_many_events,
)
from locard.ingest.otlp import (
    Decoded,
    LogRecord,
    Refusal,
    Span,
    Translation,
    Translator,
    decode_logs,
    decode_traces,
)
from locard.ingest.otlp.contexts import agent_of
from locard.ingest.stamping import Sender, foreign_claim
from locard.schema import Lane, utc_now

log = logging.getLogger(__name__)

_Record = TypeVar("_Record", Span, LogRecord)

_WORKFLOW: Final = "locard.workflow_id"  # an attribute of a resource, a scope or a record
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_MOST_REASONS: Final = 5

# google.rpc.Code by HTTP status; 2 is UNKNOWN.
_CODES: Final = {400: 3, 401: 16, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14}


class _OtlpEndpoint:
    """What both have in common.

    Args:
        translator: makes events; shared by both.
    """

    media_types: Final = (_PROTOBUF, _JSON)
    too_slow: Final = 503

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    def _taken(
        self,
        decoded: Decoded[_Record],
        limits: IntakeLimits,
        sender: Sender,
        translate: Callable[..., Translation],
    ) -> Intake:
        """Return what becomes of decoded records."""
        if len(decoded.records) + len(decoded.rejected) > limits.events:
            raise too_many_events(limits)
        intake = Intake(rejected=list(decoded.rejected))
        now = utc_now()
        for workflow_id, records in _own_records(decoded.records, sender, intake).items():
            of_workflow = partial(
                translate, observed_at=now, workflow_id=workflow_id, sender=sender.principal
            )
            for told in _translations(of_workflow, records):
                intake.rejected.extend(told.refused)
                is_whole = True
                for index, made in enumerate(told.made):
                    is_whole &= intake.take(index, made.event, sender, made.data)
                if is_whole:  # else later events could refer to one that is not there
                    intake.when_durable.append(told.commit)
        return intake

    def refusal(
        self, status: int, told: str, headers: Mapping[str, str] | None, media_type: str
    ) -> Response:
        """Return a `google.rpc.Status`; see `Endpoint`."""
        code = _CODES.get(status, 2)
        if media_type == _PROTOBUF:
            return Response(_status(code, told), status, headers, media_type=_PROTOBUF)
        body = json.dumps({"code": code, "message": told})
        return Response(body, status, headers, media_type=_JSON)


class TracesEndpoint(_OtlpEndpoint):
    """`POST /v1/traces`."""

    path: Final = "/v1/traces"
    lane: Final[Lane] = "otlp_trace"

    def take(self, body: bytes, media_type: str, limits: IntakeLimits, sender: Sender) -> Intake:
        """Return the records of the spans' events; see `Endpoint`."""
        with counting():
            decoded = decode_traces(body, _form(media_type))
            return self._taken(decoded, limits, sender, self._translator.spans)

    def answer(self, intake: Intake, media_type: str) -> Response:
        """Tell how many spans were refused, if any."""
        response = ExportTraceServiceResponse()
        if intake.rejected:
            response.partial_success.rejected_spans = len(intake.rejected)
            response.partial_success.error_message = _reasons(intake.rejected)
        return _answer(response, media_type)


class LogsEndpoint(_OtlpEndpoint):
    """`POST /v1/logs`."""

    path: Final = "/v1/logs"
    lane: Final[Lane] = "otlp_log"

    def take(self, body: bytes, media_type: str, limits: IntakeLimits, sender: Sender) -> Intake:
        """Return the records of the log records' events; see `Endpoint`."""
        with counting():
            decoded = decode_logs(body, _form(media_type))
            return self._taken(decoded, limits, sender, self._translator.logs)

    def answer(self, intake: Intake, media_type: str) -> Response:
        """Tell how many log records were refused, if any."""
        response = ExportLogsServiceResponse()
        if intake.rejected:
            response.partial_success.rejected_log_records = len(intake.rejected)
            response.partial_success.error_message = _reasons(intake.rejected)
        return _answer(response, media_type)


def _form(media_type: str) -> Literal["protobuf", "json"]:
    return "protobuf" if media_type == _PROTOBUF else "json"


def _translations(
    translate: Callable[[Sequence[_Record]], Translation], records: Sequence[_Record]
) -> Iterator[Translation]:
    """Yield what becomes of records, in their order.

    An error that nobody foresaw costs the one record that causes it: it is looked for by halves.
    """
    try:
        told = translate(records)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not cost the neighbours
        if len(records) > 1:
            middle = len(records) // 2
            yield from _translations(translate, records[:middle])
            yield from _translations(translate, records[middle:])
            return
        log.error("a record was not translated: %s; report it", type(error).__name__)
        told = Translation(refused=[Refusal(0, INTERNAL_ERROR, "it could not be translated")])
    yield told


def _own_records(
    records: Sequence[_Record], sender: Sender, intake: Intake
) -> dict[str | None, list[_Record]]:
    """Return the records that their sender may send, by workflow; note the others as refused."""
    own: dict[str | None, list[_Record]] = {}
    for index, record in enumerate(records):
        workflow_id = _workflow_claim(record)
        if claim := foreign_claim(sender, workflow_id, agent_of(record.attributes).get("agent_id")):
            intake.refuse_claim(index, claim)
        else:
            own.setdefault(sender.workflow_id or workflow_id, []).append(record)
    return own


def _workflow_claim(record: Span | LogRecord) -> str | None:
    """Return the workflow that a record names, or its scope or resource for it."""
    for attributes in (record.attributes, record.scope.attributes, record.resource.attributes):
        named = attributes.get(_WORKFLOW)
        if named not in (None, ""):
            return named if isinstance(named, str) else json.dumps(named)
    return None


def _reasons(rejected: Sequence[RejectedEvent]) -> str:
    """Say why records were refused, each reason once with how many there were."""
    counts = Counter(refusal.error_class for refusal in rejected)
    reasons = {refusal.error_class: refusal.reason for refusal in reversed(rejected)}
    told = [f"{count} {name}: {reasons[name]}" for name, count in counts.most_common(_MOST_REASONS)]
    rest = len(counts) - len(told)
    return "; ".join(told) + (f"; and {rest} more reasons" if rest else "")


def _answer(response: Message, media_type: str) -> Response:
    if media_type == _PROTOBUF:
        return Response(response.SerializeToString(), media_type=_PROTOBUF)
    return Response(MessageToJson(response, indent=None), media_type=_JSON)


def _status(code: int, message: str) -> bytes:
    """Return a `google.rpc.Status` as protobuf: field 1 is the code, field 2 the message."""
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])
