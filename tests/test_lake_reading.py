"""Opening a lake: versions, places, damage, and statements that may read it and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from lakes import publish
from locard.query import VIEWS, confine, connect, run, timeline
from locard.query.lake import STORED, known_columns, refresh
from locard.query.versions import newest_version
from locard.schema import LAKE_FORMAT_KEY, CannotContinue
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS
from making import event, said


@pytest.fixture
def lake(tmp_path):
    """A lake with one event."""
    return publish(tmp_path / "lake", event("prompt", {"messages": [said("secret words")]}))


def ask(lake, statement: str):
    """Return the rows of a statement over the lake."""
    with connect(lake) as connection:
        return connection.execute(statement).fetchall()


def rewrite(lake: Path, change) -> None:
    """Replace each file's rows by what `change` makes of them, under the same name."""
    for path in lake.glob("*/*.parquet"):
        pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def test_where_there_is_no_lake_one_is_named(tmp_path):
    """A directory without a lake is told, with what to do."""
    with pytest.raises(CannotContinue, match="there is no lake at .*--home"):
        connect(tmp_path / "nowhere")


@pytest.mark.parametrize("found", ["2.0", "10.3"])
def test_a_lake_of_a_newer_major_version_is_refused(lake, found):
    """A format that this program does not know is named beside its own, in one line."""
    log = lake / "_delta_log" / f"{0:020}.json"
    text = log.read_text().replace('"locard.format":"1.0"', f'"locard.format":"{found}"')
    assert found in text
    log.write_text(text)
    with pytest.raises(
        CannotContinue, match=f"has format {found} and this program knows 1"
    ) as told:
        connect(lake)
    assert "\n" not in str(told.value)


def test_a_table_that_is_no_lake_is_refused(tmp_path):
    """Another program's Delta table is not taken for a lake."""
    DeltaTable.create(tmp_path / "other", pa.schema([pa.field("x", pa.int64())]))
    with pytest.raises(CannotContinue, match="no Locard lake"):
        connect(tmp_path / "other")


def test_the_known_columns_are_those_of_the_schema():
    """What a lake is expected to have is what this version writes."""
    assert STORED_COLUMNS.names == list(STORED)
    assert known_columns() == {*EVENT_COLUMNS.names, *STORED_COLUMNS.names}


def test_a_lake_of_an_older_version_has_every_column(lake):
    """Columns that no file has are there without values, of the type that they have today."""
    expected = ask(lake, "DESCRIBE events")
    rewrite(lake, lambda rows: rows.drop_columns(["verdict", "caused_by", "seq", "redaction"]))
    found = ask(lake, "DESCRIBE events")
    assert {column[:2] for column in found} == {column[:2] for column in expected}
    assert ask(lake, "SELECT verdict, caused_by, seq, redaction FROM events") == [(None,) * 4]
    for view in VIEWS:
        ask(lake, f"FROM {view.name}")


def test_files_of_different_versions_are_read_together(lake):
    """A file that lacks columns and one that has more stand side by side."""
    rewrite(lake, lambda rows: rows.drop_columns(["verdict"]))
    publish(lake, event("decision", session_id="s2"))
    (newest,) = (path for path in lake.glob("*/*.parquet") if path.stat().st_mtime_ns == max(
        path.stat().st_mtime_ns for path in lake.glob("*/*.parquet")))  # fmt: skip
    rows = pq.read_table(newest, partitioning=None)
    pq.write_table(rows.append_column("delegated_to", pa.array(["an agent"])), newest)
    assert ask(lake, "SELECT kind, verdict, delegated_to FROM events ORDER BY kind") == [
        ("decision", "allow", "an agent"),
        ("prompt", None, None),
    ]
    with connect(lake) as connection:
        (row,) = timeline(connection, "s2")
    assert row.fields["delegated_to"] == "an agent"


