"""Statements that somebody wrote: only such as read, one after the other, errors in one line.

DuckDB can confine a connection to some files, but not to reading them, and a statement that begins
with SELECT can write (`WITH x AS (COPY …)`). So each statement is taken apart by DuckDB's own
parser, and what is not known to only read is refused before anything runs. Functions that make
rows are allowed by name: others read files, run text as SQL, or take a memory address. So are those
that compute a value: others tell of files, settings or other rows than the one they are given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import duckdb

from locard.query.inert import one_line
from locard.query.macros import MACROS
from locard.query.refusals import errors_told
from locard.query.views import VIEWS
from locard.schema import CannotContinue

_ROWS_AT_ONCE: Final = 1000
_READING_NODES: Final = frozenset(
    {"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"}
)
_FUNCTIONS: Final = frozenset(
    files(__package__).joinpath("functions.txt").read_text(encoding="utf-8").split()
)
_TABLE_FUNCTIONS: Final = frozenset(macro.name for macro in MACROS) | frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_types",
        "generate_series",
        "json_each",
        "json_tree",
        "range",
        "repeat",
        "unnest",
    }
)
_TABLES: Final = frozenset({"lake_rows", "views", *(view.name for view in VIEWS)})
_NAME: Final = re.compile(r"\w+")
_SCHEMAS: Final = frozenset({"", "main", "memory", "system", "information_schema"})
_OF_INFORMATION_SCHEMA: Final = frozenset({"columns", "tables"})
_EXPLAIN: Final = re.compile(
    r"explain(?P<analyze>\s+analyze)?(?P<options>\s*\([\w\s,]*\))?(?=[\s(])", re.IGNORECASE
)
_ONLY_READS: Final = (
    "the statement was not run: it may only read the lake, with SELECT, FROM, WITH, VALUES, PIVOT, "
    "DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"
)


@dataclass(frozen=True)
class Answer:
    """What one statement gives.

    Args:
        rows: read as they are asked for; to be used up before the next answer.
        is_plan: it explains a statement, in text that is already laid out.
    """

    columns: list[str]
    rows: Iterator[tuple[Any, ...]] = field(repr=False)
    is_plan: bool = False


def run(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    *,
    only_one: bool = False,
    only_views: bool = False,
) -> Iterator[Answer]:
    """Run the statements in `text` one after the other and yield what each gives.

    Nothing runs unless all of them only read. The connection should be confined as well.

    Args:
        only_one: more than one statement is refused.
        only_views: nothing can be named but the documented views, and no plan is told: whoever
            may see a part of the lake could read the rest from its files, or count it.

    Raises:
        CannotContinue: there is no statement, one does not only read, or it failed.
    """
    with errors_told():
        statements = connection.extract_statements(text)
    if not statements:
        raise CannotContinue("there is no statement; `SELECT * FROM views` lists what can be asked")
    if only_one and len(statements) > 1:
        raise CannotContinue("the statement was not run: there are several; send one at a time")
    for statement in statements:
        _check(connection, statement, only_views=only_views)
    for statement in statements:
        with errors_told():
            result = connection.execute(statement)
        columns = [column[0] for column in result.description or ()]
        yield Answer(columns, _rows(result), _kind(statement) == duckdb.StatementType.EXPLAIN)


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    with errors_told():
        while batch := result.fetchmany(_ROWS_AT_ONCE):
            yield from batch


def _check(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, *, only_views: bool
) -> None:
    """Return if the statement only reads."""
    match _kind(statement):
        case duckdb.StatementType.SELECT:
            candidates = [statement.query]
        case duckdb.StatementType.EXPLAIN if only_views:
            raise CannotContinue("the statement was not run: a plan tells of the whole lake")
        case duckdb.StatementType.EXPLAIN:
            candidates = _explained(statement.query)
        case duckdb.StatementType.MULTI:
            raise CannotContinue(
                "the statement was not run: PIVOT has to name its values here, as in "
                "PIVOT tool_calls ON outcome IN ('ok', 'error') USING count(*)"
            )
        case _:
            raise CannotContinue(_ONLY_READS)
    for candidate in candidates:
        tree = _tree(connection, candidate)
        if tree is not None:
            found = forbidden(tree) or (
                _other_than_views(tree, _relations(connection)) if only_views else None
            )
            if found is None:
                return
            raise CannotContinue(f"{_ONLY_READS}; `{one_line(found)}` is something else")
    raise CannotContinue(_ONLY_READS)


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    """Return the kind of a statement, `None` where DuckDB's own client does not know it."""
    try:
        return statement.type
    except ValueError:
        return None


def _explained(query: str) -> list[str]:
    """Return what an EXPLAIN may be about, in every way in which its beginning can be read."""
    found = _EXPLAIN.match(query)
    ends = (len("explain"), found.end("analyze"), found.end("options")) if found else ()
    return [query[end:] for end in ends if end > 0]


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the syntax tree of a query, `None` where it is something else."""
    with errors_told():
        found = connection.execute("SELECT json_serialize_sql($1)", [query]).fetchone()
    try:
        tree: dict[str, Any] = json.loads(found[0]) if found else {"error": True}
    except RecursionError:
        raise CannotContinue("the statement was not run: it is nested too deeply") from None
    if tree["error"] or len(tree["statements"]) != 1:
        return None
    return tree["statements"][0]


def forbidden(tree: Any) -> str | None:
    """Return what in a syntax tree is not known to only read; `None` where there is nothing.

    Args:
        tree: as `json_serialize_sql` makes it.
    """
    return next(filter(None, map(_forbidden_here, _objects_in(tree))), None)


def _relations(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Return the names, in lower case, of every table and view that there is."""
    found = connection.execute(
        "SELECT view_name FROM duckdb_views() UNION ALL SELECT table_name FROM duckdb_tables()"
    )
    return frozenset(name.lower() for (name,) in found.fetchall())


def _other_than_views(tree: Any, relations: frozenset[str]) -> str | None:
    """Return what in a syntax tree names a table that is no documented view; `None` for nothing.

    A name that a statement gives itself counts where nothing else can have it, neither a file nor
    a relation: outside of its WITH, and within the definition itself, it would mean that.
    """
    named = {
        str(one.get("key")).lower()
        for item in _objects_in(tree)
        for one in (item.get("cte_map") or {}).get("map", ())
    }
    own = {name for name in named if _NAME.fullmatch(name) and name not in relations}
    for item in _objects_in(tree):
        if item.get("type") == "BASE_TABLE":
            path = item.get("qualified_name", {}).get("path") or [item.get("table_name")]
            *above, name = (str(part).lower() for part in path)
            known = _OF_INFORMATION_SCHEMA if "information_schema" in above else _TABLES | own
            if name not in known or not _SCHEMAS.issuperset(above):
                return f"table {name}" if _NAME.fullmatch(name) else "the name of a file"
    return None


def _objects_in(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a syntax tree, however deep."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            yield item
            waiting += item.values()


def _forbidden_here(item: dict[str, Any]) -> str | None:
    kind = item.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READING_NODES:
        return kind.removesuffix("_NODE").removesuffix("_QUERY")
    if kind == "TABLE_FUNCTION":
        name = str(item.get("function", {}).get("function_name")).lower()
        return None if name in _TABLE_FUNCTIONS else name
    function = item.get("function_name")
    # A function that makes rows has an object of its own in that of its table.
    if isinstance(function, str) and function.lower() not in _FUNCTIONS | _TABLE_FUNCTIONS:
        return function
    return None
