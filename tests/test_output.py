"""What is printed: tables that fit and are cut for the eye alone, machine formats that are not."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lakes import publish
from locard.cli.commands import locard
from locard.query import write_rows
from locard.query.layout import cut, cut_middle, padded, shares, width_of
from locard.query.moments import moment
from locard.query.output import plain, terminal_width
from locard.schema import CannotContinue
from making import event, said

HOSTILE = "a\x1b[31m\r\n=1\u202e\x7f\x9b日本"
words = st.text(st.sampled_from("ab日本👍é\u0301 \x1b\n"), max_size=60)


def printed(columns, rows, format_name: str, **options) -> str:
    """Return what is written for these rows."""
    stream = io.StringIO()
    write_rows(columns, rows, format_name, stream, **options)
    return stream.getvalue()


def value_of(sql: str):
    """Return one value as DuckDB hands it out, times in UTC."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {sql}").fetchone()[0]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("NULL", None),
        ("true", True),
        ("-5", -5),
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("1.5::DOUBLE", 1.5),
        ("'NaN'::DOUBLE", "nan"),
        ("'-inf'::DOUBLE", "-inf"),
        ("1.10::DECIMAL(9, 2)", 1.1),
        ("7.00::DECIMAL(9, 2)", 7),
        ("0.1234567890123456789012345::DECIMAL(38, 25)", "0.1234567890123456789012345"),
        ("'x'", "x"),
        ("'\\xAA\\x00'::BLOB", "aa00"),
        ("DATE '2026-05-04'", "2026-05-04"),
        ("TIME '09:32:00.5'", "09:32:00.500000"),
        ("TIMESTAMP '2026-05-04 09:32:00'", "2026-05-04T09:32:00"),
        ("TIMESTAMPTZ '2026-05-04 09:32:00+02'", "2026-05-04T07:32:00.000000Z"),
        ("'infinity'::TIMESTAMP", "9999-12-31T23:59:59.999999"),
        ("'294247-01-10 04:00:54'::TIMESTAMP", "294247-01-10 04:00:54"),
        ("INTERVAL '26 hours 3 minutes'", "1 day 02:03:00"),
        ("INTERVAL '-90.25 seconds'", "-00:01:30.250000"),
        ("uuid '1edbb191-2606-89f6-8171-4e2d955eaff3'", "1edbb191-2606-89f6-8171-4e2d955eaff3"),
        ("[1, NULL, 2]", [1, None, 2]),
        ("{'a': [DATE '2026-05-04'], 'b': {'c': 1.5}}", {"a": ["2026-05-04"], "b": {"c": 1.5}}),
        ("MAP {'x': 1}", {"x": 1}),
        ("MAP {2: 'x'}", {"2": "x"}),
        ("MAP {DATE '2026-05-04': INTERVAL '1 hour'}", {"2026-05-04": "01:00:00"}),
        ("'a'::ENUM ('a')", "a"),
        ("'101'::BIT", "101"),
        ("union_value(k := 1)", 1),
    ],
)
def test_a_value_of_any_type_is_printed_in_every_format(sql, expected):
    """Dates, intervals, decimals, bytes and nested values come out exact, in each format."""
    value = value_of(sql)
    assert plain(value) == expected
    assert json.loads(printed(["v"], [[value]], "json")) == [{"v": expected}]
    assert json.loads(printed(["v"], [[value]], "jsonl")) == {"v": expected}
    told = "" if expected is None else expected
    told = told if isinstance(told, str) else json.dumps(told)
    ((_,), (cell,)) = csv.reader(io.StringIO(printed(["v"], [[value]], "csv")))
    assert cell.removeprefix("'") == told
    assert printed(["v"], [[value]], "table").splitlines()[2].strip() == told


def test_a_time_of_day_keeps_its_zone():
    """A time of day with a zone is printed with it."""
    assert plain(time(9, 32, tzinfo=timezone(timedelta(hours=2)))) == "09:32:00+02:00"


def test_machine_formats_have_the_whole_text():
    """Text of any length and with any character comes back equal from JSON and JSON lines."""
    text = HOSTILE + "x" * 100_000
    assert json.loads(printed(["t"], [[text]], "jsonl"))["t"] == text
    assert json.loads(printed(["t"], [[text]], "json"))[0]["t"] == text
    (_, (cell,)) = csv.reader(io.StringIO(printed(["t"], [["y" * 100_000]], "csv")))
    assert len(cell) == 100_000


