"""What the lake consists of: files, rows and bytes by day, and what waits for upkeep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from deltalake import DeltaTable

from locard.ingest.checkpoints import last_checkpoint
from locard.ingest.lake_store import data_files, lake_store
from locard.ingest.upkeep.live_files import LakeFile, live_files
from locard.schema import LakePlace


@dataclass(frozen=True)
class DayStats:
    """The files of one day."""

    day: date
    files: int
    sorted_files: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class LakeStats:
    """The lake at one moment.

    Args:
        days: those that have files, the oldest first.
        version: of the Delta table.
        since_checkpoint: log entries that opening the lake reads.
        unused_files: Parquet files that the version does not consist of: of earlier versions, of
            writers that are at work or were killed. Vacuum removes them after the grace.
        unused_bytes: of those.
    """

    days: Sequence[DayStats]
    version: int
    since_checkpoint: int
    unused_files: int
    unused_bytes: int

    @property
    def files(self) -> int:
        """The number of files."""
        return sum(day.files for day in self.days)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(day.rows for day in self.days)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(day.bytes for day in self.days)


def lake_stats(table: DeltaTable, place: LakePlace) -> LakeStats:
    """Return what the lake at this place consists of, in the table's version.

    Raises:
        OSError: it cannot be listed.
    """
    files = live_files(table)
    live = {file.path for file in files}
    store = lake_store(place)
    unused = [size for path, size in data_files(store).items() if path not in live]
    return LakeStats(
        [_of_day(day, list(of_day)) for day, of_day in groupby(files, key=lambda f: f.day)],
        table.version(),
        table.version() - last_checkpoint(store),
        len(unused),
        sum(unused),
    )


def _of_day(day: date, files: Sequence[LakeFile]) -> DayStats:
    return DayStats(
        day,
        len(files),
        sum(file.is_sorted for file in files),
        sum(file.rows for file in files),
        sum(file.size for file in files),
    )
