"""`locard gaps`: what collectors numbered and the lake does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from locard.cli.questions import format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_read, tell_unsealed

if TYPE_CHECKING:
    from locard.query import Format


@click.command()
@click.option("--collector", help="Only this collector's events; its id.")
@click.option("--all", "is_all", is_flag=True, help="List what is not yet accounted for as well.")
@click.option(
    "--signatures", is_flag=True, help="Check the signature of every statement, which takes longer."
)
@format_options
@click.pass_obj
def gaps(
    settings: Settings,
    collector: str | None,
    is_all: bool,
    signatures: bool,
    format_name: Format,
    width: int | None,
) -> int:
    """List which numbered events are missing, doubled, or declared as dropped.

    Exit status 1 if any is missing or doubled, or a signature is wrong. `locard sql "FROM streams"`
    has one row for each run of a collector.
    """
    from locard.query import GAP_COLUMNS, connect, find_gaps, terminal_width, write_rows

    with connect(settings.lake_place) as connection:
        account, rows = find_gaps(connection, collector, is_all=is_all, signatures=signatures)
    asked = f"gaps --collector {collector}" if collector else "gaps"
    note_read(settings, asked, len(rows))
    stream = inert_stdout()
    is_table = format_name == "table"
    if rows or not is_table:
        width = width or terminal_width(stream)
        write_rows(GAP_COLUMNS, rows, format_name, stream, width=width)
    click.echo(account.sentence(), err=not is_table)
    tell_unsealed(settings)
    return 0 if account.is_whole else 1
