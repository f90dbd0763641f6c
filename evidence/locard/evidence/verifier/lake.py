"""`verify`: a lake, or a copy of one, held against its transparency log and a trust policy.

Nothing is asked of any network, and nothing is written. What is found is noted in a `Report`;
errors are for what could not be looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from locard.evidence.leaf_files import LeafFiles
from locard.evidence.log_files import DiskFiles
from locard.evidence.notes import Checkpoint, Note, NoteError
from locard.evidence.unsealed import LOG_DIRECTORY
from locard.evidence.verifier.changes import Changes
from locard.evidence.verifier.entries import is_segment
from locard.evidence.verifier.findings import LAWFUL, Report, SegmentVerdict, Verdict
from locard.evidence.verifier.lake_files import Swaps, live_files
from locard.evidence.verifier.lake_rows import LakeRows, Rows, SortedRows
from locard.evidence.verifier.log_check import check_log
from locard.evidence.verifier.loss import check_loss
from locard.evidence.verifier.rows import read_rows
from locard.evidence.verifier.segment_check import SegmentCheck
from locard.evidence.verifier.trust import TrustPolicy
from locard.schema import CannotContinue

SEGMENT_FORMAT: Final = "locard-segment/2"
_FORMATS: Final = frozenset({SEGMENT_FORMAT, "locard-change/1", "locard-rewrite/1"})

Progress = Callable[[int, int], None]


def _quiet(_: int, __: int) -> None:
    return


def verify_lake(
    lake: Path,
    policy: TrustPolicy,
    *,
    known: Iterable[bytes] = (),
    since: bytes | None = None,
    progress: Progress = _quiet,
    processes: int = 1,
) -> Report:
    """Return what can be said of the lake in a directory.

    Args:
        known: checkpoints that were kept elsewhere, as the bytes of their notes.
        since: one up to which the rows were verified before: only later segments are looked at.
        progress: is told how many rows were read, and of how many.
        processes: that read rows of a large lake at once. They are spawned, so a program that asks
            for several must guard its main module.

    Raises:
        CannotContinue: there is no lake, it is of another major format, or it cannot be read.
    """
    report = Report(refused=policy.refused)
    paths = live_files(lake, report)
    files = SubTreeFileSystem(str(lake.absolute()), LocalFileSystem())
    log_files = DiskFiles(lake / LOG_DIRECTORY)
    kept = [*known, *([since] if since else [])]
    log = check_log(log_files, policy, kept, report)
    segments = _segments(log.entries, report)
    changes = Changes(log.entries, policy.custody.keys, report)
    begin = _size_of(since) if since else 0
    wanted = _first_offsets(segments, begin) if since else None
    rows = read_rows(files, paths, progress, wanted, processes)
    for path, why in rows.unreadable.items():
        report.add(Verdict.ALTERED, f"a file of the lake cannot be read: {why}", file=path)
    check = SegmentCheck(
        changes,
        LeafFiles(log_files, segments).of,
        Swaps(files, paths).are_swapped,
        paths,
        report,
    )
    _check_segments(segments, begin, check, rows, paths, report)
    if since is None:
        check_loss(rows.numbered, rows.statements, _excused(segments, report), report)
    report.facts |= {
        "rows": rows.rows,
        "files": len(paths),
        "custody_statements": changes.count,
        "since": begin,
    }
    return report


def _segments(
    entries: Mapping[int, Mapping[str, Any]], report: Report
) -> dict[int, Mapping[str, Any]]:
    """Return the entries that are segments, and note where they do not follow each other."""
    segments: dict[int, Mapping[str, Any]] = {}
    ends: dict[tuple[str, int], int] = {}
    for index, entry in entries.items():
        if entry.get("format") == SEGMENT_FORMAT:
            if not is_segment(entry):
                report.add(Verdict.ALTERED, "a segment's entry is not one", entry=index)
                continue
            partition = entry["topic_id"], entry["partition"]
            first, following = entry["first_offset"], entry["next_offset"]
            _tell_gap(partition, ends.get(partition, 0), first, index, report)
            ends[partition] = max(following, ends.get(partition, 0))
            segments[index] = entry
        elif entry.get("format") not in _FORMATS:
            report.facts.setdefault("unknown_entries", []).append(index)
    return segments


def _tell_gap(partition: tuple[str, int], end: int, first: int, index: int, report: Report) -> None:
    place = {"topic_id": partition[0], "partition": partition[1], "entry": index}
    if first > end:
        report.add(
            Verdict.MISSING,
            "a range of the event log was never sealed",
            **place,
            first_offset=end,
            next_offset=first,
        )
    elif first < end:
        report.add(
            Verdict.DUPLICATED,
            "a range of the event log was sealed twice",
            **place,
            first_offset=first,
            next_offset=end,
        )


def _check_segments(
    segments: Mapping[int, Mapping[str, Any]],
    begin: int,
    check: SegmentCheck,
    rows: LakeRows,
    paths: Sequence[str],
    report: Report,
) -> None:
    """Check the segments from an entry on, and tell what rows lie behind all of them."""
    by_partition: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, entry in segments.items():
        by_partition[entry["topic_id"], entry["partition"]].append(index)
    for partition in sorted({*by_partition, *rows.partitions}):
        found = rows.partitions.get(partition, Rows.none()).sorted()
        end = 0
        for index in by_partition.get(partition, ()):
            entry = segments[index]
            end = max(end, entry["next_offset"])
            if index < begin:
                continue
            one = SegmentVerdict(
                index,
                partition[0],
                partition[1],
                entry["first_offset"],
                entry["next_offset"],
                entry["rows"],
            )
            mine = found.between(one.first_offset, one.next_offset)
            report.segments.append(check.check(one, entry, mine))
        _tell_unsealed(partition, found.from_offset(end), paths, report)


def _tell_unsealed(
    partition: tuple[str, int], rows: SortedRows, paths: Sequence[str], report: Report
) -> None:
    if not len(rows.offsets):
        return
    report.add(
        Verdict.UNSEALED,
        f"{len(rows.offsets):,} rows lie behind what was sealed last",
        topic_id=partition[0],
        partition=partition[1],
        first_offset=int(rows.offsets[0]),
        next_offset=int(rows.offsets[-1]) + 1,
        files=[paths[number] for number in np.unique(rows.files).tolist()],
    )


def _excused(
    segments: Mapping[int, Mapping[str, Any]], report: Report
) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Return the numbers of streams that may be gone with rows that lawfully went."""
    excused: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    gone = {one.index for one in report.segments if one.verdicts & (LAWFUL - {Verdict.OK})}
    for index in gone:
        for stream in segments[index].get("streams", ()):
            key = stream["collector_id"], stream["incarnation"]
            excused[key].append((stream["first_seq"], stream["last_seq"] + 1))
    return excused


def _first_offsets(segments: Mapping[int, Mapping[str, Any]], begin: int) -> dict[int, int]:
    """Return from where on each partition was not verified before, whatever its topic."""
    ends: dict[tuple[str, int], int] = {}
    for index, entry in segments.items():
        key = entry["topic_id"], entry["partition"]
        ends[key] = max(ends.get(key, 0), entry["next_offset"] if index < begin else 0)
    firsts: dict[int, int] = {}
    for (_, partition), end in ends.items():
        firsts[partition] = min(firsts.get(partition, end), end)
    return firsts


def _size_of(data: bytes) -> int:
    try:
        return Checkpoint.parse(Note.parse(data).text).size
    except NoteError as error:
        raise CannotContinue(f"the checkpoint to go on from is none: {error}") from error
