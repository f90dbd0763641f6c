"""What recording costs the agent's own thread, against an OpenTelemetry span with the same content.

    script/bench recorder [--quick]

An agent's thread records events of 1 kB in bursts, some thousand a second, while the log answers at
once, answers slowly, or is away. The same is done with a span that carries the same attributes, a
`BatchSpanProcessor` and the OTLP/HTTP exporter. Each runs in a process of its own, in turns, and
the log is a server in another.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, Final

from bench.reporting import Report

_BURST: Final = 20
_PAUSE_SECONDS: Final = 0.01
_SLOW_SECONDS: Final = 0.3
_TEXT: Final = "the invoice of last month was paid to the account that the mail names " * 12
_CALL: Final = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "read_mail",
    "gen_ai.conversation.id": "session-1",
    "gen_ai.agent.name": "payer",
}

Record = Callable[[int], None]


class _Log(BaseHTTPRequestHandler):
    """Takes everything, after a while."""

    protocol_version = "HTTP/1.1"
    seconds: ClassVar[float] = 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.seconds)
        is_ours = self.path == "/v1/events"
        answer = json.dumps({"accepted": 0, "rejected": []}).encode() if is_ours else b""
        self.send_response(200)
        self.send_header(
            "Content-Type", "application/json" if is_ours else "application/x-protobuf"
        )
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def handle_one_request(self) -> None:
        """Answer, and say nothing where the other side went away."""
        with suppress(ConnectionError):
            super().handle_one_request()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the interface's name
        """Print nothing."""


def _serve(seconds: float, told: Connection) -> None:
    _Log.seconds = seconds
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Log)
    told.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def _log(case: str) -> Iterator[str]:
    """The address of a log that is up, slow or down."""
    if case == "down":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        return
    ours, theirs = multiprocessing.Pipe()
    seconds = _SLOW_SECONDS if case == "slow" else 0.0
    server = multiprocessing.Process(target=_serve, args=(seconds, theirs), daemon=True)
    server.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    server.kill()
    server.join()


@contextmanager
def _locard(endpoint: str, scratch: Path) -> Iterator[tuple[Record, Callable[[], int]]]:
    from locard.ingest.recorder import Recorder, RecorderSettings

    settings = RecorderSettings(
        endpoint=endpoint, spool=scratch, collector_id="bench", agent_name="payer"
    )
    recorder = Recorder(settings)
    session = recorder.session("session-1")
    yield (
        lambda number: _ignore(
            session.tool_result(_TEXT, call_id=f"call-{number}", name="read_mail")
        ),
        lambda: recorder.dropped,
    )
    recorder.close()


@contextmanager
def _opentelemetry(endpoint: str, _: Path) -> Iterator[tuple[Record, Callable[[], int]]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("bench")

    def record(number: int) -> None:
        attributes = {
            **_CALL,
            "gen_ai.tool.call.id": f"call-{number}",
            "gen_ai.tool.call.result": _TEXT,
        }
        tracer.start_span("execute_tool read_mail", attributes=attributes).end()

    yield record, lambda: 0  # its processor does not tell what it dropped; see `_report`


def _ignore(_: object) -> None:
    return None


_RECORDERS: Final = {"Locard": _locard, "OpenTelemetry": _opentelemetry}


def _measure(name: str, endpoint: str, calls: int, told: Connection) -> None:
    """Send the seconds that each call took, and how many events were dropped."""
    logging.disable(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="locard-bench-") as scratch,
        _RECORDERS[name](endpoint, Path(scratch)) as (record, dropped),
    ):
        for number in range(200):
            record(number)
        times = []
        for start in range(0, calls, _BURST):
            for number in range(start, start + _BURST):
                began = time.perf_counter_ns()
                record(number)
                times.append(time.perf_counter_ns() - began)
            time.sleep(_PAUSE_SECONDS)
        told.send((times, dropped()))
        told.close()
        if name != "Locard":
            os._exit(0)  # its shutdown would wait for the exporter to give up


def _figures(name: str, endpoint: str, calls: int) -> tuple[list[int], int]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_measure, args=(name, endpoint, calls, theirs))
    process.start()
    found: tuple[list[int], int] = ours.recv()
    process.join()
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    quick = parser.parse_args().quick
    multiprocessing.set_start_method("spawn")
    report = Report("recorder")
    calls, rounds = (4_000, 1) if quick else (10_000, 3)
    for case in ("up", "slow", "down"):
        times: dict[str, list[int]] = {name: [] for name in _RECORDERS}
        drops = 0
        for _ in range(rounds):
            for name in _RECORDERS:
                with _log(case) as endpoint:
                    found, dropped = _figures(name, endpoint, calls)
                times[name] += found
                drops += dropped if name == "Locard" else 0
        _report(report, case, times, drops)


def _report(report: Report, case: str, times: dict[str, list[int]], drops: int) -> None:
    medians = {name: statistics.median(found) / 1000 for name, found in times.items()}
    tails = {name: sorted(found)[-len(found) // 1000] / 1000 for name, found in times.items()}
    report.figure(case, "median", medians["Locard"], "us", "<=20")
    report.figure(case, "p99.9", tails["Locard"], "us", "<=1000" if case == "down" else None)
    report.figure(case, "OpenTelemetry median", medians["OpenTelemetry"], "us")
    report.figure(case, "OpenTelemetry p99.9", tails["OpenTelemetry"], "us")
    ratio = medians["OpenTelemetry"] / medians["Locard"]
    report.figure(case, "median under OpenTelemetry's", ratio, "x", ">=1")
    ratio = tails["OpenTelemetry"] / tails["Locard"]
    report.figure(case, "p99.9 under OpenTelemetry's", ratio, "x", ">=1")
    report.figure(case, "dropped by Locard", drops, "events", "<=0")


if __name__ == "__main__":
    main()
