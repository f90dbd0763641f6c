"""Opening a lake for questions: an ordinary DuckDB connection with the documented views.

The connection sees the lake as it was when it was opened: the list of files comes from one version
of the Delta table, so writing and rewriting beside it do no harm.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from locard.query.views import VIEWS
from locard.schema import CannotContinue, check_lake_format
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS


def connect(lake: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection whose views show the lake at this directory.

    Times come back in UTC. No DuckDB extension is downloaded.

    Raises:
        CannotContinue: there is no lake, it cannot be read, or it is of another major format.
    """
    files = _live_files(lake)
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    connection.execute("SET TimeZone = 'UTC'")
    if files:
        connection.read_parquet(files, hive_partitioning=True, union_by_name=True).create_view(
            "lake_rows"
        )
    else:
        columns = pa.schema([*EVENT_COLUMNS, *STORED_COLUMNS])
        connection.from_arrow(columns.empty_table()).create("lake_rows")
    for view in VIEWS:
        connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
    return connection


def confine(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """Let statements on this connection read the lake and nothing else of the machine."""
    connection.execute("SET allowed_directories = $1", [[str(lake.resolve())]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _live_files(lake: Path) -> list[str]:
    try:
        table = DeltaTable(lake)
        check_lake_format(table.metadata().configuration, str(lake))
        return sorted(table.file_uris())
    except TableNotFoundError as error:
        raise CannotContinue(
            f"there is no lake at {lake}; import or record something first, or name another "
            "directory with --home"
        ) from error
    except (DeltaError, OSError) as error:
        raise CannotContinue(f"the lake at {lake} cannot be read: {str(error).splitlines()[0]}") from error
