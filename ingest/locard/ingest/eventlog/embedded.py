"""The event log as one SQLite file, for one machine: no service to start.

Several processes may append; one reads. SQLite's journal in WAL mode with `synchronous=FULL` makes
a returned append durable. A record's row id is its partition and offset in one integer, so that
reading on is a range scan. What was published is deleted after a while and overwritten, since the
log holds what redaction has not seen.
"""

from __future__ import annotations

import fcntl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from locard.ingest.eventlog import OutgoingRecord, RawRecord, RecordsMissing, check_sizes
from locard.ingest.eventlog.embedded_file import EmbeddedLog, row_id
from locard.schema import EvidenceGap, RetryableError

_POLL_SECONDS: Final = 0.02
_MOST_BYTES: Final = 8 * 1024 * 1024  # of one partition in one poll, but for its last record
_FOR_EVER: Final = 2**63 - 1  # in microseconds
DEFAULT_RETENTION: Final = timedelta(hours=24)


class EmbeddedWriter:
    """Appends to an embedded log; see `EventLogWriter`."""

    def __init__(self, path: Path) -> None:
        self._log = EmbeddedLog(path)

    @property
    def topic_id(self) -> str:
        """The id that the file got when it was made."""
        return self._log.topic_id

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Append all records or none; durable on return.

        Raises:
            FileReplaced: the file was deleted meanwhile; nothing is durable.
        """
        check_sizes(records)
        log = self._log
        with log.translated_errors(), log.transaction():
            now = time.time_ns() // 1000
            ends = dict(log.connection.execute("SELECT partition, end_offset FROM partitions"))
            rows = []
            for record in records:
                partition = zlib.crc32(record.key) % log.partitions
                rows.append((row_id(partition, ends[partition]), now, record.value))
                ends[partition] += 1
            log.connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
            log.connection.executemany(
                "UPDATE partitions SET end_offset = ? WHERE partition = ?",
                ((end, partition) for partition, end in ends.items()),
            )
        log.check_in_place()

    def is_empty(self) -> bool:
        """Say whether no record is in the file."""
        with self._log.translated_errors():
            return self._log.connection.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None

    def bytes_used(self) -> int:
        """Return what the records take up in the file, room that was freed not counted."""
        with self._log.translated_errors():
            (used,) = self._log.connection.execute(
                "SELECT (page_count - freelist_count) * page_size"
                " FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
            ).fetchone()
        return int(used)

    def close(self) -> None:
        """Close the file."""
        self._log.close()


class LogIsBeingRead(RetryableError):
    """Another process reads the log; what is in it will be published without us."""


class EmbeddedReader:
    """Reads all partitions of an embedded log; see `EventLogReader`.

    Args:
        retention: how long a record is kept after it was appended, once it is committed; with
            `None` it is deleted then, whatever the clock says.

    Raises:
        LogIsBeingRead: another process reads it already.
    """

    def __init__(self, path: Path, retention: timedelta | None = DEFAULT_RETENTION) -> None:
        self._log = EmbeddedLog(path)
        self._retention = retention
        self._lease = self._take_lease()
        self._next: dict[int, int] = {}

    def _take_lease(self) -> TextIO:
        """Two readers would both publish; the second is told so before it begins."""
        lease = self._log.path.with_suffix(".reader").open("w")
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lease.close()
            self._log.close()
            raise LogIsBeingRead(
                f"the event log {self._log.path} is being read by another process; "
                "let that one work, or stop it first"
            ) from error
        return lease

    @property
    def topic_id(self) -> str:
        """The id that the file got when it was made."""
        return self._log.topic_id

    def start(
        self,
        positions: Callable[[Sequence[int]], Mapping[int, int]],
        on_revoked: Callable[[], None],  # noqa: ARG002 - nobody else can take a partition
    ) -> None:
        """Begin where `positions` says."""
        partitions = range(self._log.partitions)
        known = positions(partitions)
        self._next = {partition: known.get(partition, 0) for partition in partitions}
        for partition, end in self.end_offsets().items():
            if self._next[partition] > end:
                raise EvidenceGap(
                    f"the lake has records up to offset {self._next[partition]} of partition "
                    f"{partition} and the event log {self._log.path} ends at {end}: it was "
                    "restored from an older copy, or belongs to another lake; use the one that fits"
                )

    def poll(self, most_records: int, timeout: float) -> list[RawRecord]:
        """Return the next records, a fair share of each partition."""
        give_up = time.monotonic() + timeout
        while most_records:
            records = self._read(most_records)
            if records or time.monotonic() >= give_up:
                return records
            time.sleep(_POLL_SECONDS)
        return []

    def _read(self, most_records: int) -> list[RawRecord]:
        records: list[RawRecord] = []
        share = max(1, most_records // len(self._next))
        with self._log.translated_errors():
            for partition, begin in self.begin_offsets().items():
                if self._next[partition] < begin:
                    raise RecordsMissing(partition, self._next[partition], begin)
                records += self._read_partition(partition, share)
        return records

    def begin_offsets(self) -> dict[int, int]:
        """Return the first offset of each partition that was not deleted."""
        with self._log.translated_errors():
            return dict(
                self._log.connection.execute(
                    "SELECT partition, begin_offset FROM partitions ORDER BY partition"
                )
            )

    def _read_partition(self, partition: int, most: int) -> Iterator[RawRecord]:
        rows = self._log.connection.execute(
            "SELECT id, appended_at, value FROM records WHERE id >= ? AND id < ?"
            " ORDER BY id LIMIT ?",
            (row_id(partition, self._next[partition]), row_id(partition + 1, 0), most),
        )
        size = 0
        for found, appended_at, value in rows:
            offset = found - row_id(partition, 0)
            self._next[partition] = offset + 1
            moment = datetime.fromtimestamp(appended_at / 1e6, UTC)
            yield RawRecord(self.topic_id, partition, offset, moment, value)
            size += len(value)
            if size >= _MOST_BYTES:
                return

    def seek(self, partition: int, offset: int) -> None:
        """Go on at this offset."""
        self._next[partition] = offset

    def assignment_held(self) -> AbstractContextManager[bool]:
        """Nobody else can take a partition."""
        return nullcontext(enter_result=True)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Note the positions, and delete what was published longer ago than the retention."""
        oldest = _FOR_EVER
        if self._retention is not None:
            oldest = time.time_ns() // 1000 - int(self._retention.total_seconds() * 1e6)
        connection = self._log.connection
        with self._log.translated_errors(), self._log.transaction():
            for partition, offset in positions.items():
                expired = (row_id(partition, 0), row_id(partition, offset), oldest)
                connection.execute(
                    "DELETE FROM records WHERE id >= ? AND id < ? AND appended_at < ?", expired
                )
                (first,) = connection.execute(
                    "SELECT coalesce(min(id), ?) FROM records WHERE id >= ? AND id < ?",
                    (row_id(partition, offset), *expired[:2]),
                ).fetchone()
                connection.execute(
                    "UPDATE partitions SET committed = ?, begin_offset = ? WHERE partition = ?",
                    (offset, first - row_id(partition, 0), partition),
                )

    def end_offsets(self) -> Mapping[int, int]:
        """Return the end of each partition."""
        with self._log.translated_errors():
            return dict(
                self._log.connection.execute("SELECT partition, end_offset FROM partitions")
            )

    def close(self) -> None:
        """Let the next reader in."""
        self._log.close()
        self._lease.close()
