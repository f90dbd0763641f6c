"""Evidence bundles: one file with rows, their proof, and what checks it; `docs/format.md`, 8.

A bundle is made of the lake and of what is asked for, and of nothing else: made again of the same
lake it is the same file, byte for byte. It is a ZIP archive without times.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable

from locard.evidence.bundle import standalone
from locard.evidence.bundle.rows import bundled, json_lines, parquet, ranges_of
from locard.evidence.bundle.selection import Selection
from locard.evidence.leaf_files import LeafFiles
from locard.evidence.log_files import DiskFiles
from locard.evidence.log_reader import LogReader
from locard.evidence.merkle import inclusion_proof
from locard.evidence.notes import Checkpoint, Note
from locard.evidence.signing import SigningKey
from locard.evidence.transparency_log import CHECKPOINT
from locard.evidence.verifier import LOG_DIRECTORY, TrustPolicy
from locard.evidence.verifier.changes import CHANGE_FORMAT
from locard.evidence.verifier.lake import SEGMENT_FORMAT
from locard.evidence.verifier.lake_files import live_paths
from locard.schema import LAKE_FORMAT, CannotContinue, JsonValue, canonical_bytes

BUNDLE_FORMAT: Final = "locard-bundle/1"
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_README: Final = """\
An evidence bundle of Locard, a flight recorder for AI agents.

  report.html, report.txt   what happened, to read
  rows.jsonl, rows.parquet  the events, redacted as they were stored
  entries.jsonl, leaves.bin, checkpoint, stamps/   what proves that they are what was recorded
  gaps.jsonl                what is known to be missing
  case.md, case.jsonl       what responders pinned, supposed and said, where there is a case
  verify.py                 checks it with Python alone:  python3 verify.py THIS_FILE.zip
  manifest.json, .sig       what is in the bundle, by whom, chosen how

