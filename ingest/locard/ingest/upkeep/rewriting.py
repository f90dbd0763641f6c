"""Writing files of the lake anew: the same rows, in fewer files and another order.

DuckDB reads and sorts, with a bound on its memory and the rest on disk; pyarrow writes, as the
publisher does. One commit takes the old files out and the new ones in. Before it, what was written
is read back and held against what was read: no row may change on the way.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from locard.ingest.delta import (
    NO_HOOKS,
    PARTITION_COLUMN,
    files_being_added,
    first_line,
    sync_log,
)
from locard.ingest.durable import fsync_path
from locard.ingest.upkeep.live_files import SORTED, live_files
from locard.ingest.upkeep.plan import DEFAULT_SIZES, FileSizes, Rewrite
from locard.schema import CannotContinue, RetryableError, StateUnknown, rfc3339

APPLICATION: Final = "locard/upkeep"
"""The name under which Delta counts rewrites: of two at once one is refused."""

UPKEEP_KEY: Final = "locard.upkeep"
_ORDER: Final = "session_id NULLS LAST, occurred_at, log_topic_id, log_partition, log_offset"
_ROWS_IN_GROUP: Final = 65_536
SPILL: Final = "_upkeep"  # Delta passes over what begins with an underscore
_MEMORY: Final = "1GB"


@dataclass(frozen=True)
class Rewritten:
    """What a rewrite did; see `Rewrite`."""

    day: date
    is_closed: bool
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows: int


class Rewriter:
    """Rewrites files of the lake at `path`.

    Args:
        sizes: of the files that are written.
        memory: what DuckDB may use, as it writes sizes; what is more goes to disk, in the lake.
    """

    def __init__(self, path: Path, sizes: FileSizes = DEFAULT_SIZES, memory: str = _MEMORY) -> None:
        self.path = path
        self._sizes = sizes
        self._memory = memory

    def rewrite(self, table: DeltaTable, wanted: Rewrite) -> Rewritten:
        """Write the files of `wanted` anew and return when that is durable.

        Args:
            table: at the version that `wanted` was planned on.

        Raises:
            RetryableError: another rewrite was made meanwhile; plan again.
            CannotContinue: a file cannot be read or written. Nothing was changed.
        """
        before = table.version()
        if not {file.path for file in wanted.files} <= {file.path for file in live_files(table)}:
            raise self._others_were_faster()
        written: list[Path] = []
        with files_being_added(self.path):
            try:
                added = self._write(wanted, written)
            except BaseException as error:
                _remove(written)
                if isinstance(error, (OSError, duckdb.Error, pa.ArrowException)):
                    raise self._could_not(wanted, error) from error
                raise
            self._commit(table, wanted, added, written)
        sync_log(table, self.path, before)
        return Rewritten(
            wanted.day,
            wanted.is_closed,
            len(wanted.files),
            len(added),
            sum(file.size for file in wanted.files),
            sum(action.size for action in added),
            sum(file.rows for file in wanted.files),
        )

    def _write(self, wanted: Rewrite, written: list[Path]) -> list[AddAction]:
        """Write the new files, synced and checked, and return what Delta is to know of each.

        Args:
            written: to which the path of each is appended before it is made.
        """
        old = [str(self.path / file.path) for file in wanted.files]
        begin = SORTED if wanted.is_closed else "merged-"
        relative = f"{PARTITION_COLUMN}={wanted.day:%Y-%m-%d}"
        actions = []
        with self._database() as database:
            expected = _fingerprint(database, old)
            if expected[0] != sum(file.rows for file in wanted.files):
                raise CannotContinue(
                    f"files of {wanted.day} in the lake at {self.path} do not hold the rows that "
                    "its log says; `locard doctor` tells more. Nothing was changed"
                )
            rows = database.sql(
                f"SELECT * FROM {_READ} ORDER BY {_ORDER}",  # noqa: S608 - constants
                params=[old],
            ).to_arrow_reader(_ROWS_IN_GROUP)
            batches = _as_in_files(rows, old)
            while (first := next(batches, None)) is not None:
                name = f"{begin}{secrets.token_hex(8)}.parquet"
                path = self.path / relative / name
                written.append(path)
                statistics = _write_file(path, first, batches, self._sizes.target)
                fsync_path(path)
                actions.append(_action(f"{relative}/{name}", path, wanted.day, statistics))
            if _fingerprint(database, [str(path) for path in written]) != expected:
                raise CannotContinue(
                    f"rows of {wanted.day} changed while they were written anew to the lake at "
                    f"{self.path}, which must never be; nothing was changed. Report it"
                )
        fsync_path(self.path / relative)
        return actions

    def _commit(
        self,
        table: DeltaTable,
        wanted: Rewrite,
        added: Sequence[AddAction],
        written: Sequence[Path],
    ) -> None:
        now = int(time.time() * 1000)
        removed = [
            RemoveAction(file.path, False, now, file.size, _partition(wanted.day))
            for file in wanted.files
        ]
        count = table.transaction_version(APPLICATION) or 0
        told = {"files": len(wanted.files), "became": len(added), "day": f"{wanted.day}"}
        try:
            table.create_write_transaction(
                [*added, *removed],
                "append",
                table.schema(),
                [PARTITION_COLUMN],
                commit_properties=CommitProperties(
                    custom_metadata={UPKEEP_KEY: json.dumps(told)},
                    app_transactions=[Transaction(APPLICATION, count + 1)],
                ),
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError as error:  # certain: it was not made
            _remove(written)
            raise self._others_were_faster() from error
        except (DeltaError, OSError) as error:
            self._settle(table, wanted, count + 1, written, error)

    def _settle(
        self,
        table: DeltaTable,
        wanted: Rewrite,
        number: int,
        written: Sequence[Path],
        error: Exception,
    ) -> None:
        """Find out from the lake what became of a commit that was reported as failed."""
        try:
            table.update_incremental()
        except (DeltaError, OSError) as unreadable:
            # The files stay: perhaps the lake consists of them now.
            raise StateUnknown(
                f"the lake at {self.path} did not confirm that files were written anew and cannot "
                f"be read: {first_line(unreadable)}; run upkeep again when it can"
            ) from unreadable
        if table.transaction_version(APPLICATION) != number:
            _remove(written)
            raise self._could_not(wanted, error) from error

    def _others_were_faster(self) -> RetryableError:
        return RetryableError(
            f"another upkeep was at work on the lake at {self.path}; nothing was changed here, the "
            "next run looks again"
        )

    def _could_not(self, wanted: Rewrite, error: Exception) -> CannotContinue:
        told = getattr(error, "strerror", None) or first_line(error)
        return CannotContinue(
            f"files of {wanted.day} in the lake at {self.path} could not be written anew: {told}; "
            "make room or correct the permissions. Nothing was changed"
        )

    @contextmanager
    def _database(self) -> Iterator[duckdb.DuckDBPyConnection]:
        spill = self.path / SPILL / secrets.token_hex(8)
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": self._memory,
                "temp_directory": str(spill),
                "preserve_insertion_order": True,
            }
        )
        try:
            database.execute("SET TimeZone = 'UTC'")
            yield database
        finally:
            database.close()
            shutil.rmtree(spill, ignore_errors=True)


_READ: Final = "read_parquet($1, union_by_name=true, hive_partitioning=false)"


def _fingerprint(database: duckdb.DuckDBPyConnection, files: Sequence[str]) -> tuple[int, int]:
    """Return what stays the same when rows change their order: their number, and their hashes."""
    found = database.execute(
        f"SELECT count(*), sum(hash(row)) FROM {_READ} AS row",  # noqa: S608 - a constant
        [list(files)],
    ).fetchall()
    ((count, hashes),) = found
    return int(count), int(hashes or 0)


def _as_in_files(rows: pa.RecordBatchReader, files: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows with the columns' types and metadata as the files have them."""
    schema = pa.unify_schemas([pq.read_schema(file) for file in files]).remove_metadata()
    for batch in rows:
        if batch.num_rows:
            yield pa.table(batch).select(schema.names).cast(schema)