def test_a_kind_of_a_newer_version_is_on_the_timeline(lake):
    """An event of a kind that this version does not know is shown, not passed over."""

    def renamed(rows: pa.Table) -> pa.Table:
        kind = rows.schema.get_field_index("kind")
        return rows.set_column(kind, "kind", pa.array(["delegation"]))

    rewrite(lake, renamed)
    with connect(lake) as connection:
        (row,) = timeline(connection, "s1")
    assert row.kind == "delegation"
    assert "secret words" in row.what


@pytest.mark.parametrize(
    "name",
    ["a b", "it's \"here\"", "[x]", "a*b", "what?", "{a,b}", "100%", "#1;", "‹é日本›", "kind=evil",
     "session_id=nobody", "ingest_date=1999-01-01"],
)  # fmt: skip
def test_a_lake_can_lie_anywhere(tmp_path, name):
    """Whatever the directory is called, its own rows are read as they are, confined or not."""
    lake = publish(tmp_path / name / "lake", event(session_id="s1"))
    expected = [("tool_call", "s1", "2026-05-04")]
    with connect(lake) as connection:
        statement = "SELECT kind, session_id, ingest_date::VARCHAR FROM events"
        assert connection.execute(statement).fetchall() == expected
        confine(connection)
        (answer,) = run(connection, statement)
        assert list(answer.rows) == expected


@pytest.mark.parametrize("pattern", ["a*b", "a?b", "a[x]b"])
def test_a_neighbouring_lake_is_never_read(tmp_path, pattern):
    """A directory that is named like a pattern does not match its neighbours."""
    lake = publish(tmp_path / pattern, event(session_id="ours"))
    shutil.copytree(lake, tmp_path / "axb")
    assert ask(lake, "SELECT count(*) FROM lake_rows") == [(1,)]


def test_a_relative_path_is_a_lake_too(lake, monkeypatch):
    """A lake can be named from where one stands."""
    monkeypatch.chdir(lake.parent)
    assert ask(Path("lake"), "SELECT count(*) FROM events") == [(1,)]


def test_a_connection_sees_the_lake_as_it_was_when_it_was_opened(lake):
    """What is published beside it appears with the next connection."""
    with connect(lake) as connection:
        publish(lake, event(session_id="s2"))
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    assert ask(lake, "SELECT count(*) FROM events") == [(2,)]


def test_an_open_connection_can_be_refreshed_and_keeps_its_scope(tmp_path):
    """It sees what was published since, of its workflows alone, and no other files."""
    lake = tmp_path / "lake"
    both = [event(workflow_id="mine"), event(workflow_id="others")]
    publish(lake, *both)
    with connect(lake, workflows=frozenset({"mine"})) as connection:
        confine(connection, lake)
        connection.execute("FROM events").fetchone()
        publish(lake, event(workflow_id="mine"), event(workflow_id="others"))
        assert refresh(connection, lake, newest_version(lake))
        found = connection.execute("SELECT workflow_id, count(*) FROM events GROUP BY ALL")
        assert found.fetchall() == [("mine", 2)]
        (version,) = connection.execute("SELECT getvariable('lake_version')").fetchall()
        assert version == (newest_version(lake),)
        with pytest.raises(duckdb.PermissionException):
            connection.execute("FROM read_csv('/etc/passwd')")


def test_a_version_with_other_columns_needs_another_connection(lake):
    """The views were made for the columns that there were."""
    with connect(lake) as connection:
        before = set(lake.glob("*/*.parquet"))
        publish(lake, event())
        (path,) = set(lake.glob("*/*.parquet")) - before
        rows = pq.read_table(path, partitioning=None)
        pq.write_table(rows.append_column("novel", pa.array([7] * rows.num_rows)), path)
        assert not refresh(connection, lake, newest_version(lake))


def test_a_file_that_no_commit_names_is_not_read(lake):
    """What was written and never committed is no part of the lake."""
    (file,) = lake.glob("*/*.parquet")
    shutil.copy(file, file.with_name("events-half-done.parquet"))
    assert ask(lake, "SELECT count(*) FROM lake_rows") == [(1,)]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "overwritten"])
