"""Processes that publish, or write files anew, once they are told to: to be watched by strace."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from locard.ingest.lake import LakeWriter
from locard.ingest.upkeep import Rewriter, live_files, open_lake, plan
from locard.schema import LocardError
from test_upkeep import publish

DAY = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)
NEXT_DAY = datetime(2026, 5, 5, 9, 32, tzinfo=UTC)


def publishing(path: Path, told: Connection) -> None:
    """Publish five events from where the lake stands."""
    lake = LakeWriter(path)
    _when_told(told, lambda: publish(lake, lake.next_offsets("topic", [0])[0], 5))


def optimizing(path: Path, told: Connection) -> None:
    """Write the files of the day anew."""
    table = open_lake(path)
    planned = plan(live_files(table), NEXT_DAY.date())
    rewriter = Rewriter(path)
    _when_told(told, lambda: [rewriter.rewrite(table, one) for one in planned])


def _when_told(told: Connection, work) -> None:
    told.send(os.getpid())
    told.recv()
    try:
        work()
    except (LocardError, OSError):
        os._exit(2)
    os._exit(0)
