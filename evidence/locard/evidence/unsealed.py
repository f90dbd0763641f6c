"""What was published and no checkpoint covers yet: nothing can be proved of it.

The window is told from what lies in the lake's directory, by whoever reads it; nothing is verified.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from locard.evidence.log_files import DiskFiles
from locard.evidence.log_reader import LogReader
from locard.evidence.notes import Checkpoint, Note, NoteError
from locard.evidence.transparency_log import CHECKPOINT
from locard.schema import LocardError

LOG_DIRECTORY: Final = "_transparency"
_DELTA_LOG: Final = "_delta_log"
_SEGMENTS: Final = "locard.segments"
_MOST_COMMITS: Final = 1_000  # that are looked at; beyond, the number is a least one


@dataclass(frozen=True)
class Unsealed:
    """The window that is not sealed.

    Args:
        commits: of the lake that no checkpoint covers.
        events: in them.
        since: when the first of them was made, by the clock of who made it.
        is_all: whether nothing of the lake was ever sealed, or its log cannot be read.
    """

    commits: int
    events: int
    since: datetime | None
    is_all: bool

    def sentence(self) -> str:
        """Return what this comes to; empty where everything is sealed."""
        if self.is_all:
            return "nothing of this lake is sealed, so none of it can be proved; `locard seal`"
        if not self.events:
            return ""
        since = f", the first since {self.since:%Y-%m-%d %H:%M:%S}Z" if self.since else ""
        return f"{self.events:,} of the newest events are not sealed yet{since}"


def unsealed(lake: Path) -> Unsealed:
    """Return what of the lake in a directory is not sealed."""
    sealed = _sealed_version(lake)
    waiting = list(_commits(lake, -1 if sealed is None else sealed))
    events = sum(rows for rows, _ in waiting)
    moments = [moment for rows, moment in waiting if rows]
    since = datetime.fromtimestamp(moments[0] / 1000, UTC) if moments else None
    return Unsealed(len(waiting), events, since, sealed is None and events > 0)


def _sealed_version(lake: Path) -> int | None:
    files = DiskFiles(lake / LOG_DIRECTORY)
    try:
        checkpoint = Checkpoint.parse(Note.parse(files.read(CHECKPOINT)).text)
        *_, last = LogReader(files, checkpoint.size).entries(max(0, checkpoint.size - 1))
        return int(json.loads(last)["table_version"])
    except (OSError, NoteError, LocardError, ValueError, KeyError, TypeError):
        return None


def _commits(lake: Path, sealed: int) -> Iterator[tuple[int, int]]:
    """Yield the rows and the time of each commit after a version, as far as they can be read."""
    for version in range(sealed + 1, sealed + 1 + _MOST_COMMITS):
        try:
            lines = (lake / _DELTA_LOG / f"{version:020}.json").read_bytes().splitlines()
            actions: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
            told = {k: v for one in actions for k, v in one.get("commitInfo", {}).items()}
            rows = sum(manifest["rows"] for manifest in json.loads(told.get(_SEGMENTS, "[]")))
            yield rows, int(told.get("timestamp", 0))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
