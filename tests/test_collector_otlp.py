"""OTLP over HTTP: exporters are answered as the protocol has it, and spans and logs are durable."""

from __future__ import annotations

import gzip
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collecting import BrokenWriter, stored
from eventlogs import LogUnderTest
from locard.ingest.collector import CollectorLimits, Rate, collector_app
from locard.ingest.identities import IdentityRegistry, Issued
from locard.ingest.intake import IntakeLimits
from locard.ingest.otlp import Translator
from locard.schema import RetryableError
from servers import TOKEN, serving

PROTOBUF, JSON = "application/x-protobuf", "application/json"
CANARY = "CANARY-77ab"
START = 1_777_887_000_000_000_000
RESPONSES = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse}
ENDPOINTS = ["traces", "logs"]


@pytest.fixture
def log(tmp_path) -> LogUnderTest:
    """An empty embedded log."""
    return LogUnderTest(tmp_path)


@pytest.fixture
def payer(tmp_path) -> Iterator[Issued]:
    """An agent of the workflow `payments`."""
    with closing(IdentityRegistry(tmp_path / "identities.sqlite")) as identities:
        yield identities.create("payments", "payer")


@pytest.fixture
def client(log, tmp_path) -> Iterator[httpx.Client]:
    """A client of a collector on the log."""
    with collecting(log, tmp_path) as client:
        yield client


@contextmanager
def collecting(log, home, limits: CollectorLimits | None = None) -> Iterator[httpx.Client]:
    """Serve a collector on the log."""
    with (
        closing(IdentityRegistry(home / "identities.sqlite")) as identities,
        log.writer() as writer,
    ):
        app = collector_app(
            writer, TOKEN, identities=identities, limits=limits or CollectorLimits()
        )
        with serving(app) as client:
            yield client


def attributes(**values: str) -> list[KeyValue]:
    """Return attributes, with `__` for the dots of their names."""
    return [
        KeyValue(key=name.replace("__", "."), value=AnyValue(string_value=value))
        for name, value in values.items()
    ]


def tool_spans(*agents: str | None, **resource: str) -> ExportTraceServiceRequest:
    """Return one tool span for each agent, `None` for a span that names none."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    spans.resource.attributes.extend(attributes(**resource))
    scope = spans.scope_spans.add()
    for number, agent in enumerate(agents, 1):
        named = {} if agent is None else {"gen_ai__agent__id": agent}
        scope.spans.add(
            trace_id=b"t" * 16,
            span_id=number.to_bytes(8, "big"),
            name="execute_tool send_money",
            start_time_unix_nano=START + number,
            end_time_unix_nano=START + number + 1000,
            attributes=attributes(
                gen_ai__operation__name="execute_tool",
                gen_ai__tool__name="send_money",
                gen_ai__tool__call__id=f"c{number}",
                gen_ai__conversation__id="s1",
                **named,
            ),
        )
    return request


def decision_logs(count: int, **resource: str) -> ExportLogsServiceRequest:
    """Return log records in which a person allowed a tool."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    logs.resource.attributes.extend(attributes(**resource))
    scope = logs.scope_logs.add()
    for number in range(count):
        scope.log_records.add(
            time_unix_nano=START + number,
            event_name="claude_code.tool_decision",
            attributes=attributes(
                tool_name="send_money", decision="accept", source="user", session__id="s1"
            ),
        )
    return request


def requests(endpoint: str, **resource: str) -> Message:
    """Return a request of two records."""
    if endpoint == "traces":
        return tool_spans(None, None, **resource)
    return decision_logs(2, **resource)


def post(
    client: httpx.Client, endpoint: str, message: Message, form: str = PROTOBUF, **headers: str
) -> httpx.Response:
    """Send a request of an exporter."""
    is_json = form == JSON
    body = _as_otlp_json(message) if is_json else message.SerializeToString()
    return client.post(f"/v1/{endpoint}", content=body, headers={"Content-Type": form, **headers})