@pytest.mark.parametrize("format_name", ["table", "json", "jsonl", "csv"])
def test_nothing_that_is_printed_acts_on_a_terminal(format_name):
    """Hostile text is inert in every format and wherever it stands: names, values, keys."""
    row = [HOSTILE, [HOSTILE, {HOSTILE: HOSTILE}]]
    output = printed([HOSTILE, "nested"], [row], format_name)
    found = {c for c in output if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert found == {"\n"}


def test_numbers_stay_numbers_in_csv():
    """Negative numbers can be added up; text that only looks like one is no formula."""
    rows = [[-5, -1.5, Decimal("-2.50"), "-5", "+49 30", True, None]]
    assert printed(list("abcdefg"), rows, "csv").splitlines()[1] == "-5,-1.5,-2.5,'-5,'+49 30,true,"


def test_columns_of_one_name_are_all_kept():
    """Two columns of the same name are both there, in JSON under numbered names."""
    names = ["a", "a", "a_2"]
    assert json.loads(printed(names, [[1, 2, 3]], "jsonl")) == {"a": 1, "a_2": 2, "a_2_2": 3}
    assert printed(names, [[1, 2, 3]], "csv") == "a,a,a_2\n1,2,3\n"


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [("table", "a  b\n─  ─\n"), ("csv", "a,b\n"), ("json", "[]\n"), ("jsonl", "")],
)
def test_an_empty_result_still_says_what_was_asked(format_name, expected):
    """Without rows the names of the columns are printed where the format has a place for them."""
    assert printed(["a", "b"], [], format_name) == expected


@given(
    st.lists(st.tuples(words, words, st.none() | st.integers()), max_size=5), st.integers(22, 90)
)
def test_a_table_fits_its_width_and_its_columns_are_aligned(rows, width):
    """No line is wider than allowed, and every row has its cells under the heading's."""
    output = printed(["first", "second", "third"], rows, "table", width=width)
    heading, rule, *body = output.splitlines()
    assert len(body) == len(rows)
    assert all(width_of(line) <= width for line in (heading, rule, *body))
    ends = [index for index, character in enumerate(rule) if character == " "][1::2]
    for line in body:  # the gaps of the rule are blank in every row
        cells = "".join(c + "\0" * (width_of(c) - 1) for c in line if width_of(c))
        assert all(cells[end - 1 : end + 1].strip() == "" for end in ends)


def test_a_table_is_never_cut_where_no_width_is_given():
    """In a pipe a table has every character, however wide it becomes."""
    assert "x" * 5000 in printed(["t"], [["x" * 5000]], "table")


def test_cells_of_numbers_stand_to_the_right():
    """Numbers are aligned by their last digit, text by its first."""
    output = printed(["text", "number"], [["a", 5], ["b", -1234]], "table").splitlines()
    assert output[2:] == ["a          5", "b      -1234"]


def test_a_row_with_no_room_for_its_columns_is_shown_field_by_field():
    """Forty columns do not fit a terminal; then each field has a line, those without value none."""
    names = [f"column{number}" for number in range(40)]
    row = [*["some value"] * 39, None]
    output = printed(names, [row, row], "table", width=80).splitlines()
    assert output[0].startswith("── row 1 ─")
    assert output[1] == "column0   some value"
    assert len(output) == 2 * 40


def test_what_is_cut_says_so():
    """A cell that was cut ends with an ellipsis, also where much of it is invisible."""
    for text in ("x" * 100, "\u1161" * 5000, "日" * 30):
        (line,) = printed(["t"], [[text]], "table", width=20).splitlines()[2:]
        assert line.endswith("…")


@given(words.map(lambda text: text.replace("\x1b", "").replace("\n", "")), st.integers(0, 40))
def test_text_is_cut_by_columns_and_not_by_characters(text, columns):
    """What is cut is never wider than asked, and what fits is not touched."""
    for cutting in (cut, cut_middle):
        shown = cutting(text, columns)
        assert width_of(shown) <= columns
        assert shown == text if width_of(text) <= columns else "…" in shown or columns == 0
    assert width_of(padded(text, 70)) == max(70, width_of(text))


def test_an_id_is_cut_in_its_middle():
    """The end of an id tells it apart, so it stays."""
    assert cut_middle("gemini/slack/user_task_20/injection_task_3", 21) == "gemini/sla…ion_task_3"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(0, 120))
def test_room_is_shared_so_that_the_widest_give_way(wanted, room):
    """Columns get what they want where there is room, else the narrow ones before the wide."""
    given_ = shares(wanted, room, 6)
    if given_ is None:
        assert sum(min(6, want) for want in wanted) > room
        return
    assert sum(given_) == min(sum(wanted), room)
    assert all(got <= want for got, want in zip(given_, wanted, strict=True))
    for got, want in zip(given_, wanted, strict=True):
        assert got == want or got >= max(given_) - 1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_only_a_terminal_has_a_width(monkeypatch):
    """A terminal's width is used; a pipe has none, so nothing is cut for it."""
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal_width(Terminal()) == 77
    assert terminal_width(io.StringIO()) is None


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-04", "2026-05-04T00:00+00:00"),
        ("2026-05-04 09:32", "2026-05-04T09:32+00:00"),
        ("2026-05-04T09:32:01.5Z", "2026-05-04T09:32:01.5+00:00"),
        ("2026-05-04T09:32+02:00", "2026-05-04T07:32+00:00"),
        ("90m", "2026-05-04T10:30+00:00"),
        (" 2 h ", "2026-05-04T10:00+00:00"),
        ("1w", "2026-04-27T12:00+00:00"),
    ],
)
def test_moments_are_read_as_people_write_them(text, expected):
    """A day, a time with or without a zone (then UTC), or how long ago."""
    assert moment(text, NOW) == datetime.fromisoformat(expected)


