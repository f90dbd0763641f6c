"""Columns of the lake as the JSON text that is hashed: many rows at once, and each value once."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from locard.evidence.verifier.columns import JSON_FORM
from locard.schema import canonical_bytes

_TO_ESCAPE: Final = r'["\\\x00-\x1f]'
_SECONDS_LENGTH: Final = len("2026-05-04T09:32:00")
_UTC: Final = pa.timestamp("us", tz="UTC")


def values_of_rows(columns: Sequence[pa.ChunkedArray], rows: int) -> list[int]:
    """Return in how many of the columns each row has a value."""
    count: Any = pa.array([0] * rows, pa.int8())
    for column in columns:
        count = pc.add(count, pc.is_valid(column).cast(pa.int8()))
    found: list[int] = count.to_pylist()
    return found


def member(name: str, column: Any) -> Any:
    """Return `"name":value,` for each row, null where it has no value."""
    if pa.types.is_dictionary(column.type):  # few values, and each is written once
        column = _chunk(column)
        return member(name, column.dictionary).take(column.indices)
    return pc.binary_join_element_wise(f'"{name}":', json_of(name, column), ",", "")


def json_of(name: str, column: pa.ChunkedArray) -> Any:
    """Return the RFC 8785 form of each value of a column."""
    kind = column.type
    if name in JSON_FORM:
        return column
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _quoted(column)
    if pa.types.is_timestamp(kind):
        return _moments(column.cast(_UTC))  # whatever name UTC has in the file
    if pa.types.is_list(kind):
        return _lists(column)
    if pa.types.is_floating(kind):
        return pa.array(
            [None if v is None else canonical_bytes(v).decode() for v in column.to_pylist()],
            pa.string(),
        )
    return column.cast(pa.string())


def _moments(column: Any) -> Any:
    """Return times as JSON texts; to write the seconds takes long, and many rows share one."""
    seconds = pc.floor_temporal(column, unit="second")
    micros = pc.subtract(column.cast(pa.int64()), seconds.cast(pa.int64())).cast(pa.string())
    found = _chunk(seconds).dictionary_encode()
    written = pc.replace_substring(found.dictionary.cast(pa.string()), " ", "T")
    texts = pc.utf8_slice_codeunits(written, 0, _SECONDS_LENGTH).take(found.indices)
    return pc.binary_join_element_wise(
        '"', texts, ".", pc.utf8_lpad(_chunk(micros), 6, "0"), 'Z"', ""
    )


def _chunk(column: Any) -> Any:
    """Return a column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _quoted(column: Any) -> Any:
    quoted = pc.binary_join_element_wise('"', column, '"', "")
    has_marks = pc.match_substring_regex(column, _TO_ESCAPE)
    if not pc.any(has_marks).as_py():
        return quoted
    marked = [encode_basestring(value) for value in column.filter(has_marks).to_pylist()]
    mask = pc.fill_null(has_marks, False)
    if isinstance(mask, pa.ChunkedArray):
        mask, quoted = mask.combine_chunks(), quoted.combine_chunks()
    return pc.replace_with_mask(quoted, mask, pa.array(marked, quoted.type))


def _lists(column: pa.ChunkedArray) -> Any:
    array = column.combine_chunks()
    if pc.any(pc.match_substring_regex(array.flatten(), _TO_ESCAPE)).as_py():
        return pa.array(
            [None if v is None else canonical_bytes(v).decode() for v in array.to_pylist()],
            pa.string(),
        )
    joined = pc.binary_join_element_wise('["', pc.binary_join(array, '","'), '"]', "")
    is_empty = pc.equal(pc.list_value_length(array), 0)
    return pc.if_else(is_empty, "[]", joined)


def joined(parts: Sequence[Any], rows: int) -> Sequence[bytes]:
    if not parts:
        return [b""] * rows
    joined = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")
    found: Sequence[bytes] = as_bytes(joined)
    return found


def as_bytes(column: Any) -> Any:
    return column.cast(pa.large_binary()).to_pylist()
