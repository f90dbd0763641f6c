"""What the collector refused for good, kept beside the spool until a statement has declared it.

A refusal can be heard long after the event was recorded: by the thread that empties the spool, or
in a process that never saw the event. It is durable here before the event leaves the spool, and is
forgotten when a statement that declares it is durable itself. In between any process of this
collector may declare it; twice is no harm, since declared ranges may overlap.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, Self

from locard.ingest.eventlog.forking import not_while_forking
from locard.ingest.recorder.accounts import Drop
from locard.ingest.write_ahead import change_to_write_ahead
from locard.schema import RetryableError

log = logging.getLogger(__name__)

_BUSY_SECONDS: Final = 10.0
_MOST_RANGES: Final = 50_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS refused (
    incarnation TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (incarnation, reason, first)
)
"""


class Refusals:
    """The file, shared by all processes of a collector; safe to use from several threads.

    Args:
        connection: to the file; with `None` refusals are kept in memory, for this process alone.
    """

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._is_closed = False
        self._new: list[Drop] = []
        if connection:
            with not_while_forking():
                self._new += [Drop(*row) for row in connection.execute("SELECT * FROM refused")]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, made if it does not exist; in memory where it cannot be had."""
        try:
            with not_while_forking():
                path.touch(mode=0o600)
                connection = sqlite3.connect(
                    path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                change_to_write_ahead(connection, _BUSY_SECONDS)
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(_SCHEMA)
                return cls(connection)
        except (sqlite3.Error, OSError) as error:
            log.warning(
                "refusals are kept in memory alone, so one may not be declared after a crash: %s: "
                "%s; see that its disk has room and its directory is writable",
                path,
                error,
            )
            return cls()

    def note(self, drop: Drop) -> None:
        """Note what was refused; durable on return.

        Raises:
            RetryableError, sqlite3.Error: it is not noted, so the event must stay in the spool.
        """
        with self._lock:
            if self._is_closed:
                raise RetryableError("this process is ending; the next one hears it again")
            if self._connection:
                with not_while_forking():
                    self._write(self._connection, drop)
            self._new.append(drop)

    def take_new(self) -> list[Drop]:
        """Return what was noted since the last call, at first by earlier processes as well."""
        with self._lock:
            new, self._new = self._new, []
        return new

    def forget(self, declared: Iterable[Drop]) -> None:
        """Forget what a statement has declared that is durable now."""
        rows = [(d.incarnation, d.first, d.last) for d in declared]
        with self._lock, not_while_forking():
            if not (rows and self._connection):
                return
            self._connection.executemany(
                "DELETE FROM refused WHERE incarnation = ? AND first >= ? AND last <= ?", rows
            )

    def close(self) -> None:
        """Close the file; what was not declared stays in it."""
        with self._lock, not_while_forking():
            self._is_closed = True
            if self._connection:
                self._connection.close()
                self._connection = None

    def _write(self, connection: sqlite3.Connection, drop: Drop) -> None:
        """Add a drop, to the range that ends just before it where there is one."""
        with closing(connection.cursor()) as cursor:
            before = (drop.last, drop.incarnation, drop.reason, drop.first - 1)
            cursor.execute(
                "UPDATE refused SET last = ? WHERE incarnation = ? AND reason = ? AND last = ?",
                before,
            )
            if cursor.rowcount:
                return
            (count,) = cursor.execute("SELECT count(*) FROM refused").fetchone()
            if count < _MOST_RANGES:
                cursor.execute(
                    "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)",
                    (drop.incarnation, drop.first, drop.last, drop.reason),
                )
