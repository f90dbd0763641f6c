"""The table macros: named questions in SQL, for `locard sql` and for notebooks."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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


WORDS = st.text(alphabet='aé"\\\n 1.0e+-\U0001f600<', min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(word=WORDS)
@example(word="é\n")
@example(word='a"1')
@example(word="a\\1")
@example(word="1e30")
def test_mentions_finds_what_stands_in_the_texts(written, word):
    """Events are left out by how JSON writes them; none may have the words in a text."""
    slow = "SELECT event_id, field, text FROM texts WHERE contains(text, $1) ORDER BY ALL"
    quick = "SELECT event_id, field, text FROM mentions($1) ORDER BY ALL"
    assert written.execute(quick, [word]).fetchall() == written.execute(slow, [word]).fetchall()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A lake with texts that JSON writes in another way than they are read."""
    values = [
        'a"1',
        "a\\1",
        "é\n1",
        "\U0001f600 <a",
        1e30,
        -1.5e-7,
        10,
        True,
        None,
        {'a"é': ["1.0e+"]},
    ]
    story = Story("s1").person('say "a\\é"')
    for value in values:
        story.call("t", value=value, **{'k"é': [value]}).result(value)
    with connect(publish(tmp_path_factory.mktemp("written") / "lake", *story.events)) as lake:
        yield lake


def test_each_macro_runs_on_a_lake_without_rows(tmp_path):
    """And in a part of a lake."""
    lake = publish(tmp_path / "lake", event())
    with connect(lake, workflows=frozenset()) as connection:
        for macro in MACROS:
            assert connection.execute(f"FROM {macro.name}('x')").fetchall() == []
