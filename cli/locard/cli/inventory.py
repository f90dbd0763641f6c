"""`locard inventory`: what there is, from use, and whether the register knows of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from locard.cli.questions import asked, format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_read, tell_unsealed

if TYPE_CHECKING:
    from locard.query import Format

_KINDS = ("workflow", "agent", "model", "tool", "principal", "data_class", "provider_data")


@click.command()
@click.option("--register", type=click.Path(path_type=Path), help="Who owns what, as a file says.")
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Of this kind.")
@click.option("--shadow", is_flag=True, help="Only what is used and is not in the register.")
@format_options
@click.pass_obj
def inventory(
    settings: Settings,
    register: Path | None,
    kinds: tuple[str, ...],
    shadow: bool,
    format_name: Format,
    width: int | None,
) -> int:
    """List workflows, agents, models, tools, principals and classes of data, from use.

    Ends with 1 where something is used that the register does not have.
    """
    from locard.query import connect, terminal_width, write_rows
    from locard.query.inventory import INVENTORY_COLUMNS, KINDS, read_register
    from locard.query.inventory import inventory as found

    known = read_register(register) if register else None
    with connect(settings.lake_place) as connection:
        items = found(connection, known, kinds or KINDS)
    told = [item for item in items if not shadow or item.standing == "shadow"]
    note_read(settings, asked("inventory", register=register), len(told))
    stream = inert_stdout()
    rows = [[getattr(item, name) for name in INVENTORY_COLUMNS] for item in told]
    write_rows(INVENTORY_COLUMNS, rows, format_name, stream, width=width or terminal_width(stream))
    tell_unsealed(settings)
    return int(any(item.standing == "shadow" for item in told))
