"""How much one collector process takes in over HTTP, against a receiver that a user would write.

    script/bench collector [--quick]

OTLP protobuf requests of 200 spans, and NDJSON requests of 500 events, against the embedded log and
Kafka. Half of the spans are calls of a model, each with the conversation so far, half are tools.
The alternative is the smallest receiver that keeps anything: a FastAPI handler that parses the
request with the official classes and appends it to a file as JSON, with fsync.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.ingest import _broker
from bench.reporting import Report
from bench.workload import events as make_events
from locard.schema import event_json

_SPANS: Final = 200
_EVENTS: Final = 500
_TOKEN: Final = "a-token-for-the-benchmark"  # noqa: S105
_SENDERS: Final = 2
_TEXT: Final = "please check the invoice of last month and pay what is still open " * 4


def span_requests(count: int, seed: int = 7) -> list[bytes]:
    """Return that many requests of 200 spans: conversations of six turns, with a tool in each."""
    chance = random.Random(seed)  # noqa: S311 - a workload
    return [_span_request(chance) for _ in range(count)]


def _span_request(chance: random.Random) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _set(resource.resource, {"service.name": "payer", "service.version": "1.4.2"})
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    while len(scope.spans) < _SPANS:
        trace, session = chance.randbytes(16), f"session-{chance.getrandbits(48):x}"
        messages = [_message("system", _TEXT), _message("user", f"{_TEXT} {session}")]
        for turn in range(6):
            call = {"type": "tool_call", "id": f"call-{turn}", "name": "read_mail"}
            call["arguments"] = {"query": f"invoice {chance.getrandbits(20)}"}
            output = {"role": "assistant", "parts": [call], "finish_reason": "tool_call"}
            chat = _span(scope, chance, trace, f"chat some-model {turn}")
            _set(
                chat,
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.conversation.id": session,
                    "gen_ai.request.model": "some-model",
                    "gen_ai.response.model": "some-model-1",
                    "gen_ai.usage.input_tokens": 400 * turn,
                    "gen_ai.usage.output_tokens": 40,
                    "gen_ai.input.messages": json.dumps(messages),
                    "gen_ai.output.messages": json.dumps([output]),
                },
            )
            result = f"{_TEXT} {chance.getrandbits(30)}"
            tool = _span(scope, chance, trace, "execute_tool read_mail")
            _set(
                tool,
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.conversation.id": session,
                    "gen_ai.tool.name": "read_mail",
                    "gen_ai.tool.call.id": f"call-{turn}",
                    "gen_ai.tool.call.arguments": json.dumps(call["arguments"]),
                    "gen_ai.tool.call.result": json.dumps(result),
                },
            )
            shown = {"type": "tool_call_response", "id": f"call-{turn}", "response": result}
            messages += [
                {"role": "assistant", "parts": [call]},
                {"role": "tool", "parts": [shown]},
            ]
    del scope.spans[_SPANS:]
    data: bytes = request.SerializeToString()
    return data


def _span(scope: Any, chance: random.Random, trace: bytes, name: str) -> Any:
    span = scope.spans.add()
    span.trace_id, span.span_id, span.name = trace, chance.randbytes(8), name
    span.start_time_unix_nano = 1_770_000_000_000_000_000 + len(scope.spans) * 1_000_000
    span.end_time_unix_nano = span.start_time_unix_nano + 900_000
    return span


def _set(holder: Any, attributes: dict[str, str | int]) -> None:
    for key, value in attributes.items():
        attribute = holder.attributes.add()
        attribute.key = key
        if isinstance(value, int):
            attribute.value.int_value = value
        else:
            attribute.value.string_value = value


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def event_requests(count: int, seed: int = 7) -> list[bytes]:
    """Return that many requests of 500 events, one on each line."""
    events = make_events(count * _EVENTS, seed)
    lines = [event_json(event) for event in events]
    return [b"\n".join(lines[n : n + _EVENTS]) for n in range(0, len(lines), _EVENTS)]


RECEIVER: Final = """
import json, os, sys
import uvicorn
from fastapi import FastAPI, Request, Response
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

