"""`locard sessions`, `locard timeline` and `locard sql`: the first questions."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from locard.cli.settings import Settings
from locard.cli.trail import note_read, tell_unsealed
from locard.schema import CannotContinue, utc_now

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from locard.query import Format, Selection, TimelineRow

Command = TypeVar("Command", bound=Callable[..., Any])
SELECTORS: Final = {
    "session": "An id of `sessions`, or at least 4 characters it begins with.",
    "trace": "The id of a trace.",
    "agent": "The id or the name of an agent.",
    "workflow": "The id of a workflow.",
    "person": "Who was served: the token, as the lake has it.",
    "tool": "Calls of this tool and their results.",
    "value": "What stands somewhere in the content, such as a token.",
    "document": "The address or title of what was read or written.",
    "since": "From then on: 2026-05-04, 2026-05-04T09:32Z or 2h. UTC.",
    "until": "Before then; a day counts whole.",
}
"""The options that select events, and what each means."""
_FORMATS: Final = ("table", "json", "jsonl", "csv")


def format_options(command: Command) -> Command:
    """Add `--format` and `--width`, which every reading command has."""
    width = click.option(
        "--width",
        type=click.IntRange(20, 10_000),
        help="Cut tables to so many columns; default: the terminal's, in a pipe nothing is cut.",
    )
    format_name = click.option(
        "--format",
        "format_name",
        type=click.Choice(_FORMATS),
        default="table",
        show_default=True,
        help="How to print. Machine formats go to stdout alone and are never cut.",
    )
    return format_name(width(command))


def selection_options(command: Command) -> Command:
    """Add the options by which events are selected; `selected` takes what they give."""
    for name, told in reversed(SELECTORS.items()):
        command = click.option(f"--{name}", help=told)(command)
    return command


def selected(connection: DuckDBPyConnection, given: Mapping[str, str | None]) -> Selection:
    """Return what the options of `selection_options` select.

    Raises:
        CannotContinue: they name no session, or no time.
    """
    from locard.query import Selection, find_session
    from locard.query.moments import moment

    now = utc_now()
    since, until, session = given.get("since"), given.get("until"), given.get("session")
    return Selection(
        session_id=find_session(connection, session) if session else None,
        trace_id=given.get("trace"),
        agent=given.get("agent"),
        workflow_id=given.get("workflow"),
        person=given.get("person"),
        tool=given.get("tool"),
        value=given.get("value"),
        document=given.get("document"),
        since=moment(since, now) if since else None,
        until=moment(until, now, is_end=True) if until else None,
    )


@click.command()
@click.option("--tool", help="Only sessions that called this tool.")
@click.option("--since", help="Only sessions active since: 2026-05-04, 2026-05-04T09:32Z or 2h.")
@click.option("--until", help="Only sessions begun until; a day counts whole. UTC, as --since.")
@click.option("--limit", type=click.IntRange(1, 2**31), help="At most so many, the newest.")
@format_options
@click.pass_obj
def sessions(
    settings: Settings,
    tool: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    format_name: Format,
    width: int | None,
) -> int:
    """List the sessions in the lake, the newest first.

    The table has the most telling columns, machine formats have all. An id that the table cut
    can be given to `timeline` as it stands there.
    """
    from locard.query import (
        Wanted,
        connect,
        events_without_session,
        list_sessions,
        print_sessions,
        terminal_width,
        write_rows,
    )
    from locard.query.moments import moment

    now = utc_now()
    wanted = Wanted(
        tool=tool,
        since=moment(since, now) if since else None,
        until=moment(until, now, is_end=True) if until else None,
        limit=limit,
    )
    with connect(settings.lake_place) as connection:
        columns, rows = list_sessions(connection, wanted)
        without = events_without_session(connection) if format_name == "table" else 0
    told = {"tool": tool, "since": since, "until": until, "limit": limit}
    note_read(settings, asked("sessions", **told), len(rows))
    if format_name == "table":
        stream = inert_stdout()
        print_sessions(columns, rows, stream, width or terminal_width(stream))
    else:
        write_rows(columns, rows, format_name, inert_stdout())
    tell_unsealed(settings)
    if without:
        click.echo(
            f"{without} events belong to no session; ask for them with `locard sql`", err=True
        )
    return 0


@click.command()
@selection_options
@click.option("--details", is_flag=True, help="Show every field of every event, nothing cut.")
@click.option("--event", help="Show this event alone, with details: its number or its id.")
@click.option(
    "--tz", "zone_name", help="The time zone to show beside UTC; default: this machine's."
)
@format_options
@click.pass_obj
def timeline(
    settings: Settings,
    /,
    details: bool,
    event: str | None,
    zone_name: str | None,
    format_name: Format,
    width: int | None,
    **given: str | None,
) -> int:
    """Show what happened, causes before effects, one line each.

    Name a session, or whatever else the events have in common; several options narrow it down.
    """
    from locard.cli.timeline_view import print_timeline
    from locard.query import connect, position_of, standing, timeline

    zone = _zone(zone_name)
    with connect(settings.lake_place) as connection:
        selection = selected(connection, given)
        stands = standing(connection, selection, settings.lake_place)
        rows = timeline(connection, selection, gaps=stands.gaps)
    if not rows:
        raise CannotContinue("the lake has no such event; `locard sessions` lists what there is")
    only = position_of(rows, event) if event else None
    note_read(settings, asked("timeline", **given, event=event), len(rows))
    if format_name == "table":
        shows_details = details or only is not None
        print_timeline(
            rows, zone, details=shows_details, stream=inert_stdout(), width=width, only=only
        )
    else:
        _write(rows if only is None else [rows[only]], format_name)
    click.echo(stands.sentence(), err=True)
    return 0


def _write(rows: list[TimelineRow], format_name: Format) -> None:
    from locard.query import TIMELINE_COLUMNS, write_rows

    columns = [*TIMELINE_COLUMNS, "fields"]
    values = ([getattr(row, name) for name in columns] for row in rows)
    write_rows(columns, values, format_name, inert_stdout())


@click.command()
@click.argument("statement")
@format_options
@click.pass_obj
def sql(settings: Settings, statement: str, format_name: Format, width: int | None) -> int:
    """Run a SQL statement over the lake's views.

    It can read the lake and do nothing else on this machine. `SELECT * FROM views` lists the
    views; several statements are separated by `;`.
    """
    from locard.query import confine, connect, run, terminal_width, write_plan, write_rows

    stream = inert_stdout()
    width = width or terminal_width(stream)
    # A statement may run for ever inside DuckDB, where Python's own Ctrl-C is not heard. Nothing
    # here is left half done: the statement only reads.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with connect(settings.lake_place) as connection:
        confine(connection)
        note_read(settings, statement, None)
        count = 0
        for number, answer in enumerate(run(connection, statement)):
            if number and format_name in ("table", "csv"):
                click.echo()
            rows = list(answer.rows) if answer.is_plan else _Counted(answer.rows)
            if answer.is_plan and format_name == "table":
                write_plan(rows, stream)
            else:
                write_rows(answer.columns, rows, format_name, stream, width=width)
            stream.flush()  # the next statement may take long, and this answer is there
            count += len(rows)
        note_read(settings, statement, count, "read_done")
    tell_unsealed(settings)
    return 0


class _Counted:
    """Rows as they are handed on, and how many there were."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._count = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            self._count += 1
            yield row

    def __len__(self) -> int:
        return self._count


def asked(command: str, **options: object) -> str:
    """Return a command with the options that it was given, for the record."""
    told = (
        f"--{name}" if value is True else f"--{name} {value}"
        for name, value in options.items()
        if value is not None
    )
    return " ".join([command, *told])


def inert_stdout() -> TextIO:
    """Return stdout, which shows what its encoding does not have as an escape."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:  # not where a test has put something else in its place
        reconfigure(errors="backslashreplace")
    return sys.stdout


def _zone(name: str | None) -> tzinfo | None:
    """Return the time zone of this name; `None`, as `astimezone` has it, for this machine's."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CannotContinue(
            "there is no time zone of this name; use one such as Europe/Paris or UTC"
        ) from error
