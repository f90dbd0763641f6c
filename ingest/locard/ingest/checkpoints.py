"""Delta checkpoints: what opening the lake reads instead of all log entries before.

delta-rs keeps some 0.2 MB in memory for each commit that it has read since a checkpoint, so whoever
commits for days opens the table anew behind one.
"""

from __future__ import annotations

import json
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from locard.ingest.delta import LOG, first_line
from locard.ingest.lake_store import LakeStore
from locard.schema import CannotContinue

_LAST: Final = f"{LOG}/_last_checkpoint"


def checkpoint(table: DeltaTable, store: LakeStore, every: int) -> bool:
    """Write a checkpoint, durably, where so many versions have none; say whether it did.

    Raises:
        CannotContinue: it cannot be written. The log is as good as before.
    """
    version = table.version()
    if version - last_checkpoint(store) < every:
        return False
    try:
        table.create_checkpoint()
        store.sync([f"{LOG}/{version:020}.checkpoint.parquet", _LAST, LOG])
    except (DeltaError, OSError) as error:
        raise CannotContinue(
            f"the lake at {store.place} takes no checkpoint: {first_line(error)}; make room or "
            "correct its permissions, then again"
        ) from error
    return True


def last_checkpoint(store: LakeStore) -> int:
    """Return the version of the last checkpoint; -1 where there is none or it cannot be told."""
    try:
        with store.files.open_input_stream(_LAST) as file:
            return int(json.loads(file.readall())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1
