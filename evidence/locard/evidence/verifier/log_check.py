"""The transparency log, checked: its checkpoint, its tree, who vouches for it, what it lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from locard.evidence.anchors.stamping import kept_stamps
from locard.evidence.log_files import LogFiles
from locard.evidence.merkle import leaf_hash, root_of
from locard.evidence.notes import Checkpoint, Note, NoteError
from locard.evidence.tiles import (
    TILE_WIDTH,
    TileError,
    bundle_path,
    entries_of,
    fold,
    hashes_of,
    tile_path,
    tiles_of,
)
from locard.evidence.transparency_log import CHECKPOINT
from locard.evidence.verifier.anchor_check import check_timestamps, check_witnesses
from locard.evidence.verifier.findings import Report, Verdict
from locard.evidence.verifier.trust import TrustPolicy
from locard.schema import JsonError, parse_json


@dataclass(frozen=True)
class CheckedLog:
    """What is certain of a log.

    Args:
        entries: that its checkpoint covers, by index; without what is not readable.
        hashes: of all entries, as far as the log is whole.
    """

    checkpoint: Checkpoint | None
    note: Note | None
    entries: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    hashes: Sequence[bytes] = ()


def check_log(
    files: LogFiles, policy: TrustPolicy, known: Iterable[bytes], report: Report
) -> CheckedLog:
    """Check a log and note what is wrong with it.

    Args:
        known: checkpoints of it that were kept elsewhere, as the bytes of their notes.
    """
    note, checkpoint = _checkpoint(files, policy, report)
    if note is None or checkpoint is None:
        _compare(known, policy, 0, lambda _: b"", report)
        return CheckedLog(None, None)
    data = _entries(files, checkpoint.size, report)
    hashes = [b"" if one is None else leaf_hash(one) for one in data]
    is_whole = root_of(hashes) == checkpoint.root
    if not is_whole:
        _tell_altered(files, checkpoint, hashes, report)
    else:
        _check_tiles(files, hashes, report)
    _compare(known, policy, checkpoint.size, lambda size: root_of(hashes[:size]), report)
    check_witnesses(note, policy, report)
    check_timestamps(kept_stamps(files), policy, lambda size: root_of(hashes[:size]), report)
    report.facts["checkpoint"] = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
    }
    return CheckedLog(checkpoint, note, _parsed(data, report), hashes)


def _checkpoint(
    files: LogFiles, policy: TrustPolicy, report: Report
) -> tuple[Note | None, Checkpoint | None]:
    try:
        note = Note.parse(files.read(CHECKPOINT))
        checkpoint = Checkpoint.parse(note.text)
        signed = note.verified(policy.log_keys)
    except OSError:
        report.add(
            Verdict.MISSING,
            "there is no checkpoint: nothing is sealed, or the log was removed",
            file=CHECKPOINT,
        )
        return None, None
    except NoteError as error:
        report.add(Verdict.ALTERED, f"the checkpoint is none: {error}", file=CHECKPOINT)
        return None, None
    origins = {key.name for key in policy.log_keys}
    if checkpoint.origin not in origins:
        report.add(
            Verdict.FORKED,
            "the checkpoint is that of another log than the policy names",
            file=CHECKPOINT,
        )
        return None, None
    if not signed:
        report.add(
            Verdict.ALTERED,
            "the checkpoint is not signed by a key that the policy names",
            file=CHECKPOINT,
        )
        return None, None
    return note, checkpoint


def _entries(files: LogFiles, size: int, report: Report) -> list[bytes | None]:
    """Return the entries that lie there; `None` for those that cannot be read."""
    found: list[bytes | None] = []
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        entries = _read(files, lambda at, wide: bundle_path(at, wide), index, width, entries_of)
        if entries is None:
            report.add(
                Verdict.MISSING,
                "a bundle of the log's entries is not there, or is damaged",
                file=bundle_path(index, width),
                first_entry=index * TILE_WIDTH,
                next_entry=index * TILE_WIDTH + width,
            )
        found += entries or [None] * width
    return found


def _check_tiles(files: LogFiles, hashes: Sequence[bytes], report: Report) -> None:
    """Hold the tiles against the entries. The entries are what counts: tiles can be made again."""
    level, known = -1, list(hashes)
    for height, index, width in tiles_of(len(hashes)):
        if height != level:
            if height:
                known = [
                    fold(known[at : at + TILE_WIDTH])
                    for at in range(0, len(known) - TILE_WIDTH + 1, TILE_WIDTH)
                ]
            level = height
        found = _tile(files, height, index, width)
        if found != known[index * TILE_WIDTH : index * TILE_WIDTH + width]:
            report.add(
                Verdict.ALTERED if found else Verdict.MISSING,
                "a tile does not hold the hashes of the entries, which are whole",
                file=tile_path(height, index, width),
            )


def _tell_altered(
    files: LogFiles, checkpoint: Checkpoint, hashes: Sequence[bytes], report: Report
) -> None:
    """Find out from the tiles which entries are not those that were signed."""
    told = not all(hashes)
    for index in range(-(-checkpoint.size // TILE_WIDTH)):
        first = index * TILE_WIDTH
        width = min(TILE_WIDTH, checkpoint.size - first)
        tile = _tile(files, 0, index, width)
        for at, kept in enumerate(tile or []):
            if hashes[first + at] and kept != hashes[first + at]:
                told = True
                report.add(
                    Verdict.ALTERED,
                    "an entry of the log is not the one that was signed",
                    entry=first + at,
                )
    if not told:
        report.add(
            Verdict.ALTERED,
            "the entries of the log do not lead to the root of its checkpoint",
            file=CHECKPOINT,
            size=checkpoint.size,
        )


def _compare(
    known: Iterable[bytes],
    policy: TrustPolicy,
    size: int,
    root_at: Callable[[int], bytes],
    report: Report,
) -> None:
    """Hold the log against checkpoints that somebody has kept."""
    for data in known:
        try:
            note = Note.parse(data)
            kept = Checkpoint.parse(note.text)
            signed = note.verified(policy.log_keys)
        except NoteError as error:
            report.add(Verdict.ALTERED, f"a checkpoint that was kept is none: {error}", kept=True)
            continue
        if not signed or kept.origin not in {key.name for key in policy.log_keys}:
            report.add(
                Verdict.FORKED, "a checkpoint that was kept is not of this log", size=kept.size
            )
        elif kept.size > size:
            report.add(
                Verdict.MISSING,
                "the log was cut: a checkpoint that was kept covers more entries",
                first_entry=size,
                next_entry=kept.size,
            )
        elif kept.size and root_at(kept.size) != kept.root:
            report.add(
                Verdict.FORKED,
                "the log is not a continuation of a checkpoint that was kept",
                next_entry=kept.size,
            )


def _parsed(data: Sequence[bytes | None], report: Report) -> dict[int, Mapping[str, Any]]:
    entries: dict[int, Mapping[str, Any]] = {}
    for index, one in enumerate(data):
        if one is None:
            continue
        try:
            parse_json(one)
            entry = json.loads(one)
        except (JsonError, ValueError):
            entry = None
        if isinstance(entry, dict):
            entries[index] = entry
        else:
            report.add(Verdict.ALTERED, "an entry of the log is no JSON object", entry=index)
    return entries


def _tile(files: LogFiles, level: int, index: int, width: int) -> list[bytes] | None:
    return _read(files, lambda at, wide: tile_path(level, at, wide), index, width, hashes_of)


def _read(
    files: LogFiles,
    path_of: Callable[[int, int], str],
    index: int,
    width: int,
    taken_apart: Callable[[bytes, int], list[bytes]],
) -> list[bytes] | None:
    """Return what a tile or bundle holds; the full one counts where it has grown since."""
    for wide in (width, TILE_WIDTH):
        try:
            return taken_apart(files.read(path_of(index, wide)), wide)[:width]
        except (OSError, TileError):
            continue
    return None
