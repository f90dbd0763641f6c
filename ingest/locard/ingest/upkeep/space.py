"""What the lake need not keep: files that no version within the grace names; a shorter log to read.

A reader works on the files of the version that it opened, so what a commit took out stays for a
while. Log entries are never removed here: they hold the manifests of segments.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from locard.ingest.delta import NO_HOOKS, first_line
from locard.ingest.lake_store import lake_store
from locard.schema import CannotContinue, LakePlace

_SECONDS_TO_WAIT: Final = 30.0  # for those who are adding a file


def vacuum(table: DeltaTable, place: LakePlace, grace: timedelta) -> list[str]:
    """Remove what no version needs any more, and return the paths, relative to the lake.

    Args:
        grace: how long ago a file must have been taken out, or an orphan have been written.
            Questions that run longer than this may miss a file and say so. In a bucket it is an
            hour at least.

    Raises:
        RetryableError: somebody was adding files all the time; nothing was removed.
        CannotContinue: the lake cannot be written.
    """
    store = lake_store(place)
    hours = math.ceil(max(grace, store.least_grace) / timedelta(hours=1))
    before = table.version()
    try:
        with store.none_adding(_SECONDS_TO_WAIT):
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
            f"the lake at {place} could not be vacuumed: {first_line(error)}; correct its "
            "permissions, then again"
        ) from error
    store.sync_log(table, before)
    return sorted(set(removed))
