"""`locard ask`: the catalogue of questions that a responder has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from locard.cli.questions import asked, format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_read
from locard.schema import CannotContinue, utc_now

if TYPE_CHECKING:
    from locard.query import Format

_COLUMNS: Final = ("number", "name", "question", "needs", "also takes")


@click.command()
@click.argument("name", required=False)
@click.argument("given", nargs=-1, metavar="[PARAMETER=VALUE]…")
@click.option("--sql", "shows_sql", is_flag=True, help="Show the statement instead of asking.")
@format_options
@click.pass_obj
def ask(
    settings: Settings,
    name: str | None,
    given: tuple[str, ...],
    shows_sql: bool,
    format_name: Format,
    width: int | None,
) -> int:
    """Ask a question of the catalogue, by its name or number; without one list them.

    For example: `locard ask followed event=0196… steps=5`. Beside each answer stands how far it can
    be relied on.
    """
    from locard.query import connect, terminal_width, write_rows
    from locard.query.catalogue import ask as answer
    from locard.query.catalogue import catalogue, question

    stream = inert_stdout()
    width = width or terminal_width(stream)
    if name is None:
        rows = [
            [
                one.number,
                one.name,
                one.asks,
                ", ".join(p.name for p in one.needs) or " or ".join(p.name for p in one.one_of),
                ", ".join(p.name for p in one.optional),
            ]
            for one in catalogue().values()
        ]
        write_rows(_COLUMNS, rows, format_name, stream, width=width)
        return 0
    found = question(name)
    if shows_sql:
        click.echo(found.sql or f"it stands on {found.stands_on}, which is no single statement")
        return 0
    parameters = dict(map(_pair, given))
    with connect(settings.lake_place) as connection:
        told = answer(connection, found, parameters, utc_now(), settings.lake_place)
    note_read(settings, asked(f"ask {found.name}", **parameters), len(told.rows))
    write_rows(told.columns, told.rows, format_name, stream, width=width)
    click.echo(told.standing.sentence(), err=True)
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CannotContinue("a parameter is written NAME=VALUE, such as session=s1")
    return name, value
