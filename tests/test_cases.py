"""Cases: nothing that anybody wrote is lost, overwritten, or comes alive."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lakes import publish
from locard.cli.commands import locard
from locard.query.cases import Cases, open_cases
from locard.query.cases.export import html, json_lines, markdown
from locard.schema import CannotContinue, RetryableError
from making import event, said

HOSTILE = (
    "</pre><script>alert(1)</script> ``` \n# heading ![x](http://evil.example/x) \x1b[2J\u202e"
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request, tmp_path) -> Path | str:
    """Where cases are kept: nothing that is said here may depend on which it is."""
    if request.param == "sqlite":
        return tmp_path / "cases.sqlite"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def cases(place) -> Cases:
    found = open_cases(place)
    found.open("c-1", "A payment is missing", "os:noa")
    return found


def test_what_stands_is_what_was_done_in_order(cases):
    """Pins, stars, tags and the status, and all that led there stays told."""
    cases.add("c-1", "os:noa", "pinned", event_id="e1", session_id="s1")
    cases.add("c-1", "os:ben", "pinned", event_id="e2")
    cases.add("c-1", "os:ben", "tagged", event_id="e1", text="ioc")
    cases.add("c-1", "os:ben", "starred", event_id="e1")
    cases.add("c-1", "os:noa", "unpinned", event_id="e2")
    cases.add("c-1", "os:noa", "status", text="contained")
    guess = cases.add("c-1", "os:noa", "hypothesis", text="It was the mail")
    cases.add("c-1", "os:ben", "settled", text="right", data={"hypothesis": guess.number})
    case = cases.case("c-1")
    assert (case.pins, case.stars, case.tags) == ({"e1": "s1"}, {"e1"}, {"e1": ("ioc",)})
    assert (case.status, case.settled(guess.number)) == ("contained", "right")
    assert case.authors == ["os:ben", "os:noa"]
    assert [entry.number for entry in case.entries] == list(range(1, 10))


def test_responders_who_write_at_once_overwrite_nothing(place):
    """Eight at once, through connections of their own: each comment is there, each number once."""
    open_cases(place).open("c", "t", "a")

    def write(author: int) -> None:
        mine = open_cases(place)
        for number in range(10):
            mine.add("c", f"a{author}", "comment", text=f"{author}-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    entries = open_cases(place).case("c").entries
    assert [entry.number for entry in entries] == list(range(1, 82))
    said_by = [entry.text for entry in entries if entry.author == "a3"]
    assert said_by == [f"3-{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        ("pinned", {}, "name the event"),
        ("comment", {"text": "  "}, "nothing in it"),
        ("status", {"text": "lost"}, "open, contained, closed"),
        ("settled", {"text": "x", "data": {"hypothesis": 1}}, "no hypothesis"),
        ("shouted", {"text": "x"}, "no entry of this kind"),
        ("comment", {"text": "a\x00b"}, "NUL"),
        ("comment", {"text": "a\udcffb"}, "half of a character"),
    ],
)
def test_what_cannot_be_is_told(cases, kind, told, expected):
    """And the case stays as it was."""
    with pytest.raises(CannotContinue, match=expected):
        cases.add("c-1", "os:noa", kind, **told)
    assert len(cases.case("c-1").entries) == 1


@pytest.mark.parametrize("case_id", ["", "a/b", "../x", "a b", "x" * 101, "-x"])
def test_an_id_that_cannot_be_one_is_told(tmp_path, case_id):
    """It becomes part of file names and commands."""
    with pytest.raises(CannotContinue, match="id of a case"):
        open_cases(tmp_path / "c.sqlite").open(case_id, "t", "a")


def test_words_come_back_as_they_were(cases):
    """Marks of statements, quotes, other scripts, and what would end a command."""
    words = "%s ? $1 '; DROP TABLE case_entries; -- \\ \N{SNOWMAN}\U0001f600\r\n\t"
    cases.add("c-1", words, "comment", text=words, data={"\x00": [words, None, 1.5]})
    entry = cases.case("c-1").entries[-1]
    assert (entry.author, entry.text, entry.data) == (words, words, {"\x00": [words, None, 1.5]})


def test_an_entry_that_is_refused_leaves_the_case_usable(cases):
    """What was begun is undone, and nobody else waits for it."""
    with pytest.raises(CannotContinue, match="no such case"):
        cases.add("c-2", "os:noa", "comment", text="x")
    assert cases.find("c-2") is None
    assert cases.add("c-1", "os:noa", "comment", text="x").number == 2
    assert [case.case_id for case in cases.cases()] == ["c-1"]


@pytest.mark.postgres
def test_a_database_that_is_away_can_be_tried_again(postgres):
    """The error says what to do, and does not have the URL, which may have a password."""
    place = postgres.new_database()
    cases = open_cases(place)
    cases.open("c", "t", "a")
    postgres.stop()
    try:
        with pytest.raises(RetryableError, match="see that it runs") as caught:
            cases.case("c")
    finally:
        postgres.start()
    assert "postgresql://" not in str(caught.value)
    assert cases.case("c").title == "t"


@pytest.mark.postgres
def test_a_database_in_which_nothing_may_be_made_is_told(postgres):
    """Somebody has to grant it; trying again would not help."""
    import psycopg

    place = postgres.new_database()
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(CannotContinue, match="may create and write"):
        open_cases(place.replace("locard@", "guest@")).cases()


def test_a_case_can_be_exported_where_there_is_no_lake(tmp_path):
    """Before anything was recorded or pinned there is a case already."""
    open_cases(tmp_path / "cases.sqlite").open("c", "a title", "os:noa")
    options = ["--home", str(tmp_path), "case", "export", "c"]
    told = CliRunner().invoke(locard, options, env={"LOCARD_ACCESS_TRAIL": "off"})
    assert (told.exit_code, "a title" in told.stdout) == (0, True)


def test_looking_for_cases_makes_no_file(tmp_path):
    """A home may be on a medium that cannot be written."""
    assert open_cases(tmp_path / "cases.sqlite").cases() == []
    assert open_cases(tmp_path / "cases.sqlite").find("c") is None
    assert list(tmp_path.iterdir()) == []


def test_a_case_is_opened_once(cases):
    """The second of one id is told, and the first stays."""
    with pytest.raises(CannotContinue, match="already"):
        cases.open("c-1", "another", "os:ben")
    assert cases.case("c-1").title == "A payment is missing"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.found.add(tag)


def outside_fences(text: str) -> list[str]:
    """Return the lines of Markdown that stand in no fenced block."""
    fence, found = "", []
    for line in text.split("\n"):
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if line == fence else fence
        elif len(ticks) >= 3:
            fence = ticks
        else:
            found.append(line)
    assert not fence
    return found


KEPT = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


@given(st.text(KEPT, min_size=1, max_size=60).filter(str.strip) | st.just(HOSTILE))
def test_nothing_that_was_written_comes_alive_in_an_export(tmp_path_factory, words):
    """Whatever is written: no tag in HTML, no markup in Markdown, one object a line in JSON."""
    cases = open_cases(tmp_path_factory.mktemp("c") / "cases.sqlite")
    cases.open("c", words, words)
    cases.add("c", words, "comment", text=words, event_id="e")
    cases.add("c", words, "pinned", event_id="e", session_id=words)
    case = cases.add("c", words, "hypothesis", text=words) and cases.case("c")
    parser = _Tags()
    parser.feed(html(case, {}, "whole"))
    assert parser.found <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "pre",
    }
    for line in outside_fences(markdown(case, {}, "whole")):
        rest = line.lstrip("#").strip()
        assert not rest or (rest[0] == "`" and rest[-1] == "`")
    told = [json.loads(line) for line in json_lines(case, {}, "whole").splitlines()]
    assert [one["type"] for one in told] == ["case", *["entry"] * 4, "event"]
    assert told[2]["text"] == words


def test_a_case_from_the_command_line(tmp_path):
    """Opened, filled, exported with what was pinned, and each step in the access trail."""
    bad = event("prompt", {"messages": [said(HOSTILE)]}, session_id="s1")
    publish(tmp_path / "lake", bad)

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(
            locard, ["--home", str(tmp_path), *arguments], standalone_mode=False
        )
        assert done.return_value == status, done.output
        return done.stdout

    event_id = str(bad.event_id)
    run("case", "open", "c-1", "A payment is missing")
    run("case", "pin", "c-1", event_id[:13], "the", "first step")
    run("case", "tag", "c-1", event_id, "ioc")
    run("case", "comment", "c-1", "look at this", "--event", event_id[:8])
    wrong = ["--home", str(tmp_path), "case", "comment", "c-1", "no", "--event", "ffffffff"]
    assert "no event of this id" in str(CliRunner().invoke(locard, wrong).exception)
    run("case", "view", "c-1", "mine", "--session", "s1", "--since", "2026-05-04")
    run("case", "status", "c-1", "closed")
    (listed,) = json.loads(run("case", "list", "--format", "json"))
    assert (listed["status"], listed["pins"]) == ("closed", 1)
    told = run("case", "export", "c-1", "--as", "markdown")
    assert "look at this" in told
    assert "ioc" in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "<script>" not in run("case", "export", "c-1", "--as", "html")
    assert len(run("case", "export", "c-1", "--as", "jsonl").splitlines()) == 8
    entries = json.loads(run("case", "show", "c-1", "--format", "json"))
    assert [entry["kind"] for entry in entries] == [
        "opened", "pinned", "tagged", "comment", "view", "status",
    ]  # fmt: skip
    assert entries[1]["text"] == "the first step"
    assert entries[3]["event_id"] == event_id
