"""`locard import`: what somebody else recorded, into the event log and on into the lake."""

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

FORMATS = ("openai-messages", "otlp-json", "claude-code", "jsonl")
MOST_REJECTS_SHOWN = 20


@click.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--no-consume", is_flag=True, help="Only append to the event log.")
@click.pass_obj
def import_(settings: Settings, format_name: str, files: tuple[Path, ...], no_consume: bool) -> int:
    """Import what somebody else recorded.

    \b
    FORMAT            a line is
    openai-messages   a run as OpenAI's chat messages
    otlp-json         what OpenTelemetry's file exporter writes: traces or logs
    claude-code       a step of a session of Claude Code, from ~/.claude/projects
    jsonl             one of Locard's own events

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
    """Append what is in each file to the event log, and return the exit status."""
    from locard.ingest.importers.files import CONVERTERS, Ledger, UnreadableFile, import_file
    from locard.query.inert import one_line

    status = 0
    progress = progress_line()

    def show(report: ImportReport) -> None:
        counts = f"{report.lines} {report.unit}, {report.events} events"
        known = f", {report.known_lines} known" if report.known_lines else ""
        progress(f"{one_line(report.path.name)}: {counts}{known}")

    converter = CONVERTERS[format_name]()

    with (
        log_writer(settings) as writer,
        closing(Ledger(settings.home / "imports.sqlite", writer.topic_id)) as ledger,
    ):
        for path in files:
            try:
                report = import_file(
                    path, converter, writer, ledger, observed_at=utc_now(), on_progress=show
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
    counts = [
        f"{report.lines} {report.unit}",
        f"{report.events} events",
        f"{report.rejected} rejects",
    ]
    if report.left_out:
        counts.append(f"{report.left_out} {report.unit} left out")
    if report.known_lines:
        counts.append(f"{report.known_lines} {report.unit} known from before")
    click.echo(f"{path}: {', '.join(counts)}")
    for notice, count in sorted(report.notices.items()):
        place = f"{path}:{report.noticed_at[notice]}"
        click.echo(f"  {place}: note: {notice} ({count} in this file)", err=True)
    for reject in report.rejects[:MOST_REJECTS_SHOWN]:
        click.echo(f"  {path}:{reject.line}: {reject.error_class}: {reject.reason}", err=True)
    rest = report.rejected - MOST_REJECTS_SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more rejects", err=True)
