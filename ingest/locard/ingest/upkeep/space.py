"""What the lake need not keep: files that no version within the grace names; a shorter log to read.

A reader works on the files of the version that it opened, so what a commit took out stays for a
while. Log entries are never removed here: they hold the manifests of segments.
"""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from locard.ingest.delta import LOG, NO_HOOKS, first_line, no_files_being_added, sync_log
from locard.ingest.durable import fsync_path
from locard.schema import CannotContinue

_SECONDS_TO_WAIT: Final = 30.0  # for those who are adding a file
_LAST: Final = "_last_checkpoint"


def vacuum(table: DeltaTable, path: Path, grace: timedelta) -> list[str]:
    """Remove what no version needs any more, and return the paths, relative to the lake.

    Args:
        grace: how long ago a file must have been taken out, or an orphan have been written.
            Questions that run longer than this may miss a file and say so.

    Raises:
        RetryableError: somebody was adding files all the time; nothing was removed.
        CannotContinue: the lake cannot be written.
    """
    hours = math.ceil(grace / timedelta(hours=1))
    before = table.version()
    try:
        with no_files_being_added(path, _SECONDS_TO_WAIT):
            table.update_incremental()
            removed = table.vacuum(
                hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                post_commithook_properties=NO_HOOKS,
            )
    except (DeltaError, OSError) as error:
        raise CannotContinue(
            f"the lake at {path} could not be vacuumed: {first_line(error)}; correct its "
            "permissions, then again"
        ) from error
    sync_log(table, path, before)
    return sorted(set(removed))


def checkpoint(table: DeltaTable, path: Path, every: int) -> bool:
    """Write a Delta checkpoint, durably, where so many versions have none; say whether it did.

    Opening the lake reads the log from the last checkpoint on.

    Raises:
        CannotContinue: it cannot be written. The log is as good as before.
    """
    version = table.version()
    if version - last_checkpoint(path) < every:
        return False
    try:
        table.create_checkpoint()
        fsync_path(path / LOG / f"{version:020}.checkpoint.parquet")
        fsync_path(path / LOG / _LAST)
        fsync_path(path / LOG)
    except (DeltaError, OSError) as error:
        raise CannotContinue(
            f"the lake at {path} takes no checkpoint: {first_line(error)}; make room or correct "
            "its permissions, then again"
        ) from error
    return True


def last_checkpoint(path: Path) -> int:
    """Return the version of the last checkpoint; -1 where there is none or it cannot be told."""
    try:
        return int(json.loads((path / LOG / _LAST).read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
