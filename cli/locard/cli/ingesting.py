"""`locard import`: runs that somebody else recorded, into the event log and on into the lake."""

from __future__ import annotations

from pathlib import Path

import click

from locard.cli.assembly import log_writer
from locard.cli.consuming import progress_line, work_off
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
        progress = progress_line()
        reports: list[ImportReport] = []
        for path in files:
            try:
                report = import_file(
                    path,
                    format_name,
                    writer,
                    ledger,
                    observed_at=utc_now(),
                    on_progress=lambda r: progress(
                        f"{r.path.name}: {r.runs} runs, {r.events} events"
                    ),
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
        work_off(settings, progress)
    elif settings.kafka:
        click.echo("the events are in Kafka; `locard consume` brings them into the lake", err=True)
    return 1 if rejects else 0


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
        click.echo(
            f"  {report.path}:{reject.line}: {reject.error_class}: {reject.reason}", err=True
        )
    rest = len(report.rejects) - MOST_REJECTS_SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more rejects", err=True)