def _as_otlp_json(message: Message) -> bytes:
    """Return OTLP's JSON, which differs from protobuf's: ids are hexadecimal."""
    import base64

    def hexadecimal(value):
        if isinstance(value, list):
            return [hexadecimal(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: base64.b64decode(item).hex()
            if name in ("traceId", "spanId", "parentSpanId")
            else hexadecimal(item)
            for name, item in value.items()
        }

    return json.dumps(hexadecimal(json.loads(MessageToJson(message)))).encode()


def answered(response: httpx.Response, endpoint: str) -> tuple[int, str]:
    """Return how many records a 200 says were rejected, and why."""
    assert response.status_code == 200, response.content
    name = {"traces": "rejected_spans", "logs": "rejected_log_records"}[endpoint]
    if response.headers["Content-Type"] == PROTOBUF:
        message = RESPONSES[endpoint].FromString(response.content)
        partial = message.partial_success
        assert message.HasField("partial_success") == bool(partial.error_message)
        return getattr(partial, name), partial.error_message
    assert response.headers["Content-Type"] == JSON
    partial = response.json().get("partialSuccess", {})
    camel = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}[endpoint]
    return int(partial.get(camel, 0)), partial.get("errorMessage", "")


def status(response: httpx.Response) -> tuple[int, str]:
    """Return code and message of an error, which is a `google.rpc.Status` in the request's form."""
    form = response.request.headers.get("Content-Type")
    assert response.headers["Content-Type"] == (PROTOBUF if form == PROTOBUF else JSON)
    if form == PROTOBUF:
        found = Status.FromString(response.content)
        return found.code, found.message
    answer = response.json()
    assert answer.keys() == {"code", "message"}
    return answer["code"], answer["message"]


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("form", [PROTOBUF, JSON])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_is_exported_is_durable_under_its_sender(
    client, log, payer, endpoint, form, is_compressed
):
    """Records sent as protobuf or JSON are in the log with the identity of their sender."""
    message = requests(endpoint)
    body = _as_otlp_json(message) if form == JSON else message.SerializeToString()
    headers = {"Content-Type": form, "Authorization": f"Bearer {payer.token}"}
    if is_compressed:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    response = client.post(f"/v1/{endpoint}", content=body, headers=headers)
    assert answered(response, endpoint) == (0, "")
    assert response.content in (b"", b"{}")
    found = stored(log)
    kind = {"traces": "tool_call", "logs": "decision"}[endpoint]
    assert [event.kind for event in found].count(kind) == 2
    for event in found:
        assert event.lane == {"traces": "otlp_trace", "logs": "otlp_log"}[endpoint]
        assert (event.principal, event.principal_verified) == (payer.identity.identity, True)
        assert (event.workflow_id, event.agent_id) == ("payments", "payer")
    metrics = client.get("/metrics").text
    lane = found[0].lane
    assert f'events_accepted_total{{lane="{lane}"}} {len(found)}.0' in metrics
    assert f'requests_total{{lane="{lane}",status="200"}} 1.0' in metrics


@pytest.mark.parametrize("form", [PROTOBUF, JSON])
def test_refused_records_are_counted_to_the_exporter(client, log, form):
    """Spans with ids of the wrong length are told by number and reason; the others are stored."""
    message = tool_spans(None, None, None)
    spans = message.resource_spans[0].scope_spans[0].spans
    spans[0].trace_id = b"short"
    spans[2].span_id = b""
    count, told = answered(post(client, "traces", message, form), "traces")
    assert count == 2
    assert "2 " in told
    assert [event.call_id for event in stored(log, "tool_call")] == ["c2"]
    rejected = [
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("locard_collector_events_rejected_total{")
    ]
    assert [line.split("lane=")[1] for line in rejected] == ['"otlp_trace"} 2.0']


@pytest.mark.parametrize("form", [PROTOBUF, JSON])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_records_of_another_workflow_are_refused_and_leave_a_record(
    client, log, payer, caplog, endpoint, form
):
    """A resource that names another workflow costs its records, and the log says who sent them."""
    headers = {"Authorization": f"Bearer {payer.token}"}
    message = requests(endpoint, locard__workflow_id=CANARY)
    message.MergeFrom(requests(endpoint, locard__workflow_id="payments"))
    response = post(client, endpoint, message, form, **headers)
    count, told = answered(response, endpoint)
    assert (count, told.split(":")[0]) == (2, "2 other_workflow")
    (record,) = stored(log, "access")
    assert (record.body.action, record.body.row_count) == ("record_refused", 2)
    assert (record.principal, record.workflow_id) == (payer.identity.identity, "payments")
    assert record.extensions["claimed_workflow_id"] == CANARY
    assert len(stored(log)) > 1
    assert CANARY not in response.text + client.get("/metrics").text + caplog.text


