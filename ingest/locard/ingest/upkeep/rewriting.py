"""Writing files of the lake anew: the same rows, in fewer files and another order.

Or, where the record is lawfully changed, what that change makes of the rows and nothing else.
DuckDB reads and sorts, with a bound on its memory and the rest on disk; pyarrow writes, as the
publisher does. One commit takes the old files out and the new ones in. Before it, what was written
is read back and held against what was to be written: no row may change on the way.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from locard.ingest.delta import NO_HOOKS, PARTITION_COLUMN, first_line
from locard.ingest.lake_store import lake_store, remove, size_of
from locard.ingest.upkeep.emptying import teach
from locard.ingest.upkeep.live_files import SORTED, live_files
from locard.ingest.upkeep.plan import DEFAULT_SIZES, FileSizes, Rewrite
from locard.ingest.upkeep.row_files import (
    add_action,
    as_in_files,
    partition_of,
    write_rows,
)
from locard.ingest.upkeep.sorting import sorted_rows
from locard.schema import CannotContinue, LakePlace, RetryableError, StateUnknown

APPLICATION: Final = "locard/upkeep"
"""The name under which Delta counts rewrites: of two at once one is refused."""

UPKEEP_KEY: Final = "locard.upkeep"
_MEMORY: Final = 1_000_000_000
_SHARE_OF_A_RANGE: Final = 4  # of memory: rows are there twice while they are sorted


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


@dataclass(frozen=True)
class Change:
    """A lawful change of rows, in DuckDB's SQL over the columns of the lake.

    Args:
        columns: what becomes of some columns; the others stay.
        keep: the condition of the rows that stay.
        parameters: values of named parameters in both.
        told: JSON values that the commit says of it, by their keys; no content.
    """

    columns: Mapping[str, str]
    keep: str
    parameters: Mapping[str, Any] = field(repr=False)
    told: Mapping[str, Any] = field(repr=False)


class Rewriter:
    """Rewrites files of the lake at a place.

    Args:
        sizes: of the files that are written.
        memory: bytes that sorting may use; what is more goes to a disk.
    """

    def __init__(
        self, place: LakePlace, sizes: FileSizes = DEFAULT_SIZES, memory: int = _MEMORY
    ) -> None:
        self.place = place
        self._store = lake_store(place)
        self._sizes = sizes
        self._memory = memory

    def rewrite(
        self, table: DeltaTable, wanted: Rewrite, change: Change | None = None
    ) -> Rewritten:
        """Write the files of `wanted` anew and return when that is durable.

        Args:
            table: at the version that `wanted` was planned on.
            change: what is to be different afterwards; nothing by default.

        Raises:
            RetryableError: another rewrite was made meanwhile; plan again.
            CannotContinue: a file cannot be read or written. Nothing was changed.
        """
        before = table.version()
        if not {file.path for file in wanted.files} <= {file.path for file in live_files(table)}:
            raise self._others_were_faster()
        written: list[str] = []
        with self._store.adding():
            try:
                added, rows = self._write(wanted, change, written)
            except BaseException as error:
                remove(self._store, written)
                if isinstance(error, (OSError, duckdb.Error, pa.ArrowException)):
                    raise self._could_not(wanted, error) from error
                raise
            self._commit(table, wanted, change, added, written)
        self._store.sync_log(table, before)
        return Rewritten(
            wanted.day,
            wanted.is_closed,
            len(wanted.files),
            len(added),
            sum(file.size for file in wanted.files),
            sum(action.size for action in added),
            rows,
        )

    def _write(
        self, wanted: Rewrite, change: Change | None, written: list[str]
    ) -> tuple[list[AddAction], int]:
        """Write the new files, synced and checked; return what Delta is to know, and the rows.

        Args:
            written: to which the path of each is appended before it is made.
        """
        begin = SORTED if wanted.is_closed else "merged-"
        directory = f"{PARTITION_COLUMN}={wanted.day:%Y-%m-%d}"
        actions = []
        with self._store.scratch() as spill, self.database(spill) as database:
            old = self._store.readable(database, [file.path for file in wanted.files])
            if _fingerprint(database, READ, {"files": old})[0] != sum(f.rows for f in wanted.files):
                raise CannotContinue(
                    f"files of {wanted.day} in the lake at {self.place} do not hold the rows that "
                    "its log says; `locard doctor` tells more. Nothing was changed"
                )
            if change:
                teach(database)
            source, parameters = _changed(change)
            expected = _fingerprint(database, source, {"files": old, **parameters})
            rows = sorted_rows(
                database,
                source,
                {"files": old, **parameters},
                spill,
                self._memory // _SHARE_OF_A_RANGE,
            )
            batches = as_in_files(rows, self._store, [file.path for file in wanted.files])
            while (first := next(batches, None)) is not None:
                path = f"{directory}/{begin}{secrets.token_hex(8)}.parquet"
                written.append(path)
                with self._store.files.open_output_stream(path) as file:
                    statistics = write_rows(file, first, batches, self._sizes.target)
                self._store.sync([path])
                size = size_of(self._store, path)
                actions.append(
                    add_action(path, size, wanted.day, statistics, is_change=change is not None)
                )
            new = {"files": self._store.readable(database, written)}
            if (_fingerprint(database, READ, new) if written else (0, 0)) != expected:
                raise CannotContinue(
                    f"rows of {wanted.day} changed while they were written anew to the lake at "
                    f"{self.place}, which must never be; nothing was changed. Report it"
                )
        self._store.sync([directory])
        return actions, expected[0]

    def _commit(
        self,
        table: DeltaTable,
        wanted: Rewrite,
        change: Change | None,
        added: Sequence[AddAction],
        written: Sequence[str],
    ) -> None:
        now = int(time.time() * 1000)
        removed = [
            RemoveAction(file.path, change is not None, now, file.size, partition_of(wanted.day))
            for file in wanted.files
        ]
        count = table.transaction_version(APPLICATION) or 0
        told = {"files": len(wanted.files), "became": len(added), "day": f"{wanted.day}"}
        metadata = {UPKEEP_KEY: json.dumps(told)}
        if change:
            metadata |= {key: json.dumps(value) for key, value in change.told.items()}
        try:
            table.create_write_transaction(
                [*added, *removed],
                "append",
                table.schema(),
                [PARTITION_COLUMN],
                commit_properties=CommitProperties(
                    custom_metadata=metadata,
                    app_transactions=[Transaction(APPLICATION, count + 1)],
                ),
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError as error:  # certain: it was not made
            remove(self._store, written)
            raise self._others_were_faster() from error
        except (DeltaError, OSError) as error:
            self._settle(table, wanted, count + 1, written, error)

    def _settle(
        self,
        table: DeltaTable,
        wanted: Rewrite,
        number: int,
        written: Sequence[str],
        error: Exception,
    ) -> None:
        """Find out from the lake what became of a commit that was reported as failed."""
        try:
            table.update_incremental()
        except (DeltaError, OSError) as unreadable:
            # The files stay: perhaps the lake consists of them now.
            raise StateUnknown(
                f"the lake at {self.place} did not confirm that files were written anew and cannot "
                f"be read: {first_line(unreadable)}; run upkeep again when it can"
            ) from unreadable
        if table.transaction_version(APPLICATION) != number:
            remove(self._store, written)
            raise self._could_not(wanted, error) from error

    def _others_were_faster(self) -> RetryableError:
        return RetryableError(
            f"another upkeep was at work on the lake at {self.place}; nothing was changed here, "
            "the next run looks again"
        )

    def _could_not(self, wanted: Rewrite, error: Exception) -> CannotContinue:
        told = getattr(error, "strerror", None) or first_line(error)
        return CannotContinue(
            f"files of {wanted.day} in the lake at {self.place} could not be written anew: {told}; "
            "make room or correct the permissions. Nothing was changed"
        )

    @contextmanager
    def database(self, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a database within the bounds of memory, for one piece of work.

        Args:
            spill: a directory, made where it is needed, for what does not fit.
        """
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": f"{self._memory // 1_000_000}MB",
                "temp_directory": str(spill),
                "preserve_insertion_order": True,
            }
        )
        try:
            database.execute("SET TimeZone = 'UTC'")
            yield database
        finally:
            database.close()


READ: Final = "read_parquet($files, union_by_name=true, hive_partitioning=false)"
"""The rows of files that the parameter `files` names."""


def _changed(change: Change | None) -> tuple[str, Mapping[str, Any]]:
    """Return where rows come from, and the parameters of that."""
    if change is None:
        return READ, {}
    columns = ", ".join(f"{becomes} AS {name}" for name, becomes in change.columns.items())
    source = f"(SELECT * REPLACE ({columns}) FROM {READ} WHERE {change.keep})"  # noqa: S608
    return source, change.parameters


def _fingerprint(
    database: duckdb.DuckDBPyConnection, source: str, parameters: Mapping[str, Any]
) -> tuple[int, int]:
    """Return what stays the same when rows change their order: their number, and their hashes."""
    found = database.execute(
        f"SELECT count(*), sum(hash(row)) FROM {source} AS row",  # noqa: S608 - no value is in it
        dict(parameters),
    ).fetchall()
    ((count, hashes),) = found
    return int(count), int(hashes or 0)
