"""Rows of the lake as the Parquet files that upkeep writes, and what Delta is to know of each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from locard.ingest.delta import PARTITION_COLUMN
from locard.ingest.lake_store import LakeStore
from locard.schema import rfc3339

ROWS_IN_GROUP: Final = 65_536
_BYTES_IN_GROUP: Final = 64 * 1024 * 1024  # in memory


def as_in_files(
    rows: Iterator[pa.RecordBatch], store: LakeStore, paths: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield the rows in groups, with columns and types as these files of the lake have them."""
    schemas = [pq.read_schema(path, filesystem=store.files) for path in paths]
    schema = pa.unify_schemas(schemas).remove_metadata()
    for table in _in_groups(rows):
        yield table.select(schema.names).cast(schema)


def _in_groups(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows as many at once as make a group of a file; fewer where they are large."""
    gathered: list[pa.RecordBatch] = []
    count = size = 0
    for batch in rows:
        if not batch.num_rows:
            continue
        gathered.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if count >= ROWS_IN_GROUP or size >= _BYTES_IN_GROUP:
            yield pa.Table.from_batches(gathered)
            gathered, count, size = [], 0, 0
    if count:
        yield pa.Table.from_batches(gathered)


def write_rows(
    file: pa.NativeFile, first: pa.Table, following: Iterator[pa.Table], target: int
) -> dict[str, Any]:
    """Write rows to a file until it is large enough, and return Delta's statistics of it."""
    rows = 0
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    with pq.ParquetWriter(
        file, first.schema, compression="zstd", write_page_checksum=True, use_dictionary=True
    ) as writer:
        table: pa.Table | None = first
        while table is not None:
            writer.write_table(table, row_group_size=ROWS_IN_GROUP)
            rows += table.num_rows
            for name in ("occurred_at", "session_id"):
                found = pc.min_max(table[name]).as_py()
                if found["min"] is not None:
                    least[name] = min(found["min"], least.get(name, found["min"]))
                    most[name] = max(found["max"], most.get(name, found["max"]))
            table = next(following, None) if file.tell() < target else None
    for bounds in (least, most):
        bounds["occurred_at"] = rfc3339(bounds["occurred_at"])
    return {
        "numRecords": rows,
        "minValues": least,
        "maxValues": most,
        "nullCount": {"occurred_at": 0},
    }


def add_action(
    path: str, size: int, day: date, statistics: dict[str, Any], *, is_change: bool
) -> AddAction:
    """Return the entry of a file for the Delta log.

    Args:
        statistics: as `write_rows` returns them.
        is_change: whether its rows are others than those of the files that it replaces.
    """
    return AddAction(
        path,
        size,
        partition_of(day),
        int(time.time() * 1000),
        data_change=is_change,
        stats=json.dumps(statistics),
    )


def partition_of(day: date) -> dict[str, str | None]:
    """Return the partition of a day, as Delta writes it."""
    return {PARTITION_COLUMN: f"{day:%Y-%m-%d}"}