def test_a_span_of_another_agent_is_refused(client, log, payer):
    """A token of one agent does not speak for another."""
    headers = {"Authorization": f"Bearer {payer.token}"}
    response = post(client, "traces", tool_spans("payer", "auditor", None), **headers)
    assert answered(response, "traces")[0] == 1
    assert [event.agent_id for event in stored(log, "tool_call")] == ["payer", "payer"]
    (record,) = stored(log, "access")
    assert record.extensions == {"claimed_agent_id": "auditor", "error_class": "other_agent"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_with_the_shared_token_a_resource_may_name_any_workflow(client, log, endpoint):
    """Records of several workflows in one request are each of their own, as unverified."""
    message = requests(endpoint, locard__workflow_id="a")
    message.MergeFrom(requests(endpoint, locard__workflow_id="b"))
    message.MergeFrom(requests(endpoint))
    assert answered(post(client, endpoint, message), endpoint) == (0, "")
    found = stored(log)
    assert {event.workflow_id for event in found} == {"a", "b", None}
    assert {(e.principal, e.principal_verified) for e in found} == {("shared-token", False)}


@pytest.mark.parametrize("form", [PROTOBUF, JSON])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "body", [b"\xff\xff", b"{", b"[]", b'{"resourceSpans": 7, "resourceLogs": 7}', b"[" * 100_000]
)
def test_what_cannot_be_decoded_is_a_status_of_its_own(client, log, endpoint, form, body):
    """A body that is no request at all is a 400 with INVALID_ARGUMENT, in the request's form."""
    response = client.post(f"/v1/{endpoint}", content=body, headers={"Content-Type": form})
    assert response.status_code == 400
    code, told = status(response)
    assert code == 3
    assert told
    assert "\n" not in told
    assert stored(log) == []


def test_logs_that_are_sent_to_traces_are_not_lost_in_silence(client, log):
    """A request for the other endpoint is refused, whole or by count, or kept: never a bare 200."""
    response = post(client, "traces", decision_logs(2))
    if response.status_code == 200:
        assert answered(response, "traces")[0] or stored(log)
    else:
        assert response.status_code == 400


TABLE = [
    (401, 16, {"Authorization": "Bearer wrong"}, {}, None),
    (415, 3, {"Content-Encoding": "br"}, {}, None),
    (413, 8, {}, {"intake": IntakeLimits(body_bytes=10)}, None),
    (413, 8, {}, {"intake": IntakeLimits(events=1)}, None),
    (400, 3, {"Content-Encoding": "gzip"}, {}, None),
    (429, 8, {}, {"rate": Rate(1, 0)}, None),
    (503, 14, {}, {"requests": 0, "seconds": 0.2}, None),
    (503, 14, {}, {}, RetryableError("the log is away; wait for it")),
    (500, 13, {}, {}, RuntimeError(CANARY)),
]


@pytest.mark.parametrize("form", [PROTOBUF, JSON])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(("expected", "code", "headers", "limits", "error"), TABLE)
def test_every_error_is_a_status(log, endpoint, form, expected, code, headers, limits, error):
    """Every refusal has its HTTP status, its code, and where it can pass, when to come again."""
    with log.writer() as whole:
        writer = BrokenWriter(error) if error else whole
        with serving(collector_app(writer, TOKEN, limits=CollectorLimits(**limits))) as client:
            if expected == 429:  # the first one runs into debt
                for _ in range(20):
                    post(client, endpoint, requests(endpoint), form)
            response = post(client, endpoint, requests(endpoint), form, **headers)
    assert response.status_code == expected
    assert status(response)[0] == code
    assert status(response)[1]
    if expected in (429, 503):
        assert int(response.headers["Retry-After"]) >= 1
    assert CANARY not in response.text


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_body_that_comes_too_slowly_may_be_sent_again(log, tmp_path, endpoint):
    """It is a 503, which exporters answer by sending again, and not a 408, which they do not."""
    with (
        collecting(log, tmp_path, CollectorLimits(seconds=0.2)) as client,
        socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as slow,
    ):
        slow.sendall(
            b"POST /v1/%s HTTP/1.1\r\nHost: locard\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-protobuf\r\nAuthorization: Bearer %s\r\n\r\n\x0a"
            % (endpoint.encode(), TOKEN.encode())
        )
        answer = slow.recv(1000)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer.lower()


