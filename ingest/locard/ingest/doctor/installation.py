"""Keys, quarantine, disk and clock of an installation."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyarrow.fs import FileSelector

from locard.ingest.delta import LOG
from locard.ingest.doctor.finding import Finding, ok, warning, wrong
from locard.ingest.lake_store import lake_store
from locard.ingest.quarantine import pointers
from locard.redaction import Keyring
from locard.schema import LakePlace, LocardError

_FEW_BYTES: Final = 1024**3
_FAR: Final = 60.0  # seconds that the clock may be behind what was written last
_MUCH: Final = 0.8  # of the quarantine's limit


def examine_keys(directory: Path) -> Iterator[Finding]:
    """Yield what is found of the keys in this directory, without making any."""
    if not directory.is_dir():
        yield ok("keys", "there are none yet; they are made at the first start")
        return
    ring = Keyring(directory)
    try:
        newest = ring.pseudonymizer().key_id
        ring.quarantine_public_key()
    except LocardError as error:
        yield wrong("keys", str(error), "the consumer does not start without them")
        return
    for path in (directory, *sorted(directory.iterdir())):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield wrong(
                str(path), f"others than its owner may use it (mode {mode:o})", "chmod go= it"
            )
    yield ok("keys", f"tokens are made with {newest}")


def examine_quarantine(directory: Path, limit: int, *, repair: bool) -> Iterator[Finding]:
    """Yield what is found of the quarantine in this directory."""
    for left in sorted(directory.glob("*/*/.*.tmp")):
        if repair:
            left.unlink()
            yield Finding("repaired", str(left), "what a killed process had left was removed")
        else:
            yield warning(str(left), "a killed process has left it", "run `locard doctor --repair`")
    try:
        count = sum(1 for _ in pointers(directory))
    except (OSError, ValueError, KeyError) as error:
        yield wrong(
            "quarantine",
            f"a file in {directory} cannot be read ({type(error).__name__})",
            "restore it from a copy",
        )
        return
    if count >= limit * _MUCH:
        yield warning(
            "quarantine",
            f"{count:,} records, and at {limit:,} the consumer stops",
            "mend what made them fail, then `locard quarantine replay`",
        )
    else:
        yield ok("quarantine", f"{count:,} records")


def examine_disk(home: Path, lake: LakePlace) -> Iterator[Finding]:
    """Yield whether there is room, and whether it can be written, below these directories."""
    for name, wanted in (("home", home), ("lake", lake)):
        if not isinstance(wanted, Path):
            continue  # a bucket has no end that could be seen
        path = wanted
        while not path.exists():
            path = path.absolute().parent
        free = shutil.disk_usage(path).free
        if not os.access(path, os.W_OK | os.X_OK):
            yield wrong(f"disk of the {name}", f"{path} cannot be written", "correct it")
        elif free < _FEW_BYTES:
            yield warning(f"disk of the {name}", f"{free:,} bytes are free at {path}", "make room")
        else:
            yield ok(f"disk of the {name}", f"{free // _FEW_BYTES:,} GiB are free at {path}")


def examine_clock(lake: LakePlace) -> Iterator[Finding]:
    """Yield whether this machine's clock is behind what was written last."""
    entries = lake_store(lake).files.get_file_info(FileSelector(LOG))
    newest = max((info.mtime_ns for info in entries if info.path.endswith(".json")), default=0)
    behind = newest / 1e9 - time.time()
    if behind > _FAR:
        yield wrong(
            "clock",
            f"the lake was written {behind:.0f} s in the future of this machine's clock",
            "set the clock, best by NTP: days and ages are wrong until then",
        )
    else:
        yield ok("clock", "not behind what was written last")
