"""The registry's file: its tables, its transactions, and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from locard.ingest.write_ahead import change_to_write_ahead
from locard.schema import CannotContinue, RetryableError

_APPLICATION_ID: Final = 0x4C634964  # tells our file from any other SQLite file
_FORMAT: Final = 1
BUSY_SECONDS: Final = 10.0
"""How long a change waits for another process that makes one."""

_SCHEMA: Final = """
CREATE TABLE identities (
    identity TEXT PRIMARY KEY, workflow_id TEXT NOT NULL, agent_id TEXT, role TEXT NOT NULL,
    name TEXT, created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, used_at INTEGER
);
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY, identity TEXT NOT NULL REFERENCES identities, ends_at INTEGER
);
CREATE INDEX tokens_of_identity ON tokens (identity);
CREATE TABLE keys (
    identity TEXT NOT NULL REFERENCES identities, key_id TEXT NOT NULL, revoked_at INTEGER,
    PRIMARY KEY (identity, key_id)
);
CREATE TABLE unrecorded (
    number INTEGER PRIMARY KEY AUTOINCREMENT, log_key BLOB NOT NULL, event BLOB NOT NULL
);
"""

# Of readers only. No new format: a version that does not know it shows them less, and not more.
_MORE_WORKFLOWS: Final = """
CREATE TABLE IF NOT EXISTS more_workflows (
    identity TEXT NOT NULL REFERENCES identities, workflow_id TEXT NOT NULL,
    PRIMARY KEY (identity, workflow_id)
)
"""


class RegistryFile:
    """The file: made with its directory, for its owner alone, if it does not exist.

    Raises:
        CannotContinue: the file cannot be made, is another program's, or is of a newer format.
        RetryableError: another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.translated_errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            with closing(self.connect()) as connection:
                self._check(connection)
                change_to_write_ahead(connection, BUSY_SECONDS)
                self._prepare(connection)

    def number(self) -> int:
        """Return what tells this file from one that is put in its place."""
        return self.path.stat().st_ino

    def connect(self, busy_seconds: float | None = None) -> sqlite3.Connection:
        """Open the file once more, for any thread; the caller closes. It is never made here."""
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS if busy_seconds is None else busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    @contextmanager
    def changing(self, busy_seconds: float | None = None) -> Iterator[sqlite3.Connection]:
        """Hold the file's write lock; all or nothing of the block lasts, and lasts on the disk."""
        with self.translated_errors(), closing(self.connect(busy_seconds)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn what SQLite raises into what the caller has to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise RetryableError(
                    f"the identity registry {self.path} is held by another process; try again"
                ) from error
            reason = error.strerror if isinstance(error, OSError) else error
            raise CannotContinue(
                f"the identity registry {self.path} cannot be used: {reason}; check that its "
                "directory is writable and its disk has room, or restore the file from a copy"
            ) from error

    def _check(self, connection: sqlite3.Connection) -> None:
        """Leave a file alone that is not ours, or that a later version made."""
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise CannotContinue(
                f"{self.path} is a file of another program and no identity registry; move it away"
            )
        if found != _FORMAT:
            raise CannotContinue(
                f"the identity registry {self.path} has format {found} and this program knows "
                f"{_FORMAT}; install the version of Locard that wrote it"
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={_FORMAT}")
            connection.execute(_MORE_WORKFLOWS)
