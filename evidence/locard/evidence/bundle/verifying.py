"""`locard verify --bundle`: a bundle, checked with the verifier of lakes over its Parquet rows.

The verifier that a bundle carries works on the JSON lines, with code of its own.
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from locard.evidence.merkle import (
    HASH_BYTES,
    ProofError,
    leaf_hash,
    verify_inclusion,
)
from locard.evidence.notes import Checkpoint, Note, NoteError
from locard.evidence.signing import is_signature
from locard.evidence.verifier import Report, SegmentVerdict, TrustPolicy, Verdict
from locard.evidence.verifier.anchor_check import check_witnesses
from locard.evidence.verifier.changes import Changes
from locard.evidence.verifier.entries import is_segment
from locard.evidence.verifier.lake import SEGMENT_FORMAT
from locard.evidence.verifier.lake_rows import SortedRows
from locard.evidence.verifier.leaves import State, leaf_at, row_leaves
from locard.evidence.verifier.segment_check import SegmentCheck
from locard.schema import CannotContinue, LocardError, parse_json

_PLACE = ("log_topic_id", "log_partition", "log_offset")


def verify_bundle(path: Path, policy: TrustPolicy | None = None) -> Report:
    """Return what can be said of a bundle.

    Args:
        policy: whom to believe; without one the keys in the bundle, and then it says only whether
            the bundle is whole in itself.

    Raises:
        CannotContinue: the file is no bundle.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts["manifest.json"])
        trusted = policy or _own(manifest)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, LocardError) as error:
        raise CannotContinue(
            f"{path} cannot be read as an evidence bundle: {type(error).__name__}; get another copy"
        ) from error
    report = Report(refused=trusted.refused)
    try:
        _check(parts, manifest, trusted, report)
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        pa.ArrowException,
    ) as error:
        report.add(Verdict.ALTERED, f"the bundle is damaged: {type(error).__name__}")
    return report


def _own(manifest: Mapping[str, Any]) -> TrustPolicy:
    keys = manifest["keys"]
    return TrustPolicy.model_validate(
        {"log": {"keys": keys["log"]}, "custody": {"keys": keys["custody"]}}
    )


def _check(
    parts: Mapping[str, bytes], manifest: Mapping[str, Any], policy: TrustPolicy, report: Report
) -> None:
    _check_files(parts, manifest, policy, report)
    checkpoint = _check_checkpoint(parts["checkpoint"], policy, report)
    entries = dict(_entries(parts["entries.jsonl"], checkpoint, report))
    segments = {at: told for at, told in entries.items() if told["format"] == SEGMENT_FORMAT}
    if not all(map(is_segment, segments.values())):
        raise ValueError("a segment's entry is not one")
    changes = Changes(entries, policy.custody.keys, report)
    rows = pq.read_table(BytesIO(parts["rows.parquet"]))
    listed = {
        (topic, int(number), offset)
        for name, pairs in manifest["rows"].items()
        for topic, _, number in [name.rpartition("/")]
        for first, following in pairs
        for offset in range(first, following)
    }
    check = SegmentCheck(
        changes,
        _leaves_of(parts["leaves.bin"], segments),
        _Swaps(rows).are_swapped,
        ["rows.parquet"],
        report,
        chosen=listed,
    )
    leaves, states = row_leaves(rows, withheld=frozenset(manifest["withheld"]))
    columns = [rows[name].to_pylist() for name in _PLACE]
    by_partition: dict[tuple[str, int], list[int]] = {}
    for number, (topic, partition, _) in enumerate(zip(*columns, strict=True)):
        by_partition.setdefault((topic, partition), []).append(number)
    seen: set[int] = set()
    for at, entry in segments.items():
        place = entry["topic_id"], entry["partition"]
        mine = [
            number
            for number in by_partition.get(place, ())
            if entry["first_offset"] <= columns[2][number] < entry["next_offset"]
        ]
        seen.update(mine)
        one = SegmentVerdict(
            at, place[0], place[1], entry["first_offset"], entry["next_offset"], entry["rows"]
        )
        report.segments.append(check.check(one, entry, _sorted(mine, columns[2], leaves, states)))
    if len(seen) < rows.num_rows:
        report.add(Verdict.ALTERED, "rows are there that were never sealed", file="rows.parquet")
    if any(state & State.WITHHELD for state in states):
        report.facts["withheld"] = manifest["withheld"]
    report.facts |= {"rows": rows.num_rows, "files": 1, "custody_statements": changes.count}


