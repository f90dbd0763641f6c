"""`locard quarantine list`: what could not be redacted, without opening any of it."""

from __future__ import annotations

import sys
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

import click

from locard.cli.questions import format_options
from locard.cli.settings import Settings
from locard.schema import CannotContinue

if TYPE_CHECKING:
    from locard.query import Format


@click.group()
def quarantine() -> None:
    """Look at what could not be redacted."""


@quarantine.command("list")
@format_options
@click.pass_obj
def list_(settings: Settings, format_name: Format, width: int | None) -> int:
    """List the quarantined records: where each stood, when and why, and which event it was.

    They are sealed to the key `quarantine.public` and stay sealed. Opening, replaying and dropping
    them is not there yet.
    """
    from locard.ingest.quarantine import Quarantined, pointers
    from locard.query import terminal_width, write_rows

    try:
        rows = [astuple(pointer) for pointer in pointers(settings.home / "quarantine")]
    except OSError as error:
        raise CannotContinue(
            f"{error.filename} cannot be read: {error.strerror}; check its permissions"
        ) from error
    columns = [field.name for field in fields(Quarantined)]
    write_rows(columns, rows, format_name, sys.stdout, width=width or terminal_width(sys.stdout))
    return 0
