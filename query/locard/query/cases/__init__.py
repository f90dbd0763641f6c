"""Cases: what responders pin, tag, comment and suppose, with who and when."""

from __future__ import annotations

from pathlib import Path

from locard.query.cases.records import KINDS, STATUSES, Case, Entry
from locard.query.cases.store import Cases, Database
from locard.schema import CannotContinue

__all__ = ["KINDS", "STATUSES", "Case", "Cases", "Database", "Entry", "open_cases"]


def open_cases(place: Path | str) -> Cases:
    """Return the cases that are kept at a place; it is opened when it is used.

    Args:
        place: the path of a file, or the URL of a PostgreSQL database.

    Raises:
        CannotContinue: what reads that kind of database is not installed.
    """
    if isinstance(place, Path):
        from locard.query.cases.sqlite import SqliteFile

        return Cases(SqliteFile(place))
    try:
        from locard.query.cases.postgres import Postgres
    except ImportError as error:
        raise CannotContinue(
            "cases are kept in PostgreSQL, and what reads it is not installed; "
            "install locard[postgres]"
        ) from error
    return Cases(Postgres(place))
