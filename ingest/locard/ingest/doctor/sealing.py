"""Whether what was published is sealed: only that can be proved afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

from locard.evidence.log_reader import LogReader
from locard.evidence.notes import Checkpoint, Note, NoteError
from locard.evidence.transparency_log import CHECKPOINT
from locard.ingest.doctor.finding import Finding, ok, warning, wrong
from locard.ingest.lake_store import lake_store
from locard.ingest.sealer.commits import read_commit
from locard.ingest.sealer.log_store import log_files
from locard.schema import LakePlace, LocardError

_WHAT: Final = "transparency log"
_LONG: Final = 600.0  # seconds that a commit may wait before somebody should look


def examine_sealing(place: LakePlace) -> Iterator[Finding]:
    """Yield what is found of the transparency log of the lake at a place."""
    files = log_files(place)
    try:
        checkpoint = Checkpoint.parse(Note.parse(files.read(CHECKPOINT)).text)
        *_, last = LogReader(files, checkpoint.size).entries(checkpoint.size - 1)
        sealed = int(json.loads(last)["table_version"])
    except FileNotFoundError:
        yield warning(_WHAT, "nothing is sealed", "run `locard seal`, or `locard up`")
        return
    except (NoteError, LocardError, OSError, ValueError, KeyError, TypeError) as error:
        yield wrong(_WHAT, f"it cannot be read: {type(error).__name__}", "restore it from a copy")
        return
    store = lake_store(place)
    newest = store.open().version()
    waiting = [
        commit
        for version in range(sealed + 1, newest + 1)
        if (commit := read_commit(store, version)).manifests
    ]
    told = f"{checkpoint.size:,} entries, {len(waiting):,} commits wait"
    if waiting and time.time() - waiting[0].committed_at > _LONG:
        yield warning(_WHAT, f"{told}, the first for long", "see that `locard seal` runs")
    else:
        yield ok(_WHAT, told)
