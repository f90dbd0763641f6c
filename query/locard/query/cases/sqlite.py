"""Cases in one SQLite file, which several processes may use."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from locard.query.cases.store import TABLE
from locard.schema import CannotContinue, RetryableError

_SECONDS_TO_WAIT: Final = 30.0  # for others who write


class SqliteFile:
    """The database of one file; see `Database`.

    Args:
        path: of the file, made with its directory, for its owner alone, if it does not exist.
    """

    mark = "?"

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """Give a cursor; a file that nobody has written is empty, and is not made."""
        with self._connection(self._path if self._path.exists() else ":memory:") as connection:
            yield connection.cursor()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """Give a cursor while nobody else writes; see `Database`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise CannotContinue(
                f"the cases in {self._path} cannot be written ({error.strerror}); make room, or "
                "see whose it is"
            ) from error
        with self._connection(self._path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection.cursor()
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self, path: Path | str) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(TABLE)
                yield connection
        except sqlite3.OperationalError as error:
            raise RetryableError(
                f"the cases in {self._path} cannot be used now ({error}); try again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise CannotContinue(
                f"{self._path} holds no cases ({type(error).__name__}); restore it from a copy"
            ) from error
