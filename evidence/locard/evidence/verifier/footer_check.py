"""Whether a Parquet footer tells the truth about its rows, and Delta's log about the file. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from locard.evidence.verifier.columns import type_of
from locard.evidence.verifier.parquet_footer import BadFooter, Chunk, Footer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS: Final = {4: "<i", 8: "<q"}


def contradiction(footer: Footer, group: int, table: pa.Table) -> str | None:
    """Return what a footer says that is not so; `None` where all is well.

    Args:
        group: which row group the table is.
        table: its rows.

    Raises:
        BadFooter: a statistic is no value of its column.
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


def delta_contradiction(told: Mapping[str, Any], footer: Footer) -> str | None:
    """Return what Delta's log says of a file that its footer denies; `None` where all is well.

    Args:
        told: a row of `DeltaTable.get_add_actions(flatten=True)`.
        footer: of the file; that it is true is another question.

    Raises:
        BadFooter: a statistic is no value of its column.
    """
    if told.get("num_records") not in (None, footer.rows):
        return "the lake's log says that it has another number of rows"
    chunks: dict[str, list[Chunk]] = {}
    for chunk in (chunk for group in footer.groups for chunk in group):
        chunks.setdefault(chunk.path[0], []).append(chunk)
    for key, value in told.items():
        about, _, name = key.partition(".")
        mine = chunks.get(name)
        if value is None or mine is None or about not in ("null_count", "min", "max"):
            continue
        if not _fits(about, value, mine, footer.types[name]):
            return f"the lake's log has statistics of {name} that are not those of its rows"
    return None


def _fits(about: str, value: Any, chunks: Sequence[Chunk], kind: str) -> bool:
    if about == "null_count":
        return any(chunk.nulls is None for chunk in chunks) or value == sum(
            chunk.nulls or 0 for chunk in chunks
        )
    bounds = [pair[about == "max"] for chunk in chunks for pair in chunk.bounds]
    mine = [_value(bound, kind) for bound in bounds if bound is not None]
    if isinstance(value, datetime):  # Delta may leave out what is below a millisecond
        value = (value - _EPOCH) // timedelta(microseconds=1)
        mine = [one // 1000 for one in mine]
        value //= 1000
    value = value.encode() if isinstance(value, str) else value
    return all(value <= one if about == "min" else one <= value for one in mine)


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
    try:
        match kind.removeprefix("list of "):
            case "text":
                return bound
            case "truth":
                return bound != b"\x00"
            case "fraction":
                return struct.unpack("<d", bound)[0]
        return struct.unpack(_INTEGERS[len(bound)], bound)[0]
    except (KeyError, struct.error):
        raise BadFooter("its footer has a statistic that is no value of its column") from None
