"""`locard sessions`, `locard timeline` and `locard sql`: the first questions."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from locard.cli.settings import Settings
from locard.schema import CannotContinue, rfc3339

FORMATS = click.Choice(["table", "json", "jsonl", "csv"])
format_option = click.option(
    "--format", "format_name", type=FORMATS, default="table", show_default=True,
    help="How to print; machine formats go to stdout alone.",
)  # fmt: skip


@click.command()
@format_option
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest first.")
@click.pass_obj
def sessions(settings: Settings, format_name: Any, limit: int | None) -> int:
    """List the sessions in the lake, the newest first."""
    from locard.query import connect, write_rows

    with connect(settings.lake_path) as connection:
        cursor = connection.execute(
            "SELECT * FROM sessions ORDER BY started_at DESC, session_id LIMIT $1", [limit]
        )
        columns = [column[0] for column in cursor.description or ()]
        write_rows(columns, cursor.fetchall(), format_name, sys.stdout)
    return 0


@click.command()
@click.argument("statement")
@format_option
@click.pass_obj
def sql(settings: Settings, statement: str, format_name: Any) -> int:
    """Run a SQL statement over the lake's views.

    The statement can read the lake and nothing else of this machine. `SELECT * FROM views` lists
    the views.
    """
    import duckdb

    from locard.query import confine, connect, write_rows

    with connect(settings.lake_path) as connection:
        confine(connection, settings.lake_path)
        try:
            cursor = connection.execute(statement)
            columns = [column[0] for column in cursor.description or ()]
            write_rows(columns, cursor.fetchall(), format_name, sys.stdout)
        except duckdb.Error as error:
            raise CannotContinue(f"the statement failed: {' '.join(str(error).split())}") from None
    return 0


@click.command()
@click.option("--session", "session_id", required=True, help="Whose timeline; see `sessions`.")
@click.option("--details", is_flag=True, help="Show every field of every event, nothing cut.")
@click.option("--tz", "zone_name", help="The time zone to show beside UTC; default: this machine's.")
@format_option
@click.pass_obj
def timeline(
    settings: Settings, session_id: str, details: bool, zone_name: str | None, format_name: Any
) -> int:
    """Show what happened in a session, in order, one line each."""
    from locard.cli.timeline_view import print_timeline
    from locard.query import TIMELINE_COLUMNS, connect, timeline, write_rows

    with connect(settings.lake_path) as connection:
        rows = timeline(connection, session_id)
    if not rows:
        raise CannotContinue(
            f"the lake has no session of this name; `locard sessions` lists those it has"
        )
    if format_name == "table":
        print_timeline(rows, _zone(zone_name), details=details, stream=sys.stdout)
        return 0
    columns = [*TIMELINE_COLUMNS, "fields"]
    write_rows(
        columns, ([getattr(row, name) for name in columns] for row in rows), format_name, sys.stdout
    )
    return 0


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return datetime.now().astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CannotContinue(
            f"there is no time zone of this name; use one such as Europe/Paris or UTC"
        ) from error
