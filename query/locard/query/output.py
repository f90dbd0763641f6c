"""Rows for people and for machines: a table, JSON, JSON lines or CSV, all of them inert.

Only a table is ever cut, and only to a given width: machine formats and pipes have the whole text.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

from locard.query.inert import csv_cell, lines, one_line
from locard.query.layout import cut, cut_middle, head, padded, shares, width_of
from locard.query.values import distinct, human, json_text, plain

__all__ = ["Format", "Shape", "plain", "terminal_width", "write_plan", "write_rows"]

Format = Literal["table", "json", "jsonl", "csv"]
Row = Sequence[Any]

_GAP: Final = "  "
_LEAST: Final = 6  # columns for each cell, below which a row is shown field by field instead
_LEAST_YIELDING: Final = 12  # columns that stay of a column that gives way first
_RULE: Final = 40  # columns of the line above a row's fields
_NUMBERS: Final = (int, float)


@dataclass(frozen=True)
class Shape:
    """How a table gives way where it is too wide.

    Args:
        gives_way: the column that is cut before all others; without one the widest are.
        cut_in_the_middle: columns whose end tells as much as their beginning.
    """

    gives_way: str | None = None
    cut_in_the_middle: frozenset[str] = frozenset()


PLAIN_SHAPE: Final = Shape()


def terminal_width(stream: TextIO) -> int | None:
    """Return the width of the terminal that the stream goes to, `None` where it is no terminal."""
    # COLUMNS=0 is what some shells set where they do not know.
    return shutil.get_terminal_size().columns or None if stream.isatty() else None


def write_rows(
    columns: Sequence[str],
    rows: Iterable[Row],
    format_name: Format,
    stream: TextIO,
    *,
    width: int | None = None,
    shape: Shape = PLAIN_SHAPE,
) -> None:
    """Write rows to `stream`.

    Args:
        columns: their names. One that comes twice is numbered in JSON, where a key comes once.
        width: to how many columns a table is cut for the eye; `None` cuts nothing.
        shape: how a table is cut.
    """
    match format_name:
        case "table":
            stream.writelines(f"{line}\n" for line in _table(columns, rows, width, shape))
        case "json":
            names = distinct(columns)
            objects = [dict(zip(names, row, strict=True)) for row in rows]
            stream.write(json_text(objects, indent=2) + "\n")
        case "jsonl":
            names = distinct(columns)
            stream.writelines(json_text(dict(zip(names, row, strict=True))) + "\n" for row in rows)
        case "csv":
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([csv_cell(name) for name in columns])
            writer.writerows([_csv(value) for value in row] for row in rows)


def _csv(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, list | dict | bool):
        value = json_text(value)
    # A number stays one: a spreadsheet may add up negative amounts.
    return csv_cell(value) if isinstance(value, str) else value


def write_plan(rows: Iterable[Row], stream: TextIO) -> None:
    """Write what EXPLAIN gives, whose last column is laid out already, line by line."""
    for row in rows:
        stream.writelines(f"{line}\n" for line in lines(human(row[-1])))


def _table(
    columns: Sequence[str], rows: Iterable[Row], width: int | None, shape: Shape
) -> Iterator[str]:
    """Yield the lines of a table, or of one block for each row where a table has no room."""
    names = [one_line(name) for name in columns]
    values = [list(map(plain, row)) for row in rows]
    cells = [[_cell(value, width) for value in row] for row in values]
    wanted = [max(map(width_of, column), default=0) for column in zip(names, *cells, strict=True)]
    given: Sequence[int] | None = wanted
    if width is not None:
        given = _fitting(columns, wanted, width - len(_GAP) * (len(names) - 1), shape)
    if given is None:
        yield from _blocks(names, values, width)
        return
    numbers = [_all_numbers(column) for column in zip(*values, strict=True)]
    cutters = [cut_middle if name in shape.cut_in_the_middle else cut for name in columns]

    def line(texts: Sequence[str]) -> str:
        placed = zip(texts, given, numbers or [False] * len(names), cutters, strict=True)
        return _GAP.join(padded(cutter(t, n), n, right=r) for t, n, r, cutter in placed).rstrip()

    yield line(names)
    yield _GAP.join("─" * count for count in given)
    for row in cells:
        yield line(row)


def _fitting(
    columns: Sequence[str], wanted: Sequence[int], room: int, shape: Shape
) -> Sequence[int] | None:
    """Return how wide each column may be so that all fit into `room`, `None` if they cannot."""
    wanted = list(wanted)
    if shape.gives_way in columns:
        yielding = columns.index(shape.gives_way)
        excess = max(0, sum(wanted) - room)
        wanted[yielding] = max(min(wanted[yielding], _LEAST_YIELDING), wanted[yielding] - excess)
    return shares(wanted, room, _LEAST)


def _blocks(names: Sequence[str], rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """Yield each row as lines of name and value, without the columns that have none."""
    widest = max(map(width_of, names), default=0)
    for number, row in enumerate(rows, 1):
        yield f"── row {number} ".ljust(_RULE, "─")
        for name, value in zip(names, row, strict=True):
            if value is not None:
                line = padded(name, widest) + _GAP + _cell(value, width)
                yield line if width is None else cut(line, width)


def _cell(value: Any, width: int | None) -> str:
    return one_line(head(human(value), width))


def _all_numbers(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        isinstance(value, _NUMBERS) and not isinstance(value, bool) for value in present
    )
