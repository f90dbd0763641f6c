"""Which offsets of the event log rows have, told as ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import duckdb

from locard.ingest.segments import application_id
from locard.ingest.upkeep.rewriting import READ

_PARAMETER: Final = re.compile(r"\$(\w+)")


def offset_ranges(
    database: duckdb.DuckDBPyConnection, condition: str, parameters: Mapping[str, Any]
) -> dict[str, list[tuple[int, int]]]:
    """Return the offsets of rows, those that follow each other as one range.

    Args:
        condition: of the rows, in SQL.
        parameters: of the condition, and `files`.
    """
    sql = (
        "WITH chosen AS (SELECT log_topic_id, log_partition, log_offset, log_offset - row_number()"  # noqa: S608
        " OVER (PARTITION BY log_topic_id, log_partition ORDER BY log_offset) AS island"
        f" FROM {READ} WHERE {condition})"
        " SELECT log_topic_id, log_partition, min(log_offset), max(log_offset) + 1"
        " FROM chosen GROUP BY log_topic_id, log_partition, island ORDER BY ALL"
    )
    named = set(_PARAMETER.findall(sql))  # DuckDB refuses others
    found = database.execute(sql, {name: parameters[name] for name in named}).fetchall()
    ranges: dict[str, list[tuple[int, int]]] = {}
    for topic_id, partition, first, following in found:
        ranges.setdefault(application_id(topic_id, partition), []).append((first, following))
    return ranges
