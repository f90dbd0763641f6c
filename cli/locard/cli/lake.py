"""`locard lake`: upkeep of the lake, once or again and again, and what it consists of."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from locard.cli.assembly import log_writer
from locard.cli.keeping import expire
from locard.cli.questions import format_options
from locard.cli.settings import Settings
from locard.schema import CannotContinue, LocardError, utc_now

if TYPE_CHECKING:
    from locard.ingest.upkeep import UpkeepReport
    from locard.query import Format


@click.group()
def lake() -> None:
    """Keep the lake fast and no larger than it has to be, while others read and write it."""


@lake.command()
@format_options
@click.pass_obj
def stats(settings: Settings, format_name: Format, width: int | None) -> int:
    """Show files, rows and bytes by day, and what waits for upkeep."""
    from locard.ingest.upkeep import lake_stats, open_lake
    from locard.query import terminal_width, write_rows

    found = lake_stats(open_lake(settings.lake_place), settings.lake_place)
    rows = [tuple(asdict(day).values()) for day in found.days]
    columns = ("day", "files", "sorted_files", "rows", "bytes")
    width = width or terminal_width(sys.stdout)
    write_rows(columns, rows, format_name, sys.stdout, width=width)
    click.echo(
        f"{found.files:,} files, {found.rows:,} rows, {found.bytes:,} bytes; "
        f"{found.unused_files:,} files no longer or not yet used, {found.unused_bytes:,} bytes; "
        f"version {found.version}, {found.since_checkpoint:,} log entries since a checkpoint",
        err=True,
    )
    return 0


@lake.command()
@click.pass_obj
def optimize(settings: Settings) -> int:
    """Merge small files of today, and sort days that are over by session and time.

    The rows stay what they are. A Delta checkpoint is written where the log has grown long.
    """
    from locard.ingest.upkeep import optimize as run

    _tell(settings, run(settings.lake_place, utc_now()))
    return 0


@lake.command()
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    help="How long ago a file must have gone out of use; default: lake_grace_hours.",
)
@click.pass_obj
def vacuum(settings: Settings, grace_hours: float | None) -> int:
    """Remove files that are no longer used, and what killed writers left behind.

    A question that began longer ago than the grace may miss a file; it says so and can be asked
    again.
    """
    from locard.ingest.upkeep import open_lake
    from locard.ingest.upkeep import vacuum as run

    hours = settings.lake_grace_hours if grace_hours is None else grace_hours
    place = settings.lake_place
    removed = run(open_lake(place), place, timedelta(hours=hours))
    click.echo(f"removed {len(removed):,} files")
    return 0


@lake.command()
@click.option(
    "--every",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Go on and do it every so many minutes, until told to stop.",
)
@click.pass_obj
def upkeep(settings: Settings, minutes: float | None) -> int:
    """Do all of upkeep: retention, optimize, vacuum. Once, as for cron, or again and again.

    With --every nothing that goes wrong ends it: it is told, and tried again the next time.
    """
    if minutes is None:
        _upkeep(settings)
        return 0
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.wait(minutes * 60):
        try:
            _upkeep(settings)
        except LocardError as error:
            click.echo(f"upkeep: {error}", err=True)
    return 0


def _upkeep(settings: Settings) -> None:
    from locard.ingest.upkeep import upkeep as run

    expire(settings)
    grace = timedelta(hours=settings.lake_grace_hours)
    report = run(settings.lake_place, utc_now(), grace)
    _tell(settings, report)
    if report.removed:
        click.echo(f"removed {report.removed:,} files")


def _tell(settings: Settings, report: UpkeepReport) -> None:
    """Say what was done, and note it in the record."""
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator

    for one in report.rewritten:
        click.echo(
            f"{one.day}: {one.rows:,} rows of {one.files_before:,} files in {one.files_after:,}, "
            f"{one.bytes_before:,} bytes in {one.bytes_after:,}"
        )
    if report.has_checkpoint:
        click.echo("wrote a checkpoint")
    closed = [one for one in report.rewritten if one.is_closed]
    if not closed:
        return
    record = custody_record(
        "compaction",
        operator(),
        targets=[
            {"day": f"{one.day}", "rows": one.rows, "files": one.files_before} for one in closed
        ],
    )
    try:
        with log_writer(settings) as log:
            log.append([record])
    except LocardError as error:
        raise CannotContinue(
            f"the lake was written anew, and the event log does not take the note of it: {error}"
        ) from error
