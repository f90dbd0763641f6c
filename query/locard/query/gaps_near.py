"""What is missing, doubled or dropped near the numbers of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

from locard.query.gap_view import NUMBERED, gaps_of, numbered

_GAPS: Final = """
    SELECT collector_id, incarnation, first_seq, last_seq, count, what, drop_reason FROM ({gaps})
    WHERE what <> 'unaccounted' ORDER BY ALL
"""
_LATER: Final = """
    SELECT collector_id, incarnation, principal, seq, event_id FROM lake_rows
    WHERE collector_id = $1 AND incarnation IS NOT DISTINCT FROM $2 AND seq > $3 LIMIT 1
"""
"""Any row further on: that there is one makes the numbers before it known."""
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
    later = [
        row
        for who, (_, end) in near.items()
        for row in connection.execute(_LATER, [*who, end]).fetchall()
    ]
    collectors = sorted({name for name, _ in spans})
    rows = connection.execute(*_asked(collectors, near, later)).fetchall()
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
    collectors: Sequence[str],
    near: Mapping[tuple[str, str], tuple[int, int]],
    later: Sequence[tuple[Any, ...]],
) -> tuple[str, list[Any]]:
    """Return the statement for gaps of these collectors, near these numbers where there are any.

    Args:
        near: of a collector's run, the first and last number to look at.
        later: rows that count as well.
    """
    if not near:
        whole = "FROM gaps WHERE collector_id IN (SELECT unnest($1::VARCHAR[]))"
        return _GAPS.format(gaps=whole), [list(collectors)]
    values: list[Any] = [list(collectors)]
    # One statement for each, since of alternatives DuckDB takes none to the files.
    parts = []
    for who, window in near.items():
        a, b, c, d = _places(values, (*who, *window))
        parts.append(
            numbered(
                f"collector_id = {a} AND incarnation IS NOT DISTINCT FROM {b}"
                f" AND seq BETWEEN {c} AND {d}"
            )
        )
    parts += [f"SELECT {', '.join(_places(values, row))}" for row in later]
    stated = f"{NUMBERED} AND list_contains($1::VARCHAR[], collector_id)"
    return _GAPS.format(gaps=gaps_of(" UNION ALL ".join(parts), stated)), values


def _places(values: list[Any], more: Sequence[Any]) -> list[str]:
    """Add values to those of a statement, and return how it names them."""
    values += more
    return [f"${n}" for n in range(len(values) - len(more) + 1, len(values) + 1)]