file = open(sys.argv[1], "ab")

async def receive(request: Request):
    body = await request.body()
    if request.url.path == "/v1/traces":
        kept = MessageToDict(ExportTraceServiceRequest.FromString(body))
    else:
        kept = [json.loads(line) for line in body.splitlines()]
    file.write(json.dumps(kept).encode() + b"\\n")
    file.flush()
    os.fsync(file.fileno())
    return Response(b"{}", media_type="application/json")

app = FastAPI()
app.add_route("/v1/traces", receive, methods=["POST"])
app.add_route("/v1/events", receive, methods=["POST"])
app.add_route("/readyz", lambda request: Response(b"{}"))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""


@contextmanager
def _running(arguments: Sequence[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """A server in a process of its own."""
    process = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment})
    give_up = time.monotonic() + 60
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError("the server did not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _seconds(port: int, path: str, media_type: str, bodies: Sequence[bytes]) -> float:
    """Send all requests over some connections, and return how long it took."""
    waiting = list(reversed(bodies))
    failures: list[str] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"Content-Type": media_type, "Authorization": f"Bearer {_TOKEN}"}
        while waiting and not failures:
            try:
                body = waiting.pop()
            except IndexError:
                return
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200 or not _has_all(answer):
                failures.append(f"{response.status} {answer[:200]!r}")

    threads = [threading.Thread(target=send) for _ in range(_SENDERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(failures[0])
    return time.perf_counter() - started


def _has_all(answer: bytes) -> bool:
    """Say whether nothing was refused: OTLP answers with nothing then, we with an empty list."""
    return answer in (b"", b"{}") or b'"rejected":[]' in answer


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    quick = parser.parse_args().quick
    count = 20 if quick else 100
    report = Report("collector")
    warm_spans, spans = span_requests(5, seed=1), span_requests(count)
    warm_events, events = event_requests(3, seed=1), event_requests(count // 3)
    with tempfile.TemporaryDirectory(prefix="locard-bench-") as scratch:
        home = Path(scratch)
        base = {"LOCARD_COLLECTOR_TOKEN": _TOKEN, "LOCARD_COLLECTOR_BYTES_PER_SECOND": "0"}
        base["LOCARD_COLLECTOR_EVENTS_PER_SECOND"] = "0"

        def measure(
            case: str, arguments: Sequence[str], environment: dict[str, str]
        ) -> list[float]:
            port = _free_port()
            told = [argument.replace("PORT", str(port)) for argument in arguments]
            rates = []
            with _running(told, base | environment, port):
                for path, media_type, warm, bodies, each, what in (
                    ("/v1/traces", "application/x-protobuf", warm_spans, spans, _SPANS, "spans"),
                    ("/v1/events", "application/x-ndjson", warm_events, events, _EVENTS, "events"),
                ):
                    _seconds(port, path, media_type, warm)
                    rate = len(bodies) * each / _seconds(port, path, media_type, bodies)
                    aim = ">=5000" if case != "receiver of one's own" else None
                    report.figure(case, f"{what} rate", rate, f"{what}/s", aim)
                    rates.append(rate)
            return rates

        collect = ["-m", "locard.cli", "collect", "--port", "PORT"]
        script = home / "receiver.py"
        script.write_text(RECEIVER)
        theirs = measure("receiver of one's own", [str(script), str(home / "kept"), "PORT"], {})
        ours = measure("embedded", collect, {"LOCARD_HOME": str(home / "embedded")})
        _compare(report, "embedded", ours, theirs)
        with _broker(home) as kafka:
            if kafka:
                environment = {"LOCARD_HOME": str(home / "kafka-home"), "LOCARD_KAFKA": kafka}
                _compare(report, "kafka", measure("kafka", collect, environment), theirs)


def _compare(report: Report, case: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    for what, our, their in zip(("spans", "events"), ours, theirs, strict=True):
        report.figure(case, f"{what}, over a receiver of one's own", our / their, "x")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