def test_a_day_as_an_end_counts_whole():
    """Until a day means until its end; until a time means until then."""
    assert moment("2026-05-04", NOW, is_end=True) == datetime(2026, 5, 5, tzinfo=UTC)
    assert moment("2026-05-04T00:00Z", NOW, is_end=True) == datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "9999-12-31", "999999w", "5", "5y"]
)
def test_what_is_no_moment_is_refused(text):
    """What cannot be read as a moment is told in one line, which does not repeat it."""
    with pytest.raises(CannotContinue, match="cannot be read; write it as") as refused:
        moment(text, NOW, is_end=True)
    assert "\n" not in str(refused.value)


def asked(home, *arguments: str) -> str:
    """Return what the command line prints to a pipe."""
    done = CliRunner().invoke(
        locard, ["--home", str(home), *arguments], standalone_mode=False, catch_exceptions=False
    )
    return done.stdout


@pytest.fixture
def home(tmp_path):
    """A home whose lake has a wide text and a wide session id."""
    sid = "a-session-with-a-name/that-is-wider-than/most-terminals-would-like/and-ends-so"
    wide = event("prompt", {"messages": [said("日本 " * 200)]}, session_id=sid)
    call = event(call_id="c", session_id=sid, request_model="a-model-of-some-name", lane="import")
    publish(tmp_path / "lake", wide, call)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["sessions"],
        ["timeline", "--session", "a-session"],
        ["sql", "SELECT event_id, messages FROM events"],
    ],
    ids=lambda command: command[0],
)
def test_pipes_are_cut_only_where_a_width_is_given(home, command):
    """Each reading command prints whole lines to a pipe, and cut ones with `--width`."""
    whole = asked(home, *command)
    assert max(map(width_of, whole.splitlines())) > 100
    narrow = asked(home, *command, "--width", "100")
    assert max(map(width_of, narrow.splitlines())) <= 100
    assert "…" in narrow
    assert "…" not in whole


def test_sessions_as_a_table_has_the_telling_columns_and_machines_get_all(home):
    """The table shows few columns that fit; JSON has those of the view."""
    heading = asked(home, "sessions", "--width", "100").splitlines()[0].split("  ")
    titles = [title.strip() for title in heading if title]
    assert titles == ["session", "started (UTC)", "agent, model", "events", "calls", "failed"]
    (session,) = json.loads(asked(home, "sessions", "--format", "json"))
    assert session["tool_calls"] == 1
    assert session["models"] == ["a-model-of-some-name"]


def test_in_a_narrow_table_the_id_of_a_session_stays_and_the_model_gives_way(tmp_path):
    """The id is what one goes on with, so the names of agent and model are cut before it."""
    sid = "1edbb191-2606-89f6-8171-4e2d955eaff3"
    publish(tmp_path / "lake", event(session_id=sid, agent_name="an-agent-of-some-name " * 3))
    line = asked(tmp_path, "sessions", "--width", "92").splitlines()[2]
    assert line.startswith(sid)
    assert "an-agent-" in line
    assert "…" in line


def test_several_statements_print_several_results(home):
    """Every statement's result is printed, in order."""
    assert asked(home, "sql", "SELECT 1 AS a; SELECT 2 AS b", "--format", "csv") == "a\n1\n\nb\n2\n"
    assert asked(home, "sql", "SELECT 1 AS a; SELECT 2 AS b", "--format", "jsonl") == (
        '{"a": 1}\n{"b": 2}\n'
    )


def test_a_plan_is_printed_as_it_is_laid_out(home):
    """EXPLAIN prints its plan line by line, and as a value in machine formats."""
    plan = asked(home, "sql", "EXPLAIN SELECT kind FROM events WHERE session_id = 'x'")
    assert len(plan.splitlines()) > 5
    assert "⏎" not in plan
    (row,) = json.loads(asked(home, "sql", "EXPLAIN SELECT 1", "--format", "json"))
    assert set(row) == {"explain_key", "explain_value"}


def test_dates_are_printed_as_dates():
    """A date has no time and no zone."""
    assert plain(date(2026, 5, 4)) == "2026-05-04"
    assert plain(UUID(int=1)) == str(UUID(int=1))
