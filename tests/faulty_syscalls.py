"""Processes that publish, seal, or write files anew, once they are told to; strace watches."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from attacks.installation import Installation
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


def sealing(path: Path, told: Connection) -> None:
    """Seal what was published."""
    one = Installation(path.parent, [])
    sealer = one.sealer()
    _when_told(told, sealer.seal)


def _when_told(told: Connection, work) -> None:
    told.send(os.getpid())
    told.recv()
    try:
        work()
    except (LocardError, OSError):
        os._exit(2)
    os._exit(0)
