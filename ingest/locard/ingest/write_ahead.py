"""SQLite's write-ahead log, which several processes may ask for at the same moment."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_PAUSE_SECONDS: Final = 0.01


def change_to_write_ahead(connection: sqlite3.Connection, seconds: float) -> None:
    """Change the file's journal, waiting for others that do the same: here SQLite itself does not.

    Args:
        seconds: how long to wait.

    Raises:
        sqlite3.OperationalError: it cannot be changed.
    """
    give_up = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
