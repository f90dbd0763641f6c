"""Which rows of a lake go into a bundle: chosen by one SQL statement, which the bundle quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from locard.schema import CannotContinue, JsonValue, rfc3339

_FROM: Final = "read_parquet($files, union_by_name=true, hive_partitioning=false)"
_ORDER: Final = "ORDER BY log_topic_id, log_partition, log_offset"


@dataclass(frozen=True)
class Selection:
    """Whose events, and of when; all of what is given has to fit.

    Args:
        sessions: any of these.
        since: an aware time by the source's clock; from then on.
        until: likewise; before then.
    """

    sessions: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> tuple[str, dict[str, Any]]:
        """Return the statement and its parameters; `files` are those of the lake."""
        conditions = []
        parameters: dict[str, Any] = {}
        if self.sessions:
            conditions.append("session_id IN (SELECT unnest($sessions))")
            parameters["sessions"] = list(self.sessions)
        for name, comparison in (("since", ">="), ("until", "<")):
            if (moment := getattr(self, name)) is not None:
                conditions.append(f"occurred_at {comparison} CAST(${name} AS TIMESTAMPTZ)")
                parameters[name] = rfc3339(moment)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT * FROM {_FROM}{where} {_ORDER}", parameters  # noqa: S608

    def rows(self, lake: Path, files: Sequence[str]) -> pa.Table:
        """Return the rows, in the order of the log.

        Raises:
            CannotContinue: a file of the lake cannot be read.
        """
        sql, parameters = self.query()
        paths = [str(lake / path) for path in files]
        with duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        ) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            try:
                return connection.sql(sql, params=parameters | {"files": paths}).to_arrow_table()
            except duckdb.Error as error:
                raise CannotContinue(
                    f"a file of the lake at {lake} cannot be read ({type(error).__name__}); "
                    "`locard verify` tells which"
                ) from error

    def told(self) -> dict[str, JsonValue]:
        """Return what the bundle says of this."""
        sql, parameters = self.query()
        return {"sql": sql, "parameters": parameters}
