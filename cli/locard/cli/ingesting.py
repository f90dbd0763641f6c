"""`locard import` and `locard consume`: events into the log, and from the log into the lake."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from locard.cli.assembly import consumer, log_writer
from locard.cli.settings import Settings
from locard.schema import LocardError, utc_now

MOST_REJECTS_SHOWN = 20


@click.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(["openai-messages"]))
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--no-consume", is_flag=True, help="Only append to the event log.")
@click.pass_obj
def import_(settings: Settings, format_name: str, files: tuple[Path, ...], no_consume: bool) -> int:
    """Import runs that somebody else recorded.

    What was imported before is passed over, so an import that was interrupted is simply started
    again. With the embedded log the lake has the events when the command ends.
    """
    from locard.ingest.importers.files import ImportReport, Ledger, import_file

    rejects = 0
    with log_writer(settings) as writer:
        ledger = Ledger(settings.home / "imports.sqlite", writer.topic_id)
        progress = _progress()
        reports: list[ImportReport] = []
        for path in files:
            try:
                report = import_file(
                    path,
                    format_name,
                    writer,
                    ledger,
                    observed_at=utc_now(),
                    on_progress=lambda r: progress(f"{r.path.name}: {r.runs} runs, {r.events} events"),
                )
            except LocardError:
                progress("")
                raise
            reports.append(report)
        progress("")
        ledger.close()
    for report in reports:
        rejects += len(report.rejects)
        _tell(report)
    if not no_consume and not settings.kafka:
        _work_off(settings, progress)
    elif settings.kafka:
        click.echo("the events are in Kafka; `locard consume` brings them into the lake", err=True)
    return 1 if rejects else 0


@click.command()
@click.option("--once", is_flag=True, help="Work off what is in the log now, then end.")
@click.pass_obj
def consume(settings: Settings, once: bool) -> int:
    """Take events from the log, redact them and publish them to the lake."""
    if once:
        _work_off(settings, _progress())
        return 0
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with consumer(settings) as worker:
        click.echo(f"consuming into {settings.lake_path}", err=True)
        worker.run(lambda: stopping)
    return 0


def _work_off(settings: Settings, progress: Callable[[str], None]) -> None:
    progress("redacting and publishing")
    with consumer(settings) as worker:
        worker.run_once()
    progress("")
    counts = worker.counts
    put_away = sum(counts.quarantined.values())
    click.echo(f"lake {settings.lake_path}: {counts.published} events added, {put_away} quarantined")
    for error_class, count in sorted(counts.quarantined.items()):
        click.echo(f"  quarantined: {error_class} {count}")


def _tell(report: object) -> None:
    from locard.ingest.importers.files import ImportReport

    if not isinstance(report, ImportReport):
        raise TypeError("not an import report")
    known = f", {report.known_runs} runs known from before" if report.known_runs else ""
    click.echo(
        f"{report.path}: {report.runs} runs, {report.events} events, "
        f"{len(report.rejects)} rejects{known}"
    )
    for notice, count in sorted(report.notices.items()):
        click.echo(f"  note: {notice}: {count}", err=True)
    for reject in report.rejects[:MOST_REJECTS_SHOWN]:
        click.echo(f"  {report.path}:{reject.line}: {reject.error_class}: {reject.reason}", err=True)
    rest = len(report.rejects) - MOST_REJECTS_SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more rejects", err=True)


def _progress() -> Callable[[str], None]:
    """Return a function that shows one changing line where a person watches, else nothing."""

    def show(text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2K{text}", err=True, nl=False)

    return show


