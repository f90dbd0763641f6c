"""One run of upkeep, from what is to be done to what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from locard.ingest.checkpoints import checkpoint
from locard.ingest.delta import first_line
from locard.ingest.lake_store import lake_store
from locard.ingest.upkeep.live_files import live_files
from locard.ingest.upkeep.plan import DEFAULT_SIZES, FileSizes, plan
from locard.ingest.upkeep.rewriting import Rewriter, Rewritten
from locard.ingest.upkeep.space import vacuum
from locard.schema import CannotContinue, LakePlace, check_lake_format

_AFTER_MIDNIGHT: Final = timedelta(hours=1)  # a publish that began before it may end after it
_CHECKPOINT_EVERY: Final = 100  # versions


@dataclass
class UpkeepReport:
    """What one run did.

    Args:
        rewritten: of each rewrite.
        removed: how many files left the disk.
        has_checkpoint: whether a checkpoint was written.
    """

    rewritten: list[Rewritten] = field(default_factory=list)
    removed: int = 0
    has_checkpoint: bool = False


def open_lake(place: LakePlace) -> DeltaTable:
    """Return the lake's table.

    Raises:
        CannotContinue: there is none, or it cannot be read or is of another major format.
    """
    try:
        table = lake_store(place).open()
    except TableNotFoundError as error:
        raise CannotContinue(
            f"there is no lake at {place}; name another home with --home"
        ) from error
    except (DeltaError, OSError) as error:
        raise CannotContinue(
            f"the lake at {place} cannot be read: {first_line(error)}; see `locard doctor`"
        ) from error
    check_lake_format(table.metadata().configuration, str(place))
    return table


def optimize(place: LakePlace, now: datetime, sizes: FileSizes = DEFAULT_SIZES) -> UpkeepReport:
    """Write anew what is worth it, and shorten what opening the lake has to read.

    Args:
        now: an aware time; days that were over an hour before it are closed.

    Raises:
        RetryableError: another upkeep is at work; what was done until then stays done.
        CannotContinue: the lake cannot be read or written; likewise.
    """
    table = open_lake(place)
    report = UpkeepReport()
    rewriter = Rewriter(place, sizes)
    today = (now - _AFTER_MIDNIGHT).date()
    for wanted in plan(live_files(table), today, sizes):
        report.rewritten.append(rewriter.rewrite(table, wanted))
    report.has_checkpoint = checkpoint(table, lake_store(place), _CHECKPOINT_EVERY)
    return report


def upkeep(
    place: LakePlace, now: datetime, grace: timedelta, sizes: FileSizes = DEFAULT_SIZES
) -> UpkeepReport:
    """Do all of upkeep once: `optimize`, then `vacuum`.

    Raises:
        LocardError: see there.
    """
    report = optimize(place, now, sizes)
    report.removed = len(vacuum(open_lake(place), place, grace))
    return report
