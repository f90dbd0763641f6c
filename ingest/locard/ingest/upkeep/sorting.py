"""Rows sorted by session and time, also where they do not fit into memory.

DuckDB sorts, and puts on a disk what does not fit. It cannot where rows are large (texts of some
kilobytes each: it then wants all of them at once), so in that case they are dealt out to files by
ranges of sessions, each of which fits, and sorted one range after the other. What has to fit is the
largest session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_ORDER: Final = ("session_id", "occurred_at", "log_topic_id", "log_partition", "log_offset")
_ROWS_AT_ONCE: Final = 2_048  # handed over by DuckDB; rows may be large
_RANGE: Final = "range_of_sessions"
_OF_A_ROW: Final = 500  # bytes beside its texts, about


def sorted_rows(
    database: duckdb.DuckDBPyConnection,
    source: str,
    parameters: Mapping[str, Any],
    scratch: Path,
    most_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a source in order: sessions, those without one last, and time in them.

    Args:
        source: what stands behind FROM, with these parameters.
        scratch: a directory, made where it is needed.
        most_bytes: of one range of sessions.

    Raises:
        duckdb.Error, pa.ArrowException, OSError: rows cannot be read or dealt out.
    """
    given = dict(parameters)
    by = ", ".join(f"{name} NULLS LAST" for name in _ORDER)
    try:
        sql = f"SELECT * FROM {source} ORDER BY {by}"  # noqa: S608 - no value is in it
        rows = database.sql(sql, params=given).to_arrow_reader(_ROWS_AT_ONCE)
        first = next(iter(rows), None)  # by then all is sorted
    except duckdb.OutOfMemoryException:
        scratch.mkdir(exist_ok=True)
        bounds = _bounds(database, source, given, most_bytes)
        for path in _dealt_out(database, source, given, bounds, scratch):
            with pa.ipc.open_file(path) as file:
                table = file.read_all().sort_by([(name, "ascending") for name in _ORDER])
            path.unlink()
            yield from table.to_batches(_ROWS_AT_ONCE)
        return
    if first is not None:
        yield first
    yield from rows


def _bounds(
    database: duckdb.DuckDBPyConnection, source: str, given: dict[str, Any], most_bytes: int
) -> list[str]:
    """Return the last session of each range but the last, so that each has about so many bytes."""
    described = database.execute(f"DESCRIBE SELECT * FROM {source}", given).fetchall()  # noqa: S608
    texts = [name for name, kind, *_ in described if kind == "VARCHAR"]
    size = " + ".join(f"coalesce(strlen({name}), 0)" for name in texts)
    found = database.execute(
        f"WITH sizes AS (SELECT session_id, sum({size} + {_OF_A_ROW}) AS size FROM {source}"  # noqa: S608
        " GROUP BY session_id), ranges AS (SELECT session_id,"
        f" sum(size) OVER (ORDER BY session_id NULLS LAST) // {most_bytes} AS number FROM sizes)"
        " SELECT max(session_id) FROM ranges GROUP BY number ORDER BY number",
        given,
    ).fetchall()
    return [last for (last,) in found[:-1] if last is not None]


def _dealt_out(
    database: duckdb.DuckDBPyConnection,
    source: str,
    given: dict[str, Any],
    bounds: Sequence[str],
    scratch: Path,
) -> list[Path]:
    """Write each row to the file of its range, and return the files in order."""
    named = {f"bound_{number}": bound for number, bound in enumerate(bounds)}
    cases = " ".join(
        f"WHEN session_id <= $bound_{number} THEN {number}" for number in range(len(bounds))
    )
    of_row = f"CASE {cases} ELSE {len(bounds)} END" if bounds else "0"
    rows = database.sql(
        f"SELECT *, {of_row} AS {_RANGE} FROM {source}",  # noqa: S608 - no value is in it
        params={**given, **named},
    ).to_arrow_reader(_ROWS_AT_ONCE)
    schema = rows.schema.remove(rows.schema.get_field_index(_RANGE))
    paths = [scratch / f"{number}.arrow" for number in range(len(bounds) + 1)]
    with ExitStack() as files:
        writers = [files.enter_context(pa.ipc.new_file(path, schema)) for path in paths]
        for batch in rows:
            numbers = batch.column(_RANGE)
            plain = batch.drop_columns([_RANGE])
            for number in pc.unique(numbers).to_pylist():
                writers[number].write_batch(plain.filter(pc.equal(numbers, number)))
    return paths
