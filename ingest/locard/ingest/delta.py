"""What all that commit to the lake's Delta table have in common, and what delta-rs leaves to us.

delta-rs never calls fsync: whoever commits syncs the log entry afterwards. And two commits that
remove the same files do not disturb each other there, so whoever rewrites files carries an
application transaction of one name: of two that started from the same state, the second is refused.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from deltalake import DeltaTable, PostCommitHookProperties

from locard.evidence.durable import fsync_path
from locard.ingest.file_lock import locked
from locard.schema import StateUnknown

PARTITION_COLUMN: Final = "ingest_date"
LOG: Final = "_delta_log"
# A checkpoint is written apart from commits: inside one it could fail after the commit was made.
NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_LOCK: Final = "_locard.lock"


def sync_log(table: DeltaTable, path: Path, before: int) -> None:
    """Make a commit last: sync the log entries since version `before`, and their directory.

    Others may have written theirs around ours, so all are synced.

    Raises:
        StateUnknown: the system could not.
    """
    table.update_incremental()
    log = path / LOG
    try:
        for version in range(before + 1, table.version() + 1):
            fsync_path(log / f"{version:020}.json")
        fsync_path(log)
    except OSError as error:
        raise StateUnknown(
            f"the lake at {path} has a commit that may not outlast a power cut: "
            f"{error.strerror}; check the disk, then start again"
        ) from error


def files_being_added(lake: Path) -> AbstractContextManager[None]:
    """Keep files that no commit names yet from being taken for orphans while the block runs.

    Raises:
        OSError: the lake's directory cannot be written.
    """
    return locked(lake / _LOCK, is_shared=True, seconds=None, busy="")


def no_files_being_added(lake: Path, seconds: float) -> AbstractContextManager[None]:
    """Keep all processes of this machine from adding files while the block runs.

    Raises:
        RetryableError: for so long somebody was adding one.
        OSError: the lake's directory cannot be written.
    """
    busy = (
        f"the lake at {lake} has been busy for {seconds:.0f} s, so no file was removed; the next "
        "run of upkeep does it"
    )
    return locked(lake / _LOCK, is_shared=False, seconds=seconds, busy=busy)


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).strip().split("\n", 1)[0]
