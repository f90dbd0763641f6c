"""One sealer for one lake: reads what was committed, computes it anew, and has it signed.

It works off versions of the lake in their order. Of each segment it reads the rows from the disk
and computes their leaves from the columns; only what it has seen itself is signed. Where the rows
do not lead to the root that the manifest says, the entry says what they lead to, so that what
comes after is protected all the same.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError, TableNotFoundError

from locard.evidence.leaf_files import write_leaves
from locard.evidence.log_files import LogFiles
from locard.evidence.merkle import root_of
from locard.evidence.notes import Checkpoint, NoteKey, VerifierKey
from locard.evidence.tiles import LARGEST_ENTRY
from locard.evidence.transparency_log import TransparencyLog
from locard.evidence.verifier.leaves import row_leaves
from locard.ingest.delta import first_line
from locard.ingest.lake_store import lake_store
from locard.ingest.sealer.commits import CHANGE_FORMAT, Commit, read_commit
from locard.ingest.sealer.metrics import SealerCounts
from locard.ingest.upkeep import live_files
from locard.schema import CannotContinue, EvidenceGap, LakePlace, RetryableError, canonical_bytes

log = logging.getLogger(__name__)

_MOST_ROWS: Final = 200_000  # that one checkpoint covers in one go


@dataclass
class Sealed:
    """What a run of the sealer did.

    Args:
        segments: that were sealed.
        rows: in them.
        mismatches: entries of segments whose rows are not what their manifest says.
        checkpoint: the last one; `None` where nothing was ever sealed.
    """

    segments: int = 0
    rows: int = 0
    mismatches: list[int] = field(default_factory=list)
    checkpoint: Checkpoint | None = None


class Sealer:
    """Seals the lake at a place.

    Args:
        files: of the transparency log.
        key: signs checkpoints.
        accepted: older keys of the log.

    Raises:
        CannotContinue: see `TransparencyLog`.
    """

    def __init__(
        self,
        place: LakePlace,
        files: LogFiles,
        key: NoteKey,
        accepted: Sequence[VerifierKey] = (),
    ) -> None:
        self.place = place
        self._store = lake_store(place)
        self._files = files
        self._key = key
        self._accepted = accepted
        self.counts = SealerCounts()
        self._open()

    def refresh(self) -> None:
        """Go on from where another sealer has got since, if one has; to be called before `seal`."""
        if not self.log.is_last():
            self._open()

    def _open(self) -> None:
        self.log = TransparencyLog(self._files, self._key, self._accepted)
        self._last: dict[str, int] = {}
        self._next_version = self._resume()

    def seal(self, progress: Callable[[int], None] = lambda _: None) -> Sealed:
        """Seal all that was committed until now.

        Args:
            progress: is told how many versions are still to be sealed.

        Raises:
            EvidenceGap: versions are gone that were not sealed, or the lake is older than its log.
            RetryableError: the lake cannot be read now.
            CannotContinue: the log cannot be written.
        """
        done = Sealed()
        newest = self._newest_version()
        while self._next_version <= newest:
            self.counts.waiting = newest + 1 - self._next_version
            progress(self.counts.waiting)
            self._seal_some(newest, done)
        self.counts.waiting = 0
        done.checkpoint = self.log.checkpoint
        return done

    def _seal_some(self, newest: int, done: Sealed) -> None:
        """Seal versions, as many as one checkpoint should cover."""
        entries: list[bytes] = []
        leaves: list[bytes] = []
        segments = 0
        first = self.log.size
        before = len(done.mismatches)
        last = dict(self._last)
        version = self._next_version
        oldest = 0.0
        while version <= newest and len(leaves) < _MOST_ROWS:
            commit = read_commit(self._store, version)
            oldest = oldest or commit.committed_at
            for entry, of_segment in self._entries(commit, first + len(entries), last):
                if "found" in entry:
                    done.mismatches.append(first + len(entries))
                segments += "root" in entry
                entries.append(_encoded(entry))
                leaves += of_segment
            version += 1
        if leaves:
            write_leaves(self._files, first, leaves)
        self.log.append(entries)
        done.rows += len(leaves)
        done.segments += segments
        self.counts.rows += len(leaves)
        self.counts.segments += segments
        self.counts.entries = self.log.size
        self.counts.mismatches += len(done.mismatches) - before
        self.counts.latency = max(0.0, time.time() - oldest) if oldest else 0.0
        self._last, self._next_version = last, version

    def _entries(
        self, commit: Commit, index: int, last: dict[str, int]
    ) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
        """Yield the entries that a commit makes, with the leaves of those that are segments."""
        rows = self._rows(commit) if any(one["rows"] for one in commit.manifests) else None
        for manifest in commit.manifests:
            leaves = _leaves_of(rows, manifest) if rows is not None else []
            partition = f"{manifest['topic_id']}/{manifest['partition']}"
            entry = {**manifest, "table_version": commit.version}
            if partition in last:
                entry["previous"] = last[partition]
            found = root_of(leaves).hex()
            if found != manifest["root"] or len(leaves) != manifest["rows"]:
                entry["found"] = {"root": found, "rows": len(leaves)}
                log.error(
                    "entry %d of the transparency log: the rows of offsets %d to %d of partition "
                    "%s are not those that were published; see `locard verify`",
                    index,
                    manifest["first_offset"],
                    manifest["next_offset"],
                    manifest["partition"],
                )
            last[partition] = index
            index += 1
            yield entry, leaves
        for statement in commit.statements:
            yield (
                {
                    "format": CHANGE_FORMAT,
                    "table_version": commit.version,
                    "statement": statement,
                },
                [],
            )
        if commit.is_rewrite:
            yield commit.rewrite, []

    def _rows(self, commit: Commit) -> pa.Table:
        """Return the rows that a commit added; from where they are now, if they were moved."""
        try:
            contents = [self._contents(path) for path in commit.added]
            moved = [] if contents else [self._read_moved(one) for one in commit.manifests]
        except FileNotFoundError:
            contents, moved = [], [self._read_moved(manifest) for manifest in commit.manifests]
        except OSError as error:
            raise RetryableError(
                f"a file of version {commit.version} of the lake at {self.place} cannot be read "
                f"now: {error}; nothing was sealed, seal again"
            ) from error
        try:
            tables = moved or [pq.ParquetFile(data).read() for data in contents]
        except (OSError, pa.ArrowException):  # it was read whole, so it is the file that is damaged
            log.error(
                "version %d of the lake: a file is damaged, so its rows count as altered",
                commit.version,
            )
            tables = []
        return pa.concat_tables(tables, promote_options="default") if tables else None

    def _contents(self, path: str) -> pa.BufferReader:
        with self._store.files.open_input_stream(path) as file:
            return pa.BufferReader(file.read_buffer())

    def _read_moved(self, manifest: Mapping[str, Any]) -> pa.Table:
        """Return the rows of a segment that upkeep has written to other files since."""
        belongs = (
            (pc.field("log_topic_id") == manifest["topic_id"])
            & (pc.field("log_partition") == manifest["partition"])
            & (pc.field("log_offset") >= manifest["first_offset"])
            & (pc.field("log_offset") < manifest["next_offset"])
        )
        files = [file.path for file in live_files(self._store.open())]
        return pa.concat_tables(
            [pq.read_table(path, filters=belongs, filesystem=self._store.files) for path in files],
            promote_options="default",
        )

    def _resume(self) -> int:
        """Return the first version that is not sealed, and remember each partition's last entry."""
        version = -1
        for index, data in enumerate(self.log.reader.entries()):
            entry = json.loads(data)
            version = max(version, entry.get("table_version", -1))
            if "root" in entry:
                self._last[f"{entry['topic_id']}/{entry['partition']}"] = index
        return version + 1

    def _newest_version(self) -> int:
        try:
            newest: int = self._store.open().version()
        except TableNotFoundError:
            return -1
        except (DeltaError, OSError) as error:
            raise RetryableError(
                f"the lake at {self.place} cannot be read: {first_line(error)}; see `locard doctor`"
            ) from error
        if newest < self._next_version - 1:
            raise EvidenceGap(
                f"the lake at {self.place} stands at version {newest}, and its log has sealed "
                f"version {self._next_version - 1}: it was put back from an older copy, or cut. "
                "Restore the newer one; `locard verify` tells what is missing"
            )
        return newest


def _leaves_of(rows: pa.Table, manifest: Mapping[str, Any]) -> list[bytes]:
    mine = rows.filter(
        (pc.field("log_topic_id") == manifest["topic_id"])
        & (pc.field("log_partition") == manifest["partition"])
        & (pc.field("log_offset") >= manifest["first_offset"])
        & (pc.field("log_offset") < manifest["next_offset"])
    ).sort_by("log_offset")
    leaves, _ = row_leaves(mine)
    return leaves


def _encoded(entry: dict[str, Any]) -> bytes:
    data = canonical_bytes(entry)
    if len(data) > LARGEST_ENTRY:
        raise CannotContinue(
            f"version {entry.get('table_version')} of the lake has a manifest of {len(data):,} "
            f"bytes, and the log takes {LARGEST_ENTRY:,}; report it"
        )
    return data