def _check_files(
    parts: Mapping[str, bytes], manifest: Mapping[str, Any], policy: TrustPolicy, report: Report
) -> None:
    signature = json.loads(parts["manifest.sig"])
    key_id = signature["key_id"]
    if key_id not in policy.custody.keys or not is_signature(
        key_id, signature["signature"], parts["manifest.json"]
    ):
        report.add(
            Verdict.ALTERED, "the manifest is not signed by whom it has to be", file="manifest.json"
        )
    for name, digest in manifest["files"].items():
        if name not in parts:
            report.add(Verdict.MISSING, "a file is not in the bundle", file=name)
        elif sha256(parts[name]).hexdigest() != digest:
            report.add(Verdict.ALTERED, "a file is not the one that was bundled", file=name)
    if {*parts} - {*manifest["files"], "manifest.json", "manifest.sig"}:
        report.add(Verdict.ALTERED, "there are other files in the bundle than its maker says")


def _check_checkpoint(data: bytes, policy: TrustPolicy, report: Report) -> Checkpoint:
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    try:
        is_signed = any(key.name == checkpoint.origin for key in note.verified(policy.log_keys))
    except NoteError:
        is_signed = False
    if not is_signed:
        report.add(Verdict.ALTERED, "the checkpoint is not signed by the log", file="checkpoint")
    check_witnesses(note, policy, report)
    report.facts["checkpoint"] = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
    }
    return checkpoint


def _entries(
    data: bytes, checkpoint: Checkpoint, report: Report
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line in data.splitlines():
        told = json.loads(line)
        entry = told["entry"].encode()
        proof = [base64.b64decode(step) for step in told["proof"]]
        try:
            verify_inclusion(
                leaf_hash(entry), told["index"], checkpoint.size, proof, checkpoint.root
            )
        except ProofError as error:
            report.add(Verdict.ALTERED, f"an entry is not in the log: {error}", entry=told["index"])
            continue
        parse_json(entry)
        yield told["index"], json.loads(entry)


def _leaves_of(data: bytes, segments: Mapping[int, Mapping[str, Any]]) -> Any:
    places: dict[int, tuple[int, int]] = {}
    begin = 0
    for at in sorted(segments):
        rows = segments[at].get("found", segments[at])["rows"]
        places[at] = begin, rows
        begin += rows * HASH_BYTES

    def of(index: int) -> list[bytes] | None:
        start, rows = places[index]
        found = [data[at : at + HASH_BYTES] for at in range(start, start + rows * HASH_BYTES, 32)]
        return found if all(len(leaf) == HASH_BYTES for leaf in found) else None

    return of


def _sorted(
    numbers: Sequence[int], offsets: Sequence[int], leaves: Sequence[bytes], states: Sequence[int]
) -> SortedRows:
    order = sorted(numbers, key=lambda number: offsets[number])
    return SortedRows(
        np.array([offsets[n] for n in order], dtype=np.int64),
        np.frombuffer(b"".join(leaves[n] for n in order), dtype=f"V{HASH_BYTES}"),
        np.array([states[n] for n in order], dtype=np.uint8),
        np.zeros(len(order), dtype=np.int32),
    )


class _Swaps:
    """Finds out whether rows have changed places with each other."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows

    def are_swapped(self, rows: SortedRows, sealed: Mapping[int, bytes]) -> bool:
        offsets = rows.offsets.tolist()
        if not 1 < len(offsets) <= 32:
            return False
        free = set(offsets)
        numbers = self._rows["log_offset"].to_pylist()
        for offset in offsets:
            row = self._rows.slice(numbers.index(offset), 1)
            at = next((o for o in free if leaf_at(row, o) == sealed[o]), None)
            if at is None:
                return False
            free.remove(at)
        return True
