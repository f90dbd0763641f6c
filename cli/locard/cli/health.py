"""Health and metrics of a service that is no web application, on a port of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from locard.ingest.observability import Heartbeat

Command = TypeVar("Command", bound=Callable[..., Any])


def health_options(command: Command) -> Command:
    """Add `--health-port` and `--health-host` to a command."""
    port = click.option(
        "--health-port",
        type=click.IntRange(0, 65535),
        help="Serve /healthz and /metrics on this port; without it they are not served.",
    )
    host = click.option(
        "--health-host",
        default="127.0.0.1",
        show_default=True,
        help="The address they are served on.",
    )
    return port(host(command))


@contextmanager
def health(metrics: Collector, host: str, port: int | None) -> Iterator[Heartbeat]:
    """Serve health and metrics, where a port is given, while the block runs.

    Yields:
        What the service has to beat, so that it is taken for alive.
    """
    from prometheus_client import CollectorRegistry

    from locard.ingest.observability import Heartbeat, health_server

    heartbeat = Heartbeat()
    if port is None:
        yield heartbeat
        return
    registry = CollectorRegistry()
    registry.register(metrics)
    with health_server(host, port, registry, heartbeat.is_alive) as listening:
        click.echo(f"health and metrics on {host}:{listening}", err=True)
        yield heartbeat
