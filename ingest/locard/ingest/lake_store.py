"""What holds the lake's files: a disk, or an object store. They differ in what makes a write last.

On a disk a file lasts once it and its directory are synced, which delta-rs never does; on an object
store once its PUT is answered. On a disk a lock keeps vacuum from taking a file that no commit
names yet for an orphan; on an object store only its age does.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, SubTreeFileSystem

from locard.evidence.durable import fsync_path, make_directory_durably
from locard.ingest.delta import (
    LOG,
    PARTITION_COLUMN,
    files_being_added,
    first_line,
    no_files_being_added,
    sync_log,
)
from locard.schema import (
    BucketPlace,
    CannotContinue,
    LakePlace,
    LocardError,
    RetryableError,
)

SPILL: Final = "_upkeep"  # Delta passes over what begins with an underscore
_SAFE_GRACE: Final = timedelta(hours=1)  # far longer than any write takes


class LakeStore(Protocol):
    """Files of one lake, by paths that are relative to it.

    Attributes:
        place: where it is.
        files: them all.
        least_grace: for which an unused file has to stay, since it may be one that is being added.
    """

    place: LakePlace
    files: FileSystem
    least_grace: timedelta

    def open(self) -> DeltaTable:
        """Return the table as it is now.

        Raises:
            TableNotFoundError, DeltaError, OSError: there is none, or it cannot be read.
        """
        ...

    def create(self, schema: pa.Schema, **options: Any) -> DeltaTable:
        """Make the table where there is none; see `DeltaTable.create`."""
        ...

    def prepare(self, directory: str) -> None:
        """Make a directory last that files are to be written to."""
        ...

    def sync(self, paths: Sequence[str]) -> None:
        """Make files and directories last that were written."""
        ...

    def sync_log(self, table: DeltaTable, before: int) -> None:
        """Make the commits since a version last; see `locard.ingest.delta.sync_log`."""
        ...

    def adding(self) -> AbstractContextManager[None]:
        """Keep what is written in the block, and no commit names yet, from vacuum."""
        ...

    def none_adding(self, seconds: float) -> AbstractContextManager[None]:
        """Keep others from adding files while the block runs, where that is possible.

        Raises:
            RetryableError: for so long somebody was adding one.
        """
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Give a directory, which need not exist, for what does not fit into memory."""
        ...

    def readable(self, database: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> list[str]:
        """Return what DuckDB has to call these files, and let it read them."""
        ...

    def could_not(self, did: str, error: Exception) -> LocardError:
        """Return what to raise where the store did not do what it was to do."""
        ...


class DiskStore:
    """A lake in a directory of this machine."""

    least_grace = timedelta(0)

    def __init__(self, place: Path) -> None:
        self.place: LakePlace = place
        self._path = place
        self.files: FileSystem = SubTreeFileSystem(str(place.absolute()), LocalFileSystem())

    def open(self) -> DeltaTable:
        return DeltaTable(self._path)

    def create(self, schema: pa.Schema, **options: Any) -> DeltaTable:
        self._path.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(self._path, schema, **options)

    def prepare(self, directory: str) -> None:
        make_directory_durably(self._path / directory)

    def sync(self, paths: Sequence[str]) -> None:
        for path in paths:
            fsync_path(self._path / path)

    def sync_log(self, table: DeltaTable, before: int) -> None:
        sync_log(table, self._path, before)

    def adding(self) -> AbstractContextManager[None]:
        return files_being_added(self._path)

    def none_adding(self, seconds: float) -> AbstractContextManager[None]:
        return no_files_being_added(self._path, seconds)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        above = self._path / SPILL
        above.mkdir(exist_ok=True)
        directory = above / secrets.token_hex(8)  # made by who needs it
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def readable(self, _: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> list[str]:
        return [str(self._path / path) for path in paths]

    def could_not(self, did: str, error: Exception) -> LocardError:
        told = getattr(error, "strerror", None) or first_line(error)
        return CannotContinue(
            f"the lake at {self.place} {did}: {told}; make room or correct its permissions, then "
            "start again: nothing was lost"
        )


class BucketStore:
    """A lake in an object store."""

    least_grace = _SAFE_GRACE

    def __init__(self, place: BucketPlace) -> None:
        self.place: LakePlace = place
        self._bucket = place
        self.files: FileSystem = place.file_system()

    def open(self) -> DeltaTable:
        return DeltaTable(self._bucket.uri, storage_options=self._bucket.delta_options)

    def create(self, schema: pa.Schema, **options: Any) -> DeltaTable:
        return DeltaTable.create(
            self._bucket.uri, schema, storage_options=self._bucket.delta_options, **options
        )

    def prepare(self, directory: str) -> None:
        """There are no directories."""

    def sync(self, paths: Sequence[str]) -> None:
        """What was answered lasts."""

    def sync_log(self, table: DeltaTable, before: int) -> None:  # noqa: ARG002 - lasts already
        with suppress(DeltaError, OSError):  # it was made; whoever comes next looks again
            table.update_incremental()

    def adding(self) -> AbstractContextManager[None]:
        return nullcontext()

    def none_adding(self, seconds: float) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="locard-upkeep-") as directory:
            yield Path(directory)

    def readable(self, database: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> list[str]:
        self._bucket.let_read(database)
        return [f"{self._bucket.uri}/{path}" for path in paths]

    def could_not(self, did: str, error: Exception) -> LocardError:
        return RetryableError(
            f"the lake at {self.place} {did}: the object store does not answer as it should "
            f"({type(error).__name__}); nothing was lost, and it is tried again"
        )


def lake_store(place: LakePlace) -> LakeStore:
    """Return what holds the lake at this place."""
    return BucketStore(place) if isinstance(place, BucketPlace) else DiskStore(place)


def has_lake(place: LakePlace) -> bool:
    """Say whether there is a lake at this place.

    Raises:
        LocardError: it cannot be told.
    """
    store = lake_store(place)
    try:
        return store.files.get_file_info(LOG).type is not FileType.NotFound
    except OSError as error:
        raise store.could_not("cannot be reached", error) from error


def remove(store: LakeStore, paths: Sequence[str]) -> None:
    """Remove files that no commit names; one that cannot be removed now is an orphan for later."""
    for path in paths:
        with suppress(OSError):
            store.files.delete_file(path)


def size_of(store: LakeStore, path: str) -> int:
    """Return the size of a file in bytes.

    Raises:
        FileNotFoundError: it is not there.
    """
    size = store.files.get_file_info(path).size
    if size is None:
        raise FileNotFoundError(path)
    return int(size)


def data_files(store: LakeStore) -> dict[str, int]:
    """Return all Parquet files of the lake, those that no version names as well, with their sizes.

    Raises:
        OSError: the lake cannot be listed.
    """
    listed = store.files.get_file_info(FileSelector("", recursive=True))
    return {
        info.path: int(info.size)
        for info in listed
        if info.is_file
        and info.path.endswith(".parquet")
        and info.path.startswith(f"{PARTITION_COLUMN}=")
    }
