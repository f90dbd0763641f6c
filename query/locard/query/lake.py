"""Opening a lake for questions: an ordinary DuckDB connection with the documented views.

The connection sees the lake as it was when it was opened: the list of files comes from one version
of the Delta table, so writing beside it does no harm. Files of older versions lack columns, and
those of newer minor versions have more: every column that this version knows is there, and the
others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from locard.query.event_view import PLACED, PLACES
from locard.query.macros import MACROS
from locard.query.refusals import FILE_TROUBLE
from locard.query.versions import live_files
from locard.query.views import VIEWS
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    BucketPlace,
    CannotContinue,
    EventCore,
    LakePlace,
)

STORED: Final = ("log_topic_id", "log_partition", "log_offset", "redaction", "evidence")
"""The columns that storing adds: the names of `STORED_COLUMNS`, which costs much more to import."""

_NO_EXTENSIONS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # a name in SQL is never a variable of ours
}
_PARTITION: Final = "ingest_date"
_PARTITION_OF_FILE: Final = f"{_PARTITION}=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/[^/]*$"
_GLOB: Final = re.compile(r"[*?\[]")


def connect(
    lake: LakePlace, *, workflows: frozenset[str] | None = None, version: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection whose views show the lake at this place.

    Times come back in UTC. No DuckDB extension is downloaded.

    Args:
        workflows: only rows of these are there, whatever is asked; `None` is all. What is missing
            cannot be told of a part of the lake, so `gaps` and `streams` are empty then.
        version: of the table; by default the newest.

    Raises:
        CannotContinue: there is no lake, it cannot be read, or it is of another major format.
    """
    version, files = live_files(lake, version)
    connection = duckdb.connect(config=_NO_EXTENSIONS)
    try:
        if isinstance(lake, BucketPlace):
            lake.let_read(connection)
        with reading():
            _tell(connection, version, files, workflows)
            _define(connection, files, workflows)
    except BaseException:
        connection.close()
        raise
    return connection


def confine(connection: duckdb.DuckDBPyConnection, lake: LakePlace | None = None) -> None:
    """Let statements on this connection read the lake's files and nothing else of the machine.

    DuckDB does not know files that may be read and not written: a statement that somebody else
    wrote has to go through `locard.query.statements.run`, which lets none pass that writes.

    Args:
        lake: it may be refreshed to later versions, so that all files of this lake may be read; by
            default those that the connection was opened on, and no others.
    """
    (files,) = connection.execute("SELECT getvariable('lake_files')").fetchone() or ([],)
    if lake is None:
        connection.execute("SET allowed_paths = $1", [sorted({*files, *map(_literal, files)})])
    else:
        directory = lake.uri if isinstance(lake, BucketPlace) else str(lake.absolute())
        connection.execute("SET allowed_directories = $1", [[directory]])
    connection.execute("SET temp_directory = ''")  # else what is read could be spilled into a file
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def reading() -> Iterator[None]:
    """Turn DuckDB's errors into ours: its text may quote what was read.

    Raises:
        CannotContinue: a file of the lake cannot be read.
    """
    try:
        yield
    except duckdb.IOException as error:
        raise CannotContinue(FILE_TROUBLE) from error
    except duckdb.Error as error:
        raise CannotContinue(
            f"a file of the lake is damaged ({type(error).__name__}); restore it from a copy"
        ) from error


def refresh(connection: duckdb.DuckDBPyConnection, lake: LakePlace, version: int) -> bool:
    """Let an open connection see another version of its lake, with the same scope.

    What was read of files that both versions have need not be read again.

    Returns:
        whether it does; not where the version has other columns, and so needs another connection.

    Raises:
        CannotContinue: as `connect`.
    """
    version, files = live_files(lake, version)
    with reading():
        connection.abort()  # what the last question left unread
        ((scope,),) = connection.execute("SELECT getvariable('lake_scope')").fetchall()
        workflows = None if scope is None else frozenset(scope)
        before = connection.table(PLACED)
        rows = _rows(connection, files, workflows) if files else None
        if rows is None or (rows.columns, rows.types) != (before.columns, before.types):
            return False
        rows.create_view(PLACED, replace=True)
        _tell(connection, version, files, workflows)
    return True


def _tell(
    connection: duckdb.DuckDBPyConnection,
    version: int,
    files: list[str],
    workflows: frozenset[str] | None,
) -> None:
    """Let statements know what the connection shows."""
    scope = None if workflows is None else sorted(workflows)
    for name, value in (
        ("lake_version", version),
        ("lake_scope", scope),
        ("lake_files", files),
    ):
        connection.execute(f"SET VARIABLE {name} = $1", [value])


