"""The files that a version of the lake consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable

from locard.ingest.delta import PARTITION_COLUMN

SORTED: Final = "sorted-"
"""How the names of files begin whose rows are sorted by session and time."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file.

    Args:
        path: relative to the lake.
        day: under which it was taken in.
        size: in bytes.
        rows: as the Delta log has it.
    """

    path: str
    day: date
    size: int
    rows: int

    @property
    def is_sorted(self) -> bool:
        """Whether its rows are sorted by session and time."""
        return PurePosixPath(self.path).name.startswith(SORTED)


def live_files(table: DeltaTable) -> list[LakeFile]:
    """Return the files of the table's version, by day and path."""
    actions: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    files = [
        LakeFile(
            one["path"],
            one[f"partition.{PARTITION_COLUMN}"],
            one["size_bytes"],
            one["num_records"],
        )
        for one in actions
    ]
    return sorted(files, key=lambda file: (file.day, file.path))