def test_what_the_log_did_not_take_is_not_referred_to(log):
    """A conversation that was told while the log was away is told whole when it is back."""
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "pay " * 200}]}])
    for number in (1, 2):
        spans.add(
            trace_id=b"t" * 16,
            span_id=number.to_bytes(8, "big"),
            start_time_unix_nano=START + number,
            end_time_unix_nano=START + number,
            attributes=attributes(
                gen_ai__operation__name="chat",
                gen_ai__conversation__id="s1",
                gen_ai__input__messages=said,
            ),
        )
    first, second = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    first.CopyFrom(message)
    second.CopyFrom(message)
    del first.resource_spans[0].scope_spans[0].spans[1]
    del second.resource_spans[0].scope_spans[0].spans[0]

    class AwayAtFirst(BrokenWriter):
        def append(self, records):
            if self.error:
                error, self.error = self.error, None
                raise error
            writer.append(records)

    with log.writer() as writer:
        away = AwayAtFirst(RetryableError("the log is away; wait for it"))
        with serving(collector_app(away, TOKEN)) as client:
            assert post(client, "traces", first).status_code == 503
            assert post(client, "traces", second).status_code == 200
            assert post(client, "traces", first).status_code == 200
    prompts = stored(log, "prompt")
    assert len(prompts) == 2
    assert prompts[0].body.history is None
    assert prompts[0].body.messages[0].parts[0].content == "pay " * 200
    assert prompts[1].body.history.through == prompts[0].event_id


def test_an_error_that_nobody_foresaw_costs_one_record(client, log, monkeypatch, caplog):
    """Where the translation of a record fails by a fault of ours, its neighbours are stored."""
    translate = Translator.spans

    def failing(translator, spans, **options):
        if any(span.attributes["gen_ai.tool.call.id"] in ("c2", "c5") for span in spans):
            raise KeyError(CANARY)
        return translate(translator, spans, **options)

    monkeypatch.setattr(Translator, "spans", failing)
    response = post(client, "traces", tool_spans(*[None] * 7))
    count, told = answered(response, "traces")
    assert (count, told.split(":")[0]) == (2, "2 internal_error")
    found = [event.call_id for event in stored(log, "tool_call")]
    assert found == ["c1", "c3", "c4", "c6", "c7"]
    assert [r.message for r in caplog.records if r.name.startswith("locard")] == [
        "a record was not translated: KeyError; report it"
    ] * 2
    assert CANARY not in told + caplog.text


def test_the_sdk_exports_here(client, log, payer):
    """OpenTelemetry's own exporter takes the answer for a success."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    results = []
    exporter = OTLPSpanExporter(
        f"{client.base_url}/v1/traces", headers={"Authorization": f"Bearer {payer.token}"}
    )
    export = exporter.export
    exporter.export = lambda spans: results.append(export(spans)) or results[-1]
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("execute_tool send_money") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", "send_money")
    provider.shutdown()
    assert [result.name for result in results] == ["SUCCESS"]
    assert stored(log, "tool_call")[0].principal == payer.identity.identity


def test_nothing_of_a_record_is_told(client, caplog):
    """Text of records that were refused is in no answer, log line or metric."""
    caplog.set_level(logging.DEBUG)
    for module in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, module)
    message = tool_spans(CANARY, locard__workflow_id=CANARY, service__name=CANARY)
    message.resource_spans[0].scope_spans[0].spans[0].trace_id = b"x"
    bodies = [message.SerializeToString(), _as_otlp_json(message), CANARY.encode() * 3]
    told = []
    for body in bodies:
        for endpoint in ENDPOINTS:
            for form in (PROTOBUF, JSON):
                headers = {"Content-Type": form}
                told.append(client.post(f"/v1/{endpoint}", content=body, headers=headers).text)
    told += [client.get("/metrics").text, caplog.text]
    assert CANARY not in "".join(told)
