"""The view `events` and its quicker ways leave out the same copies, and never the last one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakes import publish
from locard.query import Selection, connect
from locard.query.event_view import events_of, events_where
from locard.query.selection import select

CORE_ALONE = '{"policy":"no-content/1"}'
COLUMNS = (
    "session_id", "workflow_id", "principal", "event_id", "ingested_at", "log_offset", "redaction",
    "trace_id", "seq", "file_number", "row_in_file",
)  # fmt: skip
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "s1", "s2", "s3"]),
        st.sampled_from([None, "billing"]),
        st.sampled_from([None, "a"]),
        st.sampled_from(["e1", "e2", "e3"]),
        st.integers(0, 2).map(lambda second: NOON + timedelta(seconds=second)),
        st.integers(0, 2),
        st.sampled_from(["{}", CORE_ALONE]),
        st.sampled_from(["t1", "t2", None]),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with connect(publish(tmp_path_factory.mktemp("empty") / "lake")) as connection:
        yield connection


def fill(connection, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Put these rows into an empty lake."""
    made = [dict(zip(COLUMNS, (*row, n, n % 3, n), strict=True)) for n, row in enumerate(rows)]
    connection.execute("DELETE FROM placed_rows")
    for row in made:
        names, numbers = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
        sql = f"INSERT INTO placed_rows ({names}) VALUES ({numbers})"  # noqa: S608
        connection.execute(sql, list(row.values()))
    return made


def survivors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the copy of each event that counts, as plain Python tells it."""

    def name(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(
            repr(row[key]) for key in ("session_id", "workflow_id", "principal", "event_id")
        )

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        is_core_alone = row["redaction"] == CORE_ALONE
        place = row["log_offset"], row["file_number"], row["row_in_file"]
        return (is_core_alone, row["ingested_at"], *place)

    return [min(copies, key=rank) for _, copies in groupby(sorted(rows, key=name), key=name)]


def answered(connection, statement: str, values: list[Any]) -> list[int]:
    sql = f"SELECT seq FROM ({statement}) ORDER BY 1"  # noqa: S608
    found = connection.execute(sql, values).fetchall()
    return [seq for (seq,) in found]


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(row["seq"] for row in rows)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_every_way_gives_the_copy_that_counts(empty, rows):
    """The view, the sessions read whole, and a condition agree with a plain reading of the rule."""
    made = fill(empty, rows)
    told = survivors(made)
    assert answered(empty, "FROM events", []) == numbers(told)
    assert answered(empty, "FROM events WHERE session_id = $1", ["s1"]) == numbers(
        [row for row in told if row["session_id"] == "s1"]
    )
    assert answered(empty, events_of("session_id IN ($1, $2)"), ["s1", "s2"]) == numbers(
        [row for row in told if row["session_id"] in ("s1", "s2")]
    )
    of_trace = [row for row in told if row["trace_id"] == "t1"]
    assert answered(empty, "FROM events WHERE trace_id = $1", ["t1"]) == numbers(of_trace)
    assert answered(empty, events_where("trace_id = $1"), ["t1"]) == numbers(of_trace)
    assert answered(empty, *select(empty, Selection(trace_id="t1"))) == numbers(of_trace)
