"""Cases in a PostgreSQL database, which responders on several machines share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg

from locard.query.cases.store import TABLE
from locard.schema import CannotContinue, RetryableError

_SECONDS_TO_CONNECT: Final = 10
_SECONDS_TO_WAIT: Final = 30  # for others who write
_LOCK: Final[LiteralString] = "SELECT pg_advisory_xact_lock(7814925310218)"
"""One for all cases, and no table's: it is there before the table is, and readers do not wait."""


class Postgres:
    """The database at a URL; see `Database`.

    Args:
        url: as libpq understands it, `postgresql://user@host/name`; a password is better kept in
            a password file or a service file than in it. It is in no error.
    """

    mark = "%s"

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def reading(self) -> Iterator[psycopg.Cursor[Any]]:
        """Give a cursor; see `Database`."""
        with self._connection() as connection:
            cursor = connection.cursor()
            known = cursor.execute("SELECT to_regclass('case_entries')").fetchone()
            if known is None or known[0] is None:
                cursor.execute(_LOCK)
                cursor.execute(TABLE)
                connection.commit()
            yield cursor

    @contextmanager
    def writing(self) -> Iterator[psycopg.Cursor[Any]]:
        """Give a cursor while nobody else writes; see `Database`."""
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute(_LOCK)
            cursor.execute(TABLE)
            yield cursor

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a connection whose transaction ends with the block: kept, unless it raises."""
        try:
            with psycopg.connect(
                self._url,
                connect_timeout=_SECONDS_TO_CONNECT,
                options=f"-c lock_timeout={_SECONDS_TO_WAIT}s -c client_min_messages=warning",
            ) as connection:
                yield connection
        except psycopg.OperationalError as error:  # away, full, or waited too long
            raise RetryableError(
                f"the database of cases cannot be used now ({type(error).__name__}); see that it "
                "runs and that its URL is right, then try again"
            ) from error
        except psycopg.Error as error:
            raise CannotContinue(
                f"the database of cases refuses ({type(error).__name__}); see its log, and that "
                "the user may create and write the table case_entries"
            ) from error
