"""The table macros: named questions in SQL, for `locard sql` and for notebooks."""

from __future__ import annotations

import pytest

from lakes import publish
from locard.query import confine, connect, run
from locard.query.macros import MACROS
from making import event, said
from told import Story

STORY = Story("s1").person("Read the mail about invoice 7").read("invoice 7 is due").call("pay")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    other = event("prompt", {"messages": [said("another invoice")]}, session_id="s2")
    return publish(tmp_path_factory.mktemp("lake") / "lake", *STORY.events, other)


@pytest.mark.parametrize(
    ("call", "column", "expected"),
    [
        ("session_events('s1')", "kind", ["prompt", "tool_call", "tool_result", "tool_call"]),
        ("mentions('invoice 7')", "session_id", ["s1", "s1"]),
        ("calls_of('pay')", "tool_name", ["pay"]),
        ("untrusted_texts('s1')", "text", ["invoice 7 is due"]),
        ("mentions(''' OR true --')", "session_id", []),
    ],
)
def test_a_macro_gives_what_it_says(lake, call, column, expected):
    """As a statement that somebody else wrote, on a connection that may do nothing else."""
    with connect(lake) as connection:
        confine(connection)
        (answer,) = run(connection, f"SELECT {column} FROM {call}")  # noqa: S608 - as given above
        assert [value for (value,) in answer.rows] == expected


def test_each_macro_runs_on_a_lake_without_rows(tmp_path):
    """And in a part of a lake."""
    lake = publish(tmp_path / "lake", event())
    with connect(lake, workflows=frozenset()) as connection:
        for macro in MACROS:
            assert connection.execute(f"FROM {macro.name}('x')").fetchall() == []
