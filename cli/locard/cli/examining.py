"""`locard doctor`: is everything in order, and if not, what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import click

from locard.cli.assembly import kafka_settings, log_writer
from locard.cli.questions import format_options
from locard.cli.settings import Settings
from locard.schema import JsonValue

if TYPE_CHECKING:
    from locard.ingest.doctor import Finding
    from locard.query import Format

_COLUMNS = ("level", "what", "told", "advice")


@click.command()
@click.option("--repair", is_flag=True, help="Move aside what is damaged and costs nothing.")
@click.option("--deep", is_flag=True, help="Read every page of the lake and check its checksum.")
@format_options
@click.pass_obj
def doctor(
    settings: Settings, repair: bool, deep: bool, format_name: Format, width: int | None
) -> int:
    """Look the installation over: event log, lake, positions, keys, quarantine, disk, clock.

    Nothing is changed without --repair. What a power cut left is moved to `_damaged` in the lake
    then, and that it was is recorded.

    Exit status 1: something is wrong and not repaired.
    """
    from locard.query import terminal_width, write_rows

    findings = list(_examined(settings, repair=repair, deep=deep))
    repaired = [one for one in findings if one.level == "repaired"]
    if repaired:
        _note(settings, repaired)
    rows = [astuple(finding) for finding in findings]
    width = width or terminal_width(sys.stdout)
    if format_name == "table":
        for level, what, told, advice in rows:
            _tell(level, what, told, advice)
    else:
        write_rows(_COLUMNS, rows, format_name, sys.stdout, width=width)
    return 1 if any(one.level == "wrong" for one in findings) else 0


def _examined(settings: Settings, *, repair: bool, deep: bool) -> Iterator[Finding]:
    from locard.ingest import doctor as examine

    home, lake = settings.home, settings.lake_place
    if examine.has_lake(lake):
        if isinstance(lake, Path):  # in a bucket no entry can be torn: it is there whole or not
            yield from examine.examine_log(lake, repair=repair)
        yield from examine.examine_files(lake, repair=repair, deep=deep)
        yield from examine.examine_clock(lake)
        yield from examine.examine_sealing(lake)
    else:
        yield examine.Finding("ok", "lake", "there is none yet; the consumer makes it")
    if settings.kafka:
        yield from examine.examine_kafka(kafka_settings(settings, settings.kafka), lake)
    else:
        yield from examine.examine_embedded(home / "log.sqlite", lake)
    yield from examine.examine_keys(home / "keys")
    yield from examine.examine_quarantine(
        home / "quarantine", settings.quarantine_limit, repair=repair
    )
    yield from examine.examine_disk(home, lake)


def _note(settings: Settings, repaired: list[Finding]) -> None:
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator

    targets: list[JsonValue] = [{"what": one.what, "told": one.told} for one in repaired]
    with log_writer(settings) as log:
        log.append([custody_record("repair", operator(), targets=targets)])


def _tell(level: str, what: str, told: str, advice: str) -> None:
    from locard.query.inert import one_line

    click.echo(f"{level:8}  {one_line(what)}: {one_line(told)}")
    if advice:
        click.echo(f"{'':8}  → {one_line(advice)}")
