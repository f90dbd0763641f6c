"""The vault: the originals of tokens, by session, for whoever has a case. Off by default.

The process that redacts seals each original to a public key and cannot read it again; the private
key is needed only to open, and may be kept elsewhere. Session and token are authenticated with the
value, so that an entry that was moved does not open. Secrets never become tokens, so none is here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from locard.redaction.sealing import seal, unseal
from locard.schema import CannotContinue

_SECONDS_TO_WAIT: Final = 30.0  # while another process writes
_REMEMBERED: Final = 20_000  # entries that are known to be there
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS originals (
    session_id TEXT NOT NULL,
    token TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (session_id, token)
) WITHOUT ROWID
"""


class Original(NamedTuple):
    """A token and what it stands for."""

    token: str
    value: str

    def __repr__(self) -> str:
        """Say which token, and not what it stands for."""
        return f"Original({self.token})"


class Vault:
    """The vault in one file; several processes may use it at once.

    Args:
        path: of the file; made when the first entry is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, str]] = set()

    def put(self, session_id: str, originals: Mapping[str, str], key: X25519PublicKey) -> None:
        """Keep what tokens of a session stand for; durable on return. What is there stays.

        Raises:
            CannotContinue: it cannot be written.
        """
        new = [token for token in originals if (session_id, token) not in self._known]
        if not new:
            return
        rows = [
            (session_id, token, seal(originals[token].encode(), key, _place(session_id, token)))
            for token in new
        ]
        with self._connected() as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO originals VALUES (?, ?, ?)", rows)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known.update((session_id, token) for token in new)

    def open(
        self, session_id: str, key: X25519PrivateKey, token: str | None = None
    ) -> list[Original]:
        """Return what the tokens of a session stand for, in their order.

        Args:
            token: only this one's.

        Raises:
            CannotContinue: the file cannot be read, or an entry does not open with this key.
        """
        query = "SELECT token, sealed FROM originals WHERE session_id = ?"
        with self._connected() as connection:
            rows = connection.execute(query + " ORDER BY token", (session_id,)).fetchall()
        return [
            Original(name, unseal(sealed, key, _place(session_id, name)).decode())
            for name, sealed in rows
            if token in (None, name)
        ]

    def forget(self, session_id: str) -> int:
        """Erase what the tokens of a session stand for, and return how many there were.

        The pages are overwritten, and so is the journal.

        Raises:
            CannotContinue: the file cannot be written.
        """
        return self._forget("session_id", session_id)

    def forget_tokens(self, tokens: Iterable[str]) -> int:
        """Erase what these tokens stand for, in all sessions; see `forget`."""
        return sum(self._forget("token", token) for token in tokens)

    def _forget(self, column: Literal["session_id", "token"], value: str) -> int:
        with self._connected() as connection:
            with connection:
                told = connection.execute(f"DELETE FROM originals WHERE {column} = ?", (value,))  # noqa: S608
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return told.rowcount

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            # The journal gets the rights of the file, which SQLite itself would make readable.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute(_TABLE)
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise CannotContinue(
                f"the vault {self._path} cannot be used: {type(error).__name__}: {error}; see to "
                "the disk and the rights of the file, or put back a copy"
            ) from error


def _place(session_id: str, token: str) -> str:
    return f"vault/{len(session_id)}/{session_id}/{token}"
