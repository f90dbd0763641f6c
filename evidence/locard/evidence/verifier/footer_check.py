"""Whether the footer of a Parquet file tells the truth about its rows. Pure."""

from __future__ import annotations

import struct
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from locard.evidence.verifier.columns import type_of
from locard.evidence.verifier.parquet_footer import Chunk, Footer

_INTEGERS: Final = {4: "<i", 8: "<q"}


def contradiction(footer: Footer, group: int, table: pa.Table) -> str | None:
    """Return what a footer says that is not so; `None` where all is well.

    Args:
        group: which row group the table is.
        table: its rows.
    """
    for name, found in footer.types.items():
        if type_of(name) not in (None, found):
            return f"it has {name} as another type"
    for chunk in footer.groups[group]:
        name = chunk.path[0]
        if chunk.has_index:
            return f"it has an index of {name}, which nothing vouches for"
        if name in table.column_names and not _is_true(chunk, table[name], footer.types[name]):
            return f"its statistics of {name} are not those of its rows"
    return None


def _is_true(chunk: Chunk, column: pa.ChunkedArray, kind: str) -> bool:
    nulls = column.null_count
    if pa.types.is_list(column.type):
        empty = pc.sum(pc.equal(pc.list_value_length(column), 0)).as_py() or 0
        column = pc.list_flatten(column)
        nulls += empty + column.null_count
    if chunk.nulls not in (None, nulls):
        return False
    if not chunk.bounds or column.null_count == len(column):
        return True
    least, most = _bounds(column)
    return all(
        (low is None or _value(low, kind) <= least) and (high is None or most <= _value(high, kind))
        for low, high in chunk.bounds
    )


def _bounds(column: pa.ChunkedArray) -> tuple[Any, Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found = pc.min_max(column)
    least, most = found["min"].as_py(), found["max"].as_py()
    return (least.encode(), most.encode()) if isinstance(least, str) else (least, most)


def _value(bound: bytes, kind: str) -> Any:
    match kind.removeprefix("list of "):
        case "text":
            return bound
        case "truth":
            return bound != b"\x00"
        case "fraction":
            return struct.unpack("<d", bound)[0]
    return struct.unpack(_INTEGERS[len(bound)], bound)[0]
