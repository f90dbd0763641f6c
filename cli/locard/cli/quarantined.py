"""`locard quarantine`: what could not be redacted; seen, replayed or given up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from locard.cli.assembly import log_writer
from locard.cli.questions import format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_access
from locard.schema import CannotContinue

if TYPE_CHECKING:
    from locard.ingest.quarantine import Quarantined
    from locard.query import Format

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def quarantine() -> None:
    """Look at what could not be redacted, replay it, or give it up."""


def _chosen_options(command: Command) -> Command:
    """Add what chooses records: their places, or all, or those of one error class."""
    places = click.argument("places", metavar="[PLACE]…", nargs=-1)
    error_class = click.option("--error-class", help="All that are there for this reason.")
    is_all = click.option("--all", "is_all", is_flag=True, help="All.")
    return places(error_class(is_all(command)))


@quarantine.command("list")
@click.option("--error-class", help="Only those that are there for this reason.")
@format_options
@click.pass_obj
def list_(
    settings: Settings, error_class: str | None, format_name: Format, width: int | None
) -> int:
    """List the quarantined records: where each stood, when and why, and which event it was.

    They are sealed to the key `quarantine.public` and stay sealed. The other commands name a record
    by its place: TOPIC_ID/PARTITION/OFFSET.
    """
    from locard.ingest.quarantine import Quarantined
    from locard.query import terminal_width, write_rows

    rows = [
        astuple(pointer)
        for pointer in _pointers(settings)
        if error_class in (None, pointer.error_class)
    ]
    columns = [field.name for field in fields(Quarantined)]
    write_rows(columns, rows, format_name, sys.stdout, width=width or terminal_width(sys.stdout))
    return 0


@quarantine.command()
@click.argument("place")
@click.option("--reason", required=True, help="Why you have to see it; it is recorded.")
@click.option("--case", "case_id", help="The case that it is for; it is recorded.")
@click.pass_obj
def show(settings: Settings, place: str, reason: str, case_id: str | None) -> int:
    """Show a quarantined record as it came, personal data included. That you looked is recorded."""
    from locard.ingest.quarantine import unsealed
    from locard.query.inert import lines
    from locard.redaction import Keyring

    if not reason.strip():
        raise CannotContinue("a record is opened for a reason; give it")
    (pointer,) = _chosen(settings, (place,), None, is_all=False)
    key = Keyring(settings.home / "keys").quarantine_private_key()
    raw = unsealed(_directory(settings), pointer, key)
    note_access(
        settings,
        "quarantine_opened",
        row_count=1,
        case_id=case_id,
        purpose=reason,
        told={"place": pointer.place, "error_class": pointer.error_class},
    )
    stream = inert_stdout()
    for line in lines(raw.decode(errors="backslashreplace")):
        stream.write(f"{line}\n")
    return 0


@quarantine.command()
@_chosen_options
@click.pass_obj
def replay(
    settings: Settings, places: tuple[str, ...], error_class: str | None, is_all: bool
) -> int:
    """Append quarantined records to the event log again, once what made them fail is mended.

    They are decoded and redacted like any others; what fails again comes back, under its new
    place. It is recorded. Needs the key `quarantine.private`.
    """
    from locard.ingest.operators import operator
    from locard.ingest.release import replay as append_again
    from locard.redaction import Keyring

    pointers = _chosen(settings, places, error_class, is_all=is_all)
    key = Keyring(settings.home / "keys").quarantine_private_key()
    with log_writer(settings) as log:
        append_again(_directory(settings), pointers, key, log, operator())
    click.echo(f"replayed: {len(pointers):,}")
    return 0


@quarantine.command()
@_chosen_options
@click.option("--reason", required=True, help="Why they may go; it is recorded.")
@click.pass_obj
def drop(
    settings: Settings,
    places: tuple[str, ...],
    error_class: str | None,
    is_all: bool,
    reason: str,
) -> int:
    """Give up quarantined records for good: nobody can open or replay them afterwards.

    It is recorded which they were. What is in the lake of their events, the core, stays there.
    """
    from locard.ingest.operators import operator
    from locard.ingest.release import drop as give_up

    if not reason.strip():
        raise CannotContinue("records are given up for a reason; give it")
    pointers = _chosen(settings, places, error_class, is_all=is_all)
    with log_writer(settings) as log:
        give_up(_directory(settings), pointers, log, operator(), reason)
    click.echo(f"dropped: {len(pointers):,}")
    return 0


def _chosen(
    settings: Settings, places: tuple[str, ...], error_class: str | None, *, is_all: bool
) -> list[Quarantined]:
    if not (places or error_class or is_all):
        raise CannotContinue(
            "no record is named: give places, as `locard quarantine list` tells them, or "
            "--error-class, or --all"
        )
    known = {pointer.place: pointer for pointer in _pointers(settings)}
    for place in places:
        if place not in known:
            raise CannotContinue(
                f"there is no quarantined record {place}; `locard quarantine list` tells all"
            )
    chosen = [known[place] for place in dict.fromkeys(places)] if places else known.values()
    return [one for one in chosen if error_class in (None, one.error_class)]


def _pointers(settings: Settings) -> list[Quarantined]:
    from locard.ingest.quarantine import pointers

    try:
        return list(pointers(_directory(settings)))
    except OSError as error:
        raise CannotContinue(
            f"{error.filename} cannot be read: {error.strerror}; check its permissions"
        ) from error


def _directory(settings: Settings) -> Path:
    return settings.home / "quarantine"