def test_a_damaged_file_is_told_in_one_line(lake, damage):
    """A file that is gone or broken is an error with what to do, never an answer without it."""
    publish(lake, event(session_id="s2"))
    file = min(lake.glob("*/*.parquet"))
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        changed = {"empty": b"", "cut": data[:-9], "overwritten": b"\xff" * len(data)}
        file.write_bytes(changed[damage])
    with pytest.raises(
        CannotContinue, match="a file of the lake is .*restore it from a copy"
    ) as told:
        connect(lake)
    assert "\n" not in str(told.value)


def test_a_file_that_breaks_while_it_is_read_is_told_in_one_line(lake):
    """What fails in the middle of a question is told as well."""
    with connect(lake) as connection:
        (file,) = lake.glob("*/*.parquet")
        file.unlink()
        with pytest.raises(CannotContinue, match="a file of the lake is missing"):
            timeline(connection, "s1")
        with pytest.raises(CannotContinue, match="a file of the lake is missing"):
            [list(answer.rows) for answer in run(connection, "FROM events")]


@pytest.fixture
def confined(lake, monkeypatch):
    """A connection on which only the lake may be read, in an empty directory."""
    working = lake.parent / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    with connect(lake) as connection:
        confine(connection)
        yield connection


def everything(directory: Path) -> dict[str, bytes]:
    """Return every file below the directory with its bytes."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# `{live}` is a file of the lake, which may be read. Without the option DuckDB would write beside it
# first, and fail at that already.
DIRECT = "(FORMAT csv, USE_TMP_FILE false)"
ATTACKS = {
    "read a file": "SELECT * FROM read_text('/etc/hostname')",
    "read a file as a table": "FROM '/etc/hostname'",
    "read a CSV file": "FROM read_csv('/etc/passwd')",
    "read the environment": "FROM read_blob('/proc/self/environ')",
    "read beside the lake": "FROM read_text('{lake}/../beside.txt')",
    "list files": "FROM glob('/etc/*')",
    "read a database": "FROM read_duckdb('/tmp/x.db')",
    "read from the network": "FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    "read a variable of the program": "FROM a_table_of_python",
    "read secrets": "FROM duckdb_secrets()",
    "run text": "FROM query('SELECT 1')",
    "run a stored tree": "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "read memory": "FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)",
    "write a file": "COPY (SELECT 1) TO '{lake}/../stolen.csv'",
    "write into the lake": "COPY (SELECT 1) TO '{lake}/x.parquet'",
    "overwrite a file of the lake": "COPY (SELECT 1) TO '{live}' {direct}",
    "write inside of a SELECT": "WITH x AS (COPY (SELECT 1) TO '{live}' {direct}) SELECT 1",
    "write deep inside": "SELECT (WITH x AS (COPY (SELECT 1) TO '{live}' {direct}) FROM x)",
    "write while explaining": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{live}' {direct}",
    "write while explaining, hidden": "EXPLAIN /**/ (ANALYZE) COPY (SELECT 1) TO '{live}' {direct}",
    "write by way of a pivot": "COPY (PIVOT events ON kind USING count(*)) TO '{live}' {direct}",
    "write by a prepared statement": "PREPARE p AS COPY (SELECT 1) TO '{live}' {direct}; EXECUTE p",
    "write after a harmless statement": "SELECT 1; COPY (SELECT 1) TO '{live}' {direct}",
    "write into a temporary directory": "COPY (SELECT 1) TO '.tmp/x.csv'",
    "export": "EXPORT DATABASE '{lake}/export'",
    "import": "IMPORT DATABASE '{lake}'",
    "attach a file": "ATTACH '{lake}/x.db'",
    "attach another database": "ATTACH ':memory:' AS other",
    "copy a database": "COPY FROM DATABASE memory TO other",
    "install an extension": "INSTALL httpfs",
    "load an extension": "LOAD httpfs",
    "load an extension of one's own": "LOAD '{lake}/x.duckdb_extension'",
    "update extensions": "UPDATE EXTENSIONS",
    "change a setting": "SET threads = 1",
    "change a setting by PRAGMA": "PRAGMA enable_profiling = 'json'",
    "allow everything again": "SET enable_external_access = true",
    "write the log of queries": "CALL enable_logging(storage := 'file', storage_path := '{lake}')",
    "log by SELECT": "FROM enable_logging()",
    "keep a secret": "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "change what a view is": "CREATE OR REPLACE VIEW events AS SELECT 1",
    "drop a view": "DROP VIEW events",
    "change which files are read": "SET VARIABLE lake_files = ['/etc/passwd']",
    "define a macro": "CREATE MACRO m() AS TABLE FROM read_text('/etc/hostname')",
    "change rows": "WITH x AS (DELETE FROM lake_rows RETURNING *) FROM x",
    "begin a transaction": "BEGIN",
    "stop the program": "CALL force_checkpoint()",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_statement_cannot(attack, confined, lake):
    """It is refused in one line; no file was read, written or changed, and questions go on."""
    (live,) = lake.glob("*/*.parquet")
    (lake.parent / "beside.txt").write_text("beside")
    a_table_of_python = pa.table({"x": [1]})
    before = everything(lake.parent)
    statement = ATTACKS[attack].format(lake=lake, live=live, direct=DIRECT)
    with pytest.raises(CannotContinue, match="the statement (was not run|failed): ") as refused:
        [list(answer.rows) for answer in run(confined, statement)]
    assert "\n" not in str(refused.value)
    assert everything(lake.parent) == before
    assert confined.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    assert len(a_table_of_python) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{lake}/x.parquet'",
        "COPY (SELECT 1) TO '.tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "FROM read_text('/etc/hostname')",
        "ATTACH '{lake}/x.db'",
        "INSTALL httpfs",
        "SET threads = 1",
        "SET allowed_directories = ['/']",
    ],
)
def test_a_confined_connection_refuses_by_itself(confined, lake, statement):
    """Even what is not looked at first can reach no other file, and change no setting."""
    before = everything(lake.parent)
    with pytest.raises(duckdb.Error):
        confined.execute(statement.format(lake=lake)).fetchall()
    assert everything(lake.parent) == before


def test_a_confined_connection_spills_nothing_into_files(confined):
    """What is read does not end in a temporary file: there is no directory for one."""
    (found,) = confined.execute("SELECT current_setting('temp_directory')").fetchone()
    assert found == ""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT kind, count(*) FROM events GROUP BY ALL ORDER BY ALL LIMIT 3",
        "FROM events",
        "TABLE events",
        "VALUES (1), (2)",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH a AS (SELECT 1 AS x), b AS MATERIALIZED (FROM a) FROM b",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r",
        "PIVOT events ON kind IN ('prompt', 'decision') USING count(*)",
        "UNPIVOT (SELECT event_id, kind FROM events) ON COLUMNS(*) INTO NAME n VALUE v",
        "SELECT e.*, t.value FROM events AS e, json_each(messages) AS t",
        "SELECT unnest([1, 2]), (SELECT max(i) FROM range(3) AS t(i))",
        "SELECT count(*) FILTER (kind = 'prompt') OVER (PARTITION BY session_id) FROM events",
        "SELECT COLUMNS(* EXCLUDE kind) FROM events USING SAMPLE 1",
        "SELECT list_transform([1], lambda x: x + 1), CAST(1 AS DECIMAL(9, 2))",
        "SELECT '[1]'::JSON ->> '$', {'a': 1}.a, MAP {'x': 1}['x']",
        "DESCRIBE events",
        "DESCRIBE SELECT 1",
        "SUMMARIZE events",
        "SHOW TABLES",
        "SHOW events",
        "SELECT * FROM views",
        "SELECT table_name FROM information_schema.tables",
        "EXPLAIN FROM events",
        "EXPLAIN ANALYZE FROM events",
        "explain (format json) select 1",
        "EXPLAIN (SELECT 1)",
        "-- a comment\n/* and another */ SELECT 1 -- and one more",
        "SELECT 1; SELECT 2;",
        "SELECT ';', '--', 'COPY'",
    ],
)
def test_questions_are_answered(confined, statement):
    """Whatever only reads runs, in every form that SQL has for it."""
    for answer in run(confined, statement):
        assert answer.columns
        list(answer.rows)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT kin FROM events", '"kin" not found in FROM clause! Candidate bindings: "kind"'),
        ("FROM event", 'Table with name event does not exist! Did you mean "events"?'),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        (
            "SELECT messages::INT FROM events",
            "a value of column messages cannot be converted to INT32",
        ),
        ("SELECT json(replace(messages, '[', '')) FROM events", "a text is no JSON"),
        ("SELECT error(messages) FROM events", "a value is not what a function needs"),
        ("SELECT strptime(messages, '%Y') FROM events", "a value is not what a function needs"),
        ("SELECT 2000000000::INT * 2::INT FROM events", "a number is out of range"),
        ("SELECT $1", "it has parameters such as $1"),
        ("SELECT (SELECT unnest([1, 2]))", "a subquery in an expression has several rows"),
        ("SELECT kind FROM events ORDER BY 5", "ORDER term out of range"),
        ("PIVOT events ON kind USING count(*)", "PIVOT has to name its values"),
        ("", "there is no statement; `SELECT * FROM views`"),
        ("-- nothing", "there is no statement"),
        ("SELECT '\x1b[31m' FROM nowhere\u202e", "nowhere<U+202E> does not exist"),
    ],
)
def test_an_error_is_one_line_that_helps_and_quotes_nothing(confined, statement, told):
    """DuckDB's hints about the statement stay; what was read is never in the message."""
    with pytest.raises(CannotContinue) as failed:
        [list(answer.rows) for answer in run(confined, statement)]
    assert told in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1
    assert "secret" not in str(failed.value)


