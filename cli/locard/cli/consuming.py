"""`locard consume`: from the event log into the lake."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import click

from locard.cli.assembly import consumer
from locard.cli.health import health, health_options
from locard.cli.settings import Settings


@click.command()
@click.option("--once", is_flag=True, help="Work off what is in the log now, then end.")
@health_options
@click.pass_obj
def consume(settings: Settings, once: bool, health_port: int | None, health_host: str) -> int:
    """Take events from the log, redact them and publish them to the lake."""
    from locard.ingest.garbage import collect_garbage_less_often
    from locard.ingest.observability import ConsumerMetrics

    collect_garbage_less_often()
    if once:
        work_off(settings, progress_line())
        return 0
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with (
        consumer(settings) as worker,
        health(ConsumerMetrics(worker.counts), health_host, health_port) as heartbeat,
    ):

        def should_stop() -> bool:
            heartbeat.beat()
            return stopping

        click.echo(f"consuming into {settings.lake_place}", err=True)
        worker.run(should_stop)
    return 0


def work_off(settings: Settings, progress: Callable[[str], None]) -> None:
    """Bring what is in the log now into the lake, and say what became of it.

    Args:
        progress: shown what is being done; see `progress_line`.
    """
    progress("redacting and publishing")
    with consumer(settings) as worker:
        worker.run_once(lambda: progress(f"redacted and published {worker.counts.published:,}"))
    progress("")
    counts = worker.counts
    put_away = sum(counts.quarantined.values())
    click.echo(
        f"lake {settings.lake_place}: {counts.published} events added, {put_away} quarantined"
    )
    for error_class, count in sorted(counts.quarantined.items()):
        click.echo(f"  quarantined: {error_class} {count}")


def progress_line() -> Callable[[str], None]:
    """Return a function that shows one changing line where a person watches, else nothing."""

    def show(text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2K{text}", err=True, nl=False)

    return show