def _rows(
    connection: duckdb.DuckDBPyConnection, files: list[str], workflows: frozenset[str] | None
) -> duckdb.DuckDBPyRelation:
    """Return the rows of these files that are in the scope, with every known column."""
    found = connection.read_parquet(
        list(map(_literal, files)),
        union_by_name=True,
        hive_partitioning=False,  # a directory above the lake may be called `kind=…`
    )
    rows = _with_known_columns(found)
    if workflows is None:
        return rows
    names = ", ".join(map(_quoted, sorted(workflows)))
    return rows.filter(f"workflow_id IN ({names})" if names else "false")


def _define(
    connection: duckdb.DuckDBPyConnection, files: list[str], workflows: frozenset[str] | None
) -> None:
    """Define the rows of the lake over its files, and the views over those."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")
    if not files:
        rows = _empty_rows(connection)
        rows.project("*, 0::UBIGINT AS file_number, 0::BIGINT AS row_in_file").create(PLACED)
        _define_views(connection, is_part=workflows is not None)
        return
    rows = _rows(connection, files, workflows)
    # To define a view DuckDB reads the heads of all files again; over an empty table it need not.
    columns = zip(map(_identifier, rows.columns), rows.types, strict=True)
    connection.execute(f"CREATE TABLE {PLACED} ({', '.join(f'{n} {t}' for n, t in columns)})")
    _define_views(connection, is_part=workflows is not None)
    connection.execute(f"DROP TABLE {PLACED}")
    rows.create_view(PLACED)


def _define_views(connection: duckdb.DuckDBPyConnection, *, is_part: bool) -> None:
    connection.execute(
        f"CREATE VIEW lake_rows AS SELECT * EXCLUDE ({', '.join(PLACES)}) FROM {PLACED}"  # noqa: S608
    )
    for view in VIEWS:
        # A collector's numbers go over all its workflows: of a part of them nobody can tell.
        is_unknown = is_part and view.name in ("gaps", "streams")
        sql = f"SELECT * FROM ({view.sql}) WHERE false" if is_unknown else view.sql  # noqa: S608
        connection.execute(f"CREATE VIEW {view.name} AS {sql}")
    for macro in MACROS:
        connection.execute(f"CREATE MACRO {macro.signature} AS TABLE {macro.sql}")
    described = ", ".join(
        f"({number}, {_quoted(view.name)}, {_quoted(view.row)})"
        for number, view in enumerate(VIEWS)
    )
    connection.execute(f"""
        CREATE VIEW views AS
        SELECT described.name, described.row,
            list(columns.column_name ORDER BY columns.column_index) AS columns
        FROM (VALUES {described}) AS described(number, name, row)
        JOIN duckdb_columns() AS columns ON columns.table_name = described.name
        GROUP BY ALL ORDER BY min(described.number)
    """)  # noqa: S608 - made of the constants in `views`


def _with_known_columns(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Add to the rows what their files lack: their partition, and columns unknown back then."""
    added = []
    if _PARTITION not in rows.columns:
        date = f"regexp_extract(filename, '{_PARTITION_OF_FILE}', 1)"
        added.append(f"CAST(nullif({date}, '') AS DATE) AS {_PARTITION}")
    missing = known_columns() - set(rows.columns)
    if missing:
        types = _types()
        added += [f"CAST(NULL AS {types[name]}) AS {name}" for name in sorted(missing)]
    places = ["file_index AS file_number", "file_row_number AS row_in_file"]
    return rows.project(", ".join(["*", *added, *places]))


def known_columns() -> set[str]:
    """Return the names of the columns that every version of this major format may name."""
    bodies = (event_type.body_type() for event_type in EVENT_TYPE_OF_KIND.values())
    return {"kind", *EventCore.model_fields, *STORED} - {"body", "seal"} | {
        name for body in bodies for name in body.model_fields
    }


def _types() -> dict[str, str]:
    """Return the DuckDB type of each known column."""
    with duckdb.connect(config=_NO_EXTENSIONS) as connection:
        rows = _empty_rows(connection)
        return dict(zip(rows.columns, map(str, rows.types), strict=True))


def _empty_rows(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    # Imported where it is needed, since pyarrow takes longer to import than a question to answer.
    import pyarrow as pa

    from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS

    partition = pa.field(_PARTITION, pa.date32())
    columns = pa.schema([*EVENT_COLUMNS, *STORED_COLUMNS, partition])
    return connection.from_arrow(columns.empty_table())


def _literal(path: str) -> str:
    """Return the path so that DuckDB takes it for one file and not for a pattern of names."""
    return _GLOB.sub(lambda found: f"[{found.group()}]", path)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
