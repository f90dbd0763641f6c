"""Rows for people and for machines: a table, JSON, JSON lines or CSV, all of them inert."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from locard.query.inert import csv_cell, one_line
from locard.schema import rfc3339

Format = Literal["table", "json", "jsonl", "csv"]
Row = Sequence[Any]


def write_rows(
    columns: Sequence[str], rows: Iterable[Row], format_name: Format, stream: TextIO
) -> None:
    """Write rows to `stream`. In a table wide cells are cut for the eye; elsewhere nothing is."""
    match format_name:
        case "table":
            _write_table(columns, rows, stream)
        case "json":
            objects = [dict(zip(columns, map(plain, row), strict=True)) for row in rows]
            stream.write(json.dumps(objects, ensure_ascii=True, indent=2) + "\n")
        case "jsonl":
            for row in rows:
                line = dict(zip(columns, map(plain, row), strict=True))
                stream.write(json.dumps(line, ensure_ascii=True) + "\n")
        case "csv":
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([csv_cell(name) for name in columns])
            writer.writerows([_csv(plain(value)) for value in row] for row in rows)


def terminal(stream: TextIO) -> Console:
    """Return a console that takes text as text: no markup, no emoji codes, no links."""
    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=False)


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON has it: times in UTC as RFC 3339, exact numbers as text."""
    if isinstance(value, datetime):
        return rfc3339(value) if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def _write_table(columns: Sequence[str], rows: Iterable[Row], stream: TextIO) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(one_line(name)), no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(_cell(plain(value))) for value in row))
    terminal(stream).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _csv(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=True)
    return csv_cell(value) if isinstance(value, str) else value
