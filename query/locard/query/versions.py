"""Versions of the lake's table: which is the newest, and which files one has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from locard.schema import BucketPlace, CannotContinue, LakePlace, check_lake_format


class NoSuchVersion(CannotContinue):
    """The lake has no such version: it is negative, or there are not yet so many."""


def newest_version(lake: LakePlace, version: int | None = None) -> int:
    """Return the version of the lake that there is now, or the given one if there is one.

    Raises:
        CannotContinue: there is no lake, no such version, or it cannot be read.
    """
    with _opening(lake):
        return _checked(lake, version)[1]


def live_files(lake: LakePlace, version: int | None) -> tuple[int, list[str]]:
    """Return a version of the lake, by default the newest, and the files that it has.

    Raises:
        CannotContinue: as `newest_version`, or it is of another major format.
    """
    with _opening(lake):
        table, wanted = _checked(lake, version)
        if wanted != table.version():
            table.load_as_version(wanted)
        check_lake_format(table.metadata().configuration, str(lake))
        return wanted, sorted(map(unquote, table.file_uris()))


def _checked(lake: LakePlace, version: int | None) -> tuple[DeltaTable, int]:
    """Return the table at its newest version, and the wanted version, which there is.

    A version that there is not yet is refused here: looking for it takes as long as it is far away.
    """
    if isinstance(lake, BucketPlace):
        table = DeltaTable(lake.uri, storage_options=lake.delta_options)
    else:
        table = DeltaTable(lake)
    if version is not None and not 0 <= version <= table.version():
        raise NoSuchVersion("the lake has no such version; ask for the newest")
    return table, table.version() if version is None else version


@contextmanager
def _opening(lake: LakePlace) -> Iterator[None]:
    try:
        yield
    except TableNotFoundError as error:
        raise CannotContinue(
            f"there is no lake at {lake}; import or record something first, or name another "
            "directory with --home"
        ) from error
    except (DeltaError, OSError) as error:
        first_line = str(error).strip().split("\n", 1)[0]
        raise CannotContinue(
            f"the lake at {lake} cannot be read: {first_line}; check its permissions, or restore "
            "it from a copy"
        ) from error
