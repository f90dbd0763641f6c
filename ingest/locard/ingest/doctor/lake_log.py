"""The lake's Delta log: entries and checkpoints that a power cut left damaged.

What was reported as published is synced, so a damaged newest entry is one that nobody was told of:
moved aside it costs nothing, and the consumer reads its records once more. An entry that others
follow is never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from locard.evidence.durable import fsync_path, make_directory_durably
from locard.ingest.delta import LOG, no_files_being_added
from locard.ingest.doctor.commit_entry import Fault, fault_of
from locard.ingest.doctor.finding import Finding, ok, warning, wrong

_ENTRY: Final = re.compile(r"[0-9]{20}\.json")
_CHECKPOINT: Final = re.compile(r"[0-9]{20}\.checkpoint\.parquet")
_LAST: Final = "_last_checkpoint"
_ASIDE: Final = "_damaged"  # in the lake; kept, since it may be evidence
_SECONDS_TO_WAIT: Final = 10.0
_TOLD: Final[dict[Fault, str]] = {
    "void": "says nothing",
    "torn": "is cut short or overwritten",
    "partial": "lacks a part of its commit",
}
_REPAIR: Final = "stop nothing, run `locard doctor --repair`"


def examine_log(lake: Path, *, repair: bool) -> Iterator[Finding]:
    """Yield what is found in the log of the lake at this path.

    Args:
        repair: move aside what is damaged and may go.

    Raises:
        RetryableError: others were adding files all the time; nothing was repaired.
        OSError: the lake cannot be read, or not repaired.
    """
    log = lake / LOG
    names = sorted(path.name for path in log.iterdir())
    entries = [name for name in names if _ENTRY.fullmatch(name)]
    checkpoints = [name for name in names if _CHECKPOINT.fullmatch(name)]
    yield from _numbers(entries, checkpoints)
    faults = {name: fault for name in entries if (fault := fault_of((log / name).read_bytes()))}
    damaged = _at_the_end(entries, faults)
    for name, fault in faults.items():
        if name not in damaged:
            yield _in_the_middle(name, fault)
    bad = [name for name in checkpoints if not _is_parquet(log / name)]
    if bad or not _is_pointer(log / _LAST):
        damaged += [*bad, _LAST]
    if not damaged:
        if not faults:
            yield ok(
                "log of the lake", f"{len(entries):,} entries, {len(checkpoints):,} checkpoints"
            )
        return
    if repair:
        with no_files_being_added(lake, _SECONDS_TO_WAIT):
            _move_aside(lake, damaged)
    for name in damaged:
        told = _TOLD[faults[name]] if name in faults else "is no checkpoint, or points to none"
        if repair:
            yield Finding("repaired", name, f"{told}; moved to {lake / _ASIDE}")
        else:
            yield wrong(name, told, _REPAIR)


def _numbers(entries: list[str], checkpoints: list[str]) -> Iterator[Finding]:
    """Yield what is missing: entries are numbered without a hole, from 0 or a checkpoint on."""
    numbers = [int(name[:20]) for name in entries]
    begins = {0, *(int(name[:20]) + 1 for name in checkpoints)}
    if not numbers or (numbers[0] not in begins and numbers[0] + 1 not in begins):
        yield wrong(
            "log of the lake",
            "begins with neither its first entry nor a checkpoint",
            "restore the lake from a copy",
        )
    for before, after in pairwise(numbers):
        if after != before + 1:
            yield wrong(
                "log of the lake",
                f"entries {before + 1} to {after - 1} are missing",
                "restore them from a copy: they may be what the lake consists of",
            )


def _at_the_end(entries: list[str], faults: dict[str, Fault]) -> list[str]:
    """Return the damaged entries that no whole one follows."""
    found = []
    for name in reversed(entries[1:]):  # the first made the table
        if name not in faults:
            break
        found.append(name)
    return found[::-1]


def _in_the_middle(name: str, fault: Fault) -> Finding:
    if fault == "void":
        return warning(
            name,
            "says nothing and others follow it",
            "nothing: what it was about was read and published again",
        )
    if fault == "partial":
        return warning(
            name,
            "lacks a part of its commit and others follow it",
            "look at `duplicates`: its rows may be there twice, which every answer leaves out",
        )
    return wrong(name, "is cut short or overwritten and others follow it", "restore it from a copy")


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _is_pointer(path: Path) -> bool:
    """Say whether the pointer to the last checkpoint is none, or points to one that is there."""
    if not path.exists():
        return True
    try:
        version = json.loads(path.read_bytes())["version"]
        return path.with_name(f"{version:020}.checkpoint.parquet").exists()
    except (ValueError, KeyError, TypeError):
        return False


def _move_aside(lake: Path, names: list[str]) -> None:
    """Move files of the log away, the newest first, so that what is left is a log at any moment."""
    make_directory_durably(lake / _ASIDE)
    for name in reversed(names):
        path = lake / LOG / name
        if path.exists():
            target = lake / _ASIDE / name
            number = 0
            while target.exists():
                number += 1
                target = lake / _ASIDE / f"{name}.{number}"
            path.rename(target)
    fsync_path(lake / _ASIDE)
    fsync_path(lake / LOG)