Name the keys that you trust to verify.py (--log-key, --custody-key); whoever made this bundle
should have given them to you another way.
"""


@dataclass(frozen=True)
class BundleOrder:
    """What a bundle is to hold.

    Args:
        case_id: the case that it is for.
        by: who makes it.
        purpose: why.
        withheld: content fields that are left out.
        attachments: further files, such as reports.
    """

    selection: Selection
    by: str
    case_id: str | None = None
    purpose: str | None = None
    withheld: Collection[str] = ()
    attachments: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Bundle:
    """A bundle.

    Args:
        data: the file.
        rows: in it.
        unsealed: rows that were asked for and no checkpoint covers: they are not in it.
    """

    data: bytes = field(repr=False)
    rows: int
    unsealed: int


def make_bundle(lake: Path, order: BundleOrder, trust: TrustPolicy, key: SigningKey) -> Bundle:
    """Return a bundle of what was asked for.

    Args:
        trust: the keys that the bundle names.
        key: signs it; one of the custody keys in `trust`.

    Raises:
        CannotContinue: the lake or its log cannot be read, or nothing of it is sealed.
    """
    files = DiskFiles(lake / LOG_DIRECTORY)
    checkpoint, note = _checkpoint(files)
    reader = LogReader(files, checkpoint.size)
    entries = {at: (data, json.loads(data)) for at, data in enumerate(reader.entries())}
    rows = order.selection.rows(lake, live_paths(lake))
    segments = _segments_of(rows, {at: entry for at, (_, entry) in entries.items()})
    sealed = _only_sealed(rows, segments)
    shown = bundled(sealed, order.withheld)
    chosen = sorted({*segments, *_changes_of(sealed, entries)})
    leaves = LeafFiles(files, {at: entry for at, (_, entry) in entries.items() if "root" in entry})
    parts: dict[str, bytes] = {
        "README.txt": _README.encode(),
        "verify.py": Path(standalone.__file__).read_bytes(),
        "rows.jsonl": json_lines(shown, order.withheld),
        "rows.parquet": parquet(shown),
        "checkpoint": note,
        "entries.jsonl": b"".join(
            canonical_bytes(
                {
                    "index": at,
                    "entry": entries[at][0].decode(),
                    "proof": [
                        base64.b64encode(step).decode()
                        for step in inclusion_proof(at, checkpoint.size, reader.nodes)
                    ],
                }
            )
            + b"\n"
            for at in chosen
        ),
        "leaves.bin": b"".join(_leaves(leaves, at) for at in sorted(segments)),
        **{
            f"stamps/{path.rpartition('/')[2]}": files.read(path)
            for path in files.listed("timestamps")
        },
        **order.attachments,
    }
    manifest = canonical_bytes(_manifest(lake, order, trust, checkpoint, sealed, parts))
    signature: dict[str, JsonValue] = {"key_id": key.key_id, "signature": key.sign(manifest)}
    parts |= {"manifest.json": manifest, "manifest.sig": canonical_bytes(signature)}
    return Bundle(_archive(parts), sealed.num_rows, rows.num_rows - sealed.num_rows)


def _checkpoint(files: DiskFiles) -> tuple[Checkpoint, bytes]:
    try:
        data = files.read(CHECKPOINT)
        return Checkpoint.parse(Note.parse(data).text), data
    except (OSError, ValueError) as error:
        raise CannotContinue(
            f"{files} has no checkpoint that can be read, so nothing can be proved; run `locard "
            "seal --once` first"
        ) from error


def _segments_of(
    rows: pa.Table, entries: Mapping[int, Mapping[str, Any]]
) -> dict[int, Mapping[str, Any]]:
    """Return the segments that rows are of, by the index of their entry."""
    wanted = ranges_of(rows)
    return {
        at: entry
        for at, entry in entries.items()
        if entry["format"] == SEGMENT_FORMAT
        and _meets(
            wanted.get(f"{entry['topic_id']}/{entry['partition']}", ()),
            entry["first_offset"],
            entry["next_offset"],
        )
    }


def _meets(ranges: Sequence[Sequence[int]], first: int, following: int) -> bool:
    return any(begin < following and first < end for begin, end in ranges)


def _only_sealed(rows: pa.Table, segments: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    ends: dict[tuple[str, int], int] = {}
    for entry in segments.values():
        key = entry["topic_id"], entry["partition"]
        ends[key] = max(ends.get(key, 0), entry["next_offset"])
    columns = (rows[name].to_pylist() for name in ("log_topic_id", "log_partition", "log_offset"))
    mask = [offset < ends.get((topic, n), 0) for topic, n, offset in zip(*columns, strict=True)]
    return rows.filter(pa.array(mask, pa.bool_()))


def _changes_of(
    rows: pa.Table, entries: Mapping[int, tuple[bytes, Mapping[str, Any]]]
) -> Iterator[int]:
    """Yield the statements of custody that are about some of the rows."""
    wanted = ranges_of(rows)
    for at, (_, entry) in entries.items():
        if entry["format"] != CHANGE_FORMAT:
            continue
        for what in ("emptied", "dropped"):
            told = entry["statement"].get(what, {}).items()
            if any(_meets(wanted.get(name, ()), *pair) for name, pairs in told for pair in pairs):
                yield at
                break


def _leaves(leaves: LeafFiles, index: int) -> bytes:
    found = leaves.of(index)
    if found is None:
        raise CannotContinue(
            f"the leaf hashes of entry {index} are not there; restore `{LOG_DIRECTORY}/leaves` "
            "from a copy"
        )
    return b"".join(found)


def _manifest(
    lake: Path,
    order: BundleOrder,
    trust: TrustPolicy,
    checkpoint: Checkpoint,
    rows: pa.Table,
    parts: Mapping[str, bytes],
) -> dict[str, Any]:
    return {
        "format": BUNDLE_FORMAT,
        "case": order.case_id,
        "by": order.by,
        "purpose": order.purpose,
        "selection": order.selection.told(),
        "withheld": sorted(order.withheld),
        "lake": {"format": LAKE_FORMAT, "version": DeltaTable(lake).version()},
        "software": {"locard": _version()},
        "checkpoint": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
        },
        "keys": {
            "log": list(trust.log.keys),
            "custody": list(trust.custody.keys),
            "witnesses": list(trust.witnesses.keys),
        },
        "rows": ranges_of(rows),
        "files": {name: sha256(data).hexdigest() for name, data in sorted(parts.items())},
    }


def _archive(parts: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(parts):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same whatever system made it
            archive.writestr(info, parts[name])
    return sink.getvalue()


def _version() -> str:
    try:
        return version("locard")
    except PackageNotFoundError:
        return "unknown"
