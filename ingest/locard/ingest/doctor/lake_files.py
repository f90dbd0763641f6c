"""The lake's Parquet files: each is there as the log has it, and nothing else lies around."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from locard.ingest.delta import first_line, no_files_being_added
from locard.ingest.doctor.finding import Finding, ok, warning, wrong
from locard.ingest.lake_store import SPILL, LakeStore, lake_store, size_of
from locard.ingest.upkeep import LakeFile, lake_stats, live_files
from locard.schema import LakePlace, RetryableError

_RESTORE: Final = "restore the file from a copy: its rows are nowhere else"
_MOST_TOLD: Final = 20
_SLOW_OPENING: Final = 1_000  # log entries to read
_SECONDS_TO_WAIT: Final = 1.0


def examine_files(lake: LakePlace, *, repair: bool, deep: bool) -> Iterator[Finding]:
    """Yield what is found of the files of the lake at this place.

    Args:
        repair: remove what a killed upkeep has left.
        deep: read every page and check its checksum, instead of the ends of files.

    Raises:
        OSError: the lake cannot be read.
    """
    store = lake_store(lake)
    try:
        table = store.open()
    except (DeltaError, OSError) as error:
        yield wrong("lake", f"cannot be opened: {first_line(error)}", "see what else is told here")
        return
    files = live_files(table)
    damaged = [(file, fault) for file in files if (fault := _fault(store, file, deep=deep))]
    for file, fault in damaged[:_MOST_TOLD]:
        yield wrong(file.path, fault, _RESTORE)
    if len(damaged) > _MOST_TOLD:
        yield wrong("lake", f"{len(damaged) - _MOST_TOLD:,} more files are damaged", _RESTORE)
    stats = lake_stats(table, lake)
    if not damaged:
        how = "every page read" if deep else "their ends read"
        yield ok("files of the lake", f"{stats.files:,} files, {stats.rows:,} rows, {how}")
    if stats.unused_files:
        yield ok(
            "unused files",
            f"{stats.unused_files:,} of {stats.unused_bytes:,} bytes wait for `locard lake vacuum`",
        )
    if stats.since_checkpoint > _SLOW_OPENING:
        yield warning(
            "log of the lake",
            f"{stats.since_checkpoint:,} entries have no checkpoint, so opening it is slow",
            "run `locard lake optimize`, and see that upkeep runs",
        )
    if isinstance(lake, Path):
        yield from _leftovers(lake, repair=repair)


def _fault(store: LakeStore, file: LakeFile, *, deep: bool) -> str | None:
    try:
        size = size_of(store, file.path)
        if size != file.size:
            return f"has {size:,} bytes and the log says {file.size:,}"
        rows = pq.read_metadata(file.path, filesystem=store.files).num_rows
        if rows != file.rows:
            return f"has {rows:,} rows and the log says {file.rows:,}"
        if deep:
            with pq.ParquetFile(
                file.path, filesystem=store.files, page_checksum_verification=True
            ) as opened:
                for _ in opened.iter_batches():
                    pass
    except FileNotFoundError:
        return "is not there"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read ({type(error).__name__})"
    return None


def _leftovers(lake: Path, *, repair: bool) -> Iterator[Finding]:
    spill = lake / SPILL
    if not spill.is_dir() or not any(spill.iterdir()):
        return
    try:
        with no_files_being_added(lake, _SECONDS_TO_WAIT):
            if repair:
                shutil.rmtree(spill)
                yield Finding("repaired", str(spill), "what a killed upkeep had left was removed")
            else:
                yield warning(
                    str(spill), "a killed upkeep has left files", "run `locard doctor --repair`"
                )
    except RetryableError:
        return  # an upkeep is at work, and they are its own