def test_nothing_runs_unless_everything_may(confined):
    """A text of several statements is checked as a whole before its first statement runs."""
    answers = run(confined, "SELECT 1; DROP VIEW events")
    with pytest.raises(CannotContinue, match="was not run"):
        next(answers)


def test_rows_cannot_be_changed_inside_of_a_select(tmp_path):
    """Rows that DuckDB keeps itself, as those of a lake without events, cannot be changed."""
    with connect(publish(tmp_path / "empty")) as connection:
        for change in ("UPDATE lake_rows SET kind = 'x'", "DELETE FROM lake_rows"):
            with pytest.raises(CannotContinue, match="was not run: it may only read"):
                next(run(connection, f"WITH x AS ({change} RETURNING *) FROM x"))


def test_a_large_result_is_read_piece_by_piece(confined):
    """Rows are handed on as they come, all of them and in order."""
    (answer,) = run(confined, "SELECT i FROM range(2500) AS t(i)")
    assert [i for (i,) in answer.rows] == list(range(2500))


def test_a_newer_file_beside_an_older_one_in_the_log(lake):
    """A file that another writer of a newer minor version added is part of the lake."""
    (file,) = lake.glob("*/*.parquet")
    rows = pq.read_table(file, partitioning=None).append_column("novel", pa.array([7]))
    relative = f"{file.parent.name}/events-newer.parquet"
    pq.write_table(rows, lake / relative)
    table = DeltaTable(lake)
    added = AddAction(
        relative, (lake / relative).stat().st_size, {"ingest_date": "2026-05-04"}, 0,
        data_change=True, stats=json.dumps({"numRecords": 1}),
    )  # fmt: skip
    table.create_write_transaction([added], "append", table.schema(), ["ingest_date"])
    assert table.metadata().configuration[LAKE_FORMAT_KEY] == "1.0"
    assert ask(lake, "SELECT novel FROM lake_rows ORDER BY ALL") == [(7,), (None,)]
    assert ask(lake, "SELECT count(*) FROM events") == [(1,)]
