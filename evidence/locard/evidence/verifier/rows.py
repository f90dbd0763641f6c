"""The rows of a lake as they lie there: read, and their leaves computed."""

from __future__ import annotations

import gc
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from locard.evidence.merkle import HASH_BYTES
from locard.evidence.verifier.columns import FEW_VALUES
from locard.evidence.verifier.footer_check import contradiction
from locard.evidence.verifier.lake_rows import LakeRows, Rows
from locard.evidence.verifier.leaves import row_leaves
from locard.evidence.verifier.parquet_footer import BadFooter, read_footer
from locard.schema import AccountingEvent, LocardError
from locard.schema.arrow import events_of_table

_FEW_ROWS: Final = 50_000  # that are not worth further processes
_NUMBERED: Final = ["collector_id", "incarnation", "principal", "seq", "event_id"]


@dataclass(frozen=True)
class Work:
    """A part of a file that one process reads.

    Args:
        rows: of the whole file, with its first part; for telling how far one is.
        since: the first offset of each partition that matters.
    """

    path: str
    file: int
    row_group: int
    rows: int
    since: Mapping[int, int] | None


def read_rows(
    files: FileSystem,
    paths: Sequence[str],
    progress: Callable[[int, int], None],
    since: Mapping[int, int] | None = None,
    processes: int = 1,
) -> LakeRows:
    """Read the rows of the files.

    Args:
        files: holds them; it must be picklable.
        progress: is told how many rows were read, and of how many.
        since: the first offset of each partition that matters; others may be left out.
        processes: that read; see `verify_lake`.
    """
    found = LakeRows()
    work = list(_work(files, paths, since, found))
    total = sum(one.rows for one in work)
    progress(0, total)
    for one, part in _done(files, work, processes if total >= _FEW_ROWS else 1):
        if isinstance(part, str):
            found.unreadable[one.path] = part
            continue
        _merge(found, part)
        progress(found.rows, total)
    return found


def _done(
    files: FileSystem, work: Sequence[Work], processes: int
) -> Iterator[tuple[Work, _Part | str]]:
    processes = min(len(work), processes)
    if processes < 2:
        for one in work:
            yield one, _read(files, one)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(files,)) as pool:
        yield from zip(work, pool.map(_read_shared, work), strict=True)


def _work(
    files: FileSystem, paths: Sequence[str], since: Mapping[int, int] | None, found: LakeRows
) -> Iterator[Work]:
    """Yield the parts of all files.

    Of a file's metadata no more is looked at than this: pyarrow ends the process over some that is
    damaged, where it is asked for columns of row groups by themselves.
    """
    for number, path in enumerate(paths):
        try:
            with files.open_input_file(path) as file:
                metadata = pq.ParquetFile(file).metadata
                rows, groups = metadata.num_rows, metadata.num_row_groups
        except Exception as error:  # noqa: BLE001 - a file that was made to do harm may raise any
            found.unreadable[path] = _why(error)
            continue
        for group in range(groups):
            yield Work(path, number, group, 0 if group else rows, since)


@dataclass(frozen=True)
class _Part:
    """What one process has read."""

    partitions: dict[tuple[str, int], tuple[np.ndarray, np.ndarray, np.ndarray]]
    numbered: dict[tuple[str, str, str], np.ndarray]
    statements: list[AccountingEvent]
    file: int


_shared: list[FileSystem] = []


def _begin(files: FileSystem) -> None:
    _shared[:] = [files]
    gc.disable()  # nothing here refers to itself, and looking for that costs a tenth


def _read_shared(work: Work) -> _Part | str:
    return _read(_shared[0], work)


def _read(files: FileSystem, work: Work) -> _Part | str:
    try:
        with files.open_input_file(work.path) as file:
            metadata = pq.read_metadata(file)
            few = [name for name in metadata.schema.names if name in FEW_VALUES]
            parquet = pq.ParquetFile(file, metadata=metadata, read_dictionary=few)
            if work.since is not None and not _matters(parquet, work):
                return _Part({}, {}, [], work.file)
            table = parquet.read_row_group(work.row_group, use_threads=False)
            told = contradiction(read_footer(file), work.row_group, table)
        return told or _part(table, work)
    except BadFooter as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - likewise
        return _why(error)


def _matters(parquet: pq.ParquetFile, work: Work) -> bool:
    """Say whether a part of a file has any row from the wanted offsets on."""
    places = parquet.read_row_group(
        work.row_group, ["log_partition", "log_offset"], use_threads=False
    )
    pairs = zip(*(places[name].to_pylist() for name in places.column_names), strict=True)
    since = work.since or {}
    return any(offset >= since.get(partition, 0) for partition, offset in pairs)


def _part(table: pa.Table, work: Work) -> _Part:
    leaves, states = row_leaves(table, _day_of(work.path))
    hashes = np.frombuffer(b"".join(leaves), dtype=f"V{HASH_BYTES}")
    state = np.array(states, dtype=np.uint8)
    offsets = table["log_offset"].combine_chunks().to_numpy(zero_copy_only=False)
    topics = table["log_topic_id"].combine_chunks().dictionary_encode()
    partitions = table["log_partition"].combine_chunks().to_numpy(zero_copy_only=False)
    names = topics.dictionary.to_pylist()
    codes = topics.indices.to_numpy(zero_copy_only=False)
    found = {}
    for code, partition in sorted(set(zip(codes.tolist(), partitions.tolist(), strict=True))):
        mine = (codes == code) & (partitions == partition)
        found[names[code], partition] = offsets[mine], hashes[mine], state[mine]
    return _Part(found, _numbered(table), _statements(table), work.file)


def _numbered(table: pa.Table) -> dict[tuple[str, str, str], np.ndarray]:
    """Return which numbers each stream has, each beside a digest of the event's id."""
    mine = table.select(_NUMBERED).filter(pc.is_valid(table["seq"]))
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    columns = [mine[name].to_pylist() for name in _NUMBERED]
    for collector, incarnation, principal, seq, event_id in zip(*columns, strict=True):
        digest = int(event_id.replace("-", "")[-15:], 16)
        found[collector or "", incarnation or "", principal or ""].append((seq, digest))
    return {stream: np.array(pairs, dtype=np.int64) for stream, pairs in found.items()}


def _statements(table: pa.Table) -> list[AccountingEvent]:
    """Return the statements of collectors; what is no event any more shows as altered."""
    mine = table.filter(pc.equal(table["kind"], "accounting"))
    found: list[AccountingEvent] = []
    for number in range(mine.num_rows):
        with suppress(LocardError, ValueError):
            (event,) = events_of_table(mine.slice(number, 1))
            if isinstance(event, AccountingEvent):
                found.append(event)
    return found


def _merge(found: LakeRows, part: _Part) -> None:
    for key, (offsets, hashes, states) in part.partitions.items():
        rows = found.partitions.setdefault(key, Rows())
        rows.offsets.append(offsets)
        rows.leaves.append(hashes)
        rows.states.append(states)
        rows.files.append(np.full(len(offsets), part.file, dtype=np.int32))
        found.rows += len(offsets)
    for stream, numbers in part.numbered.items():
        found.numbered.setdefault(stream, []).append(numbers)
    found.statements += part.statements


def _day_of(path: str) -> str | None:
    """Return the day that a file's directory names."""
    directory = path.rpartition("/")[0].rpartition("/")[2]
    name, equals, day = directory.partition("=")
    return day if equals and name == "ingest_date" else None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    return getattr(error, "strerror", None) or type(error).__name__
