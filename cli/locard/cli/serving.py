"""`locard collect`, `locard serve` and `locard up`: the services, one by one or together."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from locard.cli.assembly import collector_log, kafka_settings, log_writer
from locard.cli.cases import cases_of
from locard.cli.identities import identity_registry, record_changes
from locard.cli.log_lines import LogFormat, of_the_server
from locard.cli.processes import SECONDS_TO_STOP, run_together
from locard.cli.readers import readers
from locard.cli.settings import Settings
from locard.cli.tokens import api_token, shared_token
from locard.schema import CannotContinue, RetryableError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from locard.ingest.eventlog import EventLogWriter
    from locard.query.api import Reading, Trail

COLLECT_PORT: Final = 4318
SERVE_PORT: Final = 8700
HEALTH_PORT: Final = 9464
_SECONDS_TO_BE_READY: Final = 2.0  # less than who asks for it waits

host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
)


def port_option(name: str, default: int) -> Callable[[Any], Any]:
    """Return the option for a port."""
    return click.option(
        name,
        type=click.IntRange(0, 65535),
        default=default,
        show_default=True,
        help="The port to listen on; 0 takes a free one.",
    )


@click.command()
@host_option
@port_option("--port", COLLECT_PORT)
@click.pass_obj
def collect(settings: Settings, host: str, port: int) -> int:
    """Take events over HTTP and append them to the event log."""
    end_on_signals()
    from locard.ingest.collector import DEFAULT_LIMITS, CollectorLimits, Rate, collector_app
    from locard.ingest.garbage import collect_garbage_less_often

    token, told = shared_token(settings)
    rate = Rate(settings.collector_bytes_per_second, settings.collector_events_per_second)
    appends = DEFAULT_LIMITS.requests if settings.kafka else 1
    with (
        listen(host, port) as listener,
        collector_log(settings) as writer,
        identity_registry(settings) as identities,
    ):
        record_changes(identities, writer)
        app = collector_app(
            writer,
            token,
            identities=identities,
            check_log=_kafka_check(settings, writer),
            limits=CollectorLimits(appends=appends, rate=rate),
        )
        collect_garbage_less_often()
        serve_app(app, listener, f"collecting on {_address(listener)}; {told}", settings.log_format)
    return 0


@click.command()
@host_option
@port_option("--port", SERVE_PORT)
@click.pass_obj
def serve(settings: Settings, host: str, port: int) -> int:
    """Answer questions about the lake over HTTP."""
    end_on_signals()
    from locard.query.api import query_app

    token, told = api_token(settings)
    with (
        listen(host, port) as listener,
        reading_trail(settings) as trail,
        readers(settings, token) as authority,
    ):
        app = query_app(settings.lake_place, authority, trail, cases=cases_of(settings))
        serve_app(app, listener, f"answering on {_address(listener)}; {told}", settings.log_format)
    return 0


@contextmanager
def reading_trail(settings: Settings) -> Iterator[Trail]:
    """Give what records reading through the API, on the configured log."""
    from locard.ingest.access import access_record

    if settings.access_trail == "off":
        yield lambda _: None
        return
    with collector_log(settings, "reading.sqlite") as writer:

        def note(reading: Reading) -> None:
            record = access_record(
                "read",
                reading.principal,
                row_count=reading.row_count,
                case_id=reading.case_id,
                purpose=reading.purpose,
                query=reading.query,
                told={},
            )
            writer.append([record])

        yield note


@click.command()
@host_option
@port_option("--collect-port", COLLECT_PORT)
@port_option("--serve-port", SERVE_PORT)
@port_option("--health-port", HEALTH_PORT)
@click.pass_context
def up(
    context: click.Context, host: str, collect_port: int, serve_port: int, health_port: int
) -> int:
    """Run all services together on the embedded log, until told to stop.

    They are collector, consumer, sealer, API and upkeep.

    The consumer's health and metrics are served on --health-port. When one of them ends by itself,
    the others are stopped.
    """
    end_on_signals()
    settings: Settings = context.obj
    if settings.kafka:
        raise CannotContinue(
            "`locard up` works on the embedded log and LOCARD_KAFKA names Kafka; unset it, or "
            "start `locard collect`, `consume` and `serve` by themselves"
        )
    with log_writer(settings):
        pass  # made once, before the services look for it
    options = ["--home", str(settings.home)]
    if context.find_root().params.get("debug"):
        options.append("--debug")
    run_together(
        {
            "collect": ["--host", host, "--port", str(collect_port)],
            "consume": ["--health-host", host, "--health-port", str(health_port)],
            "serve": ["--host", host, "--port", str(serve_port)],
            "seal": ["--every", str(settings.seal_seconds)],
            "lake": ["upkeep", "--every", str(settings.upkeep_minutes)],
        },
        options,
    )
    return 0


def _kafka_check(settings: Settings, writer: EventLogWriter) -> Callable[[], None] | None:
    """Return what finds out whether events can be stored; the embedded log needs no help."""
    if not settings.kafka:
        return None
    from locard.ingest.eventlog.kafka_cluster import ensure_topic

    kafka = replace(
        kafka_settings(settings, settings.kafka), seconds_to_answer=_SECONDS_TO_BE_READY
    )

    def check() -> None:
        writer.append([])  # raises where neither Kafka nor the spool takes any
        try:
            topic_id = ensure_topic(kafka)
        except RetryableError:
            return  # the spool takes them
        if writer.topic_id not in ("", topic_id):
            raise CannotContinue(
                f"topic {kafka.topic} was made again since the collector started; start it again"
            )

    return check


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        CannotContinue: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise CannotContinue(
            f"port {port} of {host} cannot be listened on: {error.strerror}; free it or choose "
            "another with --port"
        ) from error
    # Connections inherit it. asyncio sets it only on sockets that name their protocol; without it
    # an answer waits 40 ms for the other side's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_app(
    app: FastAPI, listener: socket.socket, announcement: str, log_format: LogFormat
) -> None:
    """Answer requests until told to stop, then finish those that are under way."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=of_the_server(log_format),
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_STOP - 10,
    )
    server = uvicorn.Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # The server takes the signals over, and hands them back to these handlers when it has ended.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    click.echo(announcement, err=True)
    host = listener.getsockname()[0]
    if not (host.startswith("127.") or host == "::1"):
        click.echo(
            f"{host} is reached from beyond this machine and there is no TLS here; let only a "
            "proxy that has it come this way",
            err=True,
        )
    server.run(sockets=[listener])


def end_on_signals() -> None:
    """Before there is anything to stop, a signal ends the process in good order."""

    def end(*_: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
