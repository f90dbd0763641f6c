"""The embedded log's file: its tables, its transactions, and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from locard.ingest.eventlog.forking import not_while_forking
from locard.ingest.write_ahead import change_to_write_ahead
from locard.schema import CannotContinue, RetryableError

_FORMAT: Final = 1
_PARTITIONS: Final = 4
_OFFSET_BITS: Final = 48  # of the row id; the partition stands above them
_BUSY_SECONDS: Final = 30.0
_EMPTIED: Final = b'{"erased":true}'

_SCHEMA: Final = """
CREATE TABLE about (format INTEGER NOT NULL, topic_id TEXT NOT NULL);
CREATE TABLE partitions (
    partition INTEGER PRIMARY KEY, begin_offset INTEGER NOT NULL, end_offset INTEGER NOT NULL,
    committed INTEGER
);
CREATE TABLE records (id INTEGER PRIMARY KEY, appended_at INTEGER NOT NULL, value BLOB NOT NULL);
"""


class FileReplaced(CannotContinue):
    """Another file, or none, is where the log was: nothing that is written now would last."""


class EmbeddedLog:
    """The file: what writer and reader share.

    Args:
        path: made with its directory if it does not exist.

    Raises:
        CannotContinue: the file cannot be made, is no event log, or is of a newer format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.translated_errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # it holds raw text; SQLite's own files take over its mode
            self.connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._prepare()
            self._file = _identity(path)
        self.topic_id, self.partitions = self._about()

    def check_in_place(self) -> None:
        """Return if the file is still where it was opened.

        SQLite goes on writing to a file that was deleted or replaced, where nobody will find it.

        Raises:
            FileReplaced: it is not.
        """
        try:
            is_in_place = _identity(self.path) == self._file
        except OSError:
            is_in_place = False
        if not is_in_place:
            raise FileReplaced(
                f"the event log {self.path} was deleted or replaced while it was in use; what was "
                "in it is lost unless you bring it back; start this process again"
            )

    def overwrite(self, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> int:
        """Empty records that were published already, also where SQLite keeps what was; count them.

        Read once more, they hold no event.

        Args:
            ranges: of offsets, as the first and the one after the last, by partition.
        """
        count = 0
        with self.translated_errors():
            with self.transaction():
                for partition, pairs in ranges.items():
                    for first, following in pairs:
                        done = self.connection.execute(
                            "UPDATE records SET value = ? WHERE id >= ? AND id < ?",
                            (_EMPTIED, row_id(partition, first), row_id(partition, following)),
                        )
                        count += done.rowcount
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def close(self) -> None:
        """Close the file."""
        with not_while_forking():
            self.connection.close()

    def _prepare(self) -> None:
        change_to_write_ahead(self.connection, _BUSY_SECONDS)
        for pragma in ("synchronous=FULL", "secure_delete=ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        with self.transaction():
            if self.connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return
            for statement in _SCHEMA.split(";"):
                self.connection.execute(statement)
            self.connection.execute("INSERT INTO about VALUES (?, ?)", (_FORMAT, uuid.uuid4().hex))
            self.connection.executemany(
                "INSERT INTO partitions VALUES (?, 0, 0, NULL)", ((n,) for n in range(_PARTITIONS))
            )

    def _about(self) -> tuple[str, int]:
        with self.translated_errors():
            found, topic_id = self.connection.execute(
                "SELECT format, topic_id FROM about"
            ).fetchone()
            (count,) = self.connection.execute("SELECT count(*) FROM partitions").fetchone()
        if found != _FORMAT:
            raise CannotContinue(
                f"the event log {self.path} has format {found} and this program knows {_FORMAT}; "
                "install the version of Locard that wrote it"
            )
        return topic_id, count

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the file's write lock; all or nothing of the block lasts."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite ends it by itself when the disk is full
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn what SQLite raises into what the caller has to do; no fork comes in between."""
        try:
            with not_while_forking():
                yield
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0)  # the module's own errors have none
            if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise RetryableError(
                    f"the event log {self.path} is held by another process; try again"
                ) from error
            raise CannotContinue(
                f"the event log {self.path} cannot be used: {error}; "
                "check that its disk has room and its directory is writable"
            ) from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise CannotContinue(
                f"the event log {self.path} cannot be used: {error}; "
                "move it away if it is damaged, or name another directory with --home"
            ) from error


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def row_id(partition: int, offset: int) -> int:
    """Return the one integer that a record is found by; reading on is a scan of its range."""
    return partition << _OFFSET_BITS | offset