def _write_file(
    path: Path, first: pa.Table, following: Iterator[pa.Table], target: int
) -> dict[str, Any]:
    """Write rows to a file until it is large enough, and return Delta's statistics of it."""
    rows = 0
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    with pq.ParquetWriter(
        path, first.schema, compression="zstd", write_page_checksum=True, use_dictionary=True
    ) as writer:
        table: pa.Table | None = first
        while table is not None:
            writer.write_table(table, row_group_size=_ROWS_IN_GROUP)
            rows += table.num_rows
            for name in ("occurred_at", "session_id"):
                found = pc.min_max(table[name]).as_py()
                if found["min"] is not None:
                    least[name] = min(found["min"], least.get(name, found["min"]))
                    most[name] = max(found["max"], most.get(name, found["max"]))
            table = next(following, None) if path.stat().st_size < target else None
    for bounds in (least, most):
        bounds["occurred_at"] = rfc3339(bounds["occurred_at"])
    return {
        "numRecords": rows,
        "minValues": least,
        "maxValues": most,
        "nullCount": {"occurred_at": 0},
    }


def _action(relative: str, path: Path, day: date, statistics: dict[str, Any]) -> AddAction:
    status = path.stat()
    return AddAction(
        relative,
        status.st_size,
        _partition(day),
        int(status.st_mtime * 1000),
        data_change=False,
        stats=json.dumps(statistics),
    )


def _partition(day: date) -> dict[str, str | None]:
    return {PARTITION_COLUMN: f"{day:%Y-%m-%d}"}


def _remove(written: Sequence[Path]) -> None:
    """Remove what no commit names; what cannot be removed now is an orphan for later."""
    for path in written:
        with suppress(OSError):
            path.unlink(missing_ok=True)
