"""`locard import`: runs that somebody else recorded, into the event log and on into the lake."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from locard.cli.assembly import log_writer
from locard.cli.consuming import progress_line, work_off
from locard.cli.settings import Settings
from locard.schema import utc_now

if TYPE_CHECKING:
    from locard.ingest.importers.files import ImportReport

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

    Exit status 1: some lines were rejected. 2: some file could not be read; the others were.
    """
    status = _append(settings, format_name, files)
    if settings.kafka:
        click.echo("the events are in Kafka; `locard consume` brings them into the lake", err=True)
    elif not no_consume:
        from locard.ingest.eventlog.embedded import LogIsBeingRead

        try:
            work_off(settings, progress_line())
        except LogIsBeingRead:
            click.echo("a running consumer brings the events into the lake in a moment", err=True)
    return status


def _append(settings: Settings, format_name: str, files: tuple[Path, ...]) -> int:
    """Append the runs of each file to the event log, and return the exit status."""
    from locard.ingest.importers.files import Ledger, UnreadableFile, import_file
    from locard.query.inert import one_line

    status = 0
    progress = progress_line()

    def show(report: ImportReport) -> None:
        progress(f"{one_line(report.path.name)}: {report.runs} runs, {report.events} events")

    with (
        log_writer(settings) as writer,
        closing(Ledger(settings.home / "imports.sqlite", writer.topic_id)) as ledger,
    ):
        for path in files:
            try:
                report = import_file(
                    path, format_name, writer, ledger, observed_at=utc_now(), on_progress=show
                )
            except UnreadableFile as error:
                click.echo(f"locard: {one_line(str(error))}", err=True)
                status = 2
                continue
            finally:
                progress("")
            _tell(report)
            status = max(status, 1 if report.rejected else 0)
    return status


def _tell(report: ImportReport) -> None:
    """Say what became of a file: the counts to stdout, what to look at to stderr."""
    from locard.query.inert import one_line

    path = one_line(str(report.path))
    known = f", {report.known_runs} runs known from before" if report.known_runs else ""
    click.echo(
        f"{path}: {report.runs} runs, {report.events} events, {report.rejected} rejects{known}"
    )
    for notice, count in sorted(report.notices.items()):
        place = f"{path}:{report.noticed_at[notice]}"
        click.echo(f"  {place}: note: {notice} ({count} in this file)", err=True)
    for reject in report.rejects[:MOST_REJECTS_SHOWN]:
        click.echo(f"  {path}:{reject.line}: {reject.error_class}: {reject.reason}", err=True)
    rest = report.rejected - MOST_REJECTS_SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more rejects", err=True)
