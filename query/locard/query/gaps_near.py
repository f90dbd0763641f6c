"""What is missing, doubled or dropped near the numbers of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

from locard.query.gap_view import NUMBERED, gaps_of

_GAPS: Final = """
    SELECT collector_id, incarnation, first_seq, last_seq, count, what, drop_reason FROM ({gaps})
    WHERE what <> 'unaccounted' ORDER BY ALL
"""
_BEYOND: Final = 10_000  # numbers before and behind an answer that are looked at
_MOST_RUNS: Final = 50  # of collectors, beyond which all their numbers are looked at


def gaps_near(
    connection: duckdb.DuckDBPyConnection,
    spans: Mapping[tuple[str, str], tuple[int, int]],
    *,
    is_all: bool,
) -> list[dict[str, Any]]:
    """Return the gaps of these sources; of an answer those that touch its numbers.

    A collector that runs for long numbers millions of events, and a session has few of them: so
    only the numbers near those are looked at, and a gap that goes on further is cut there.

    Args:
        spans: of each collector's run, the first and last number in the answer.
        is_all: the answer is about the whole lake.

    Returns:
        rows of the view `gaps` as dictionaries, without what is merely unaccounted.

    Raises:
        duckdb.Error: the lake cannot be read.
    """
    if not spans:
        return []
    near: dict[tuple[str, str], tuple[int, int]] = {}
    if not is_all and len(spans) <= _MOST_RUNS:
        near = {who: (max(0, a - _BEYOND), b + _BEYOND) for who, (a, b) in spans.items()}
    rows = connection.execute(*_asked(sorted({name for name, _ in spans}), near)).fetchall()
    names = ("collector_id", "incarnation", "first_seq", "last_seq", "count", "what", "drop_reason")
    found = []
    for row in rows:
        gap = dict(zip(names, row, strict=True))
        who = gap["collector_id"], gap["incarnation"]
        begin, end = near.get(who, (gap["first_seq"], gap["last_seq"]))
        gap["first_seq"], gap["last_seq"] = max(begin, gap["first_seq"]), min(end, gap["last_seq"])
        gap["count"] = gap["last_seq"] - gap["first_seq"] + 1
        span = spans.get(who)
        if span and (
            is_all or (gap["last_seq"] >= span[0] - 1 and gap["first_seq"] <= span[1] + 1)
        ):
            found.append(gap)
    return found


def _asked(
    collectors: Sequence[str], near: Mapping[tuple[str, str], tuple[int, int]]
) -> tuple[str, list[Any]]:
    """Return the statement for gaps of these collectors, near these numbers where there are any."""
    if not near:
        whole = "FROM gaps WHERE collector_id IN (SELECT unnest($1::VARCHAR[]))"
        return _GAPS.format(gaps=whole), [list(collectors)]
    windows, values = [], list[Any]([list(collectors)])
    for (collector, incarnation), (begin, end) in near.items():
        first = len(values) + 1
        windows.append(
            f"(collector_id = ${first} AND incarnation IS NOT DISTINCT FROM ${first + 1}"
            f" AND seq BETWEEN ${first + 2} AND ${first + 3})"
        )
        values += [collector, incarnation, begin, end]
    stated = f"{NUMBERED} AND list_contains($1::VARCHAR[], collector_id)"
    return _GAPS.format(gaps=gaps_of(" OR ".join(windows), stated)), values
