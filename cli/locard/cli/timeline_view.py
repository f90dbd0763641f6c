"""The timeline for eyes: UTC and local time, who, what, trust, one line for each event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from locard.query import TimelineRow, terminal
from locard.query.inert import one_line

_KIND_WIDTH: Final = 12
_WHO_WIDTH: Final = 22
_TRUST_WIDTH: Final = 8
_WIDTH_WHEN_PIPED: Final = 120
_STYLES: Final = {"external": "bold red", "tool": "yellow", "unknown": "yellow", "user": "green"}


def print_timeline(
    rows: Sequence[TimelineRow], zone: tzinfo, *, details: bool, stream: TextIO
) -> None:
    """Print the rows. Text is cut to the width of the terminal unless `details` is asked for."""
    console = terminal(stream)
    if not stream.isatty():
        console.width = _WIDTH_WHEN_PIPED
    shows_local = any(row.occurred_at.astimezone(zone).utcoffset() for row in rows)
    if any(row.time_made_up for row in rows):
        console.print(Text("The source had no times; those shown only give the order.", "dim"))
    console.print(_heading(zone, shows_local), no_wrap=True, overflow="ellipsis", crop=True)
    for row in rows:
        console.print(
            _line(row, zone if shows_local else None), no_wrap=True, overflow="ellipsis", crop=True
        )
        if details:
            _print_details(console, row)


def _heading(zone: tzinfo, shows_local: bool) -> Text:
    local = f"{one_line(str(zone))[:12]:<13}" if shows_local else ""
    columns = f"{'kind':<{_KIND_WIDTH}} {'who':<{_WHO_WIDTH}} {'trust':<{_TRUST_WIDTH}} what"
    return Text(f"{'UTC':<24}{local}{columns}", "bold")


def _line(row: TimelineRow, zone: tzinfo | None) -> Text:
    line = Text(f"{_clock(row.occurred_at.astimezone(UTC))} ")
    if zone:
        line.append(f"{row.occurred_at.astimezone(zone):%H:%M:%S.%f}"[:-3] + " ", "dim")
    line.append(f"{row.kind:<{_KIND_WIDTH}} ")
    line.append(f"{_cut(one_line(row.who), _WHO_WIDTH):<{_WHO_WIDTH}} ", "cyan")
    line.append(f"{row.trust or '':<{_TRUST_WIDTH}} ", _STYLES.get(row.trust or "", ""))
    line.append(one_line(row.what))
    return line


def _print_details(console: Console, row: TimelineRow) -> None:
    for name, value in row.fields.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        console.print(Text(f"    {name}: {one_line(text)}"), soft_wrap=True)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
