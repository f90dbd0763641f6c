"""Rows of the registry's tables, as values of this program and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from locard.ingest.identities.record import Identity, new_identity_id, new_token, token_digest
from locard.schema import CannotContinue

_COLUMNS: Final = (
    "identity, workflow_id, agent_id, role, name, created_at, expires_at, revoked_at, used_at"
)


def insert_identity(
    connection: sqlite3.Connection,
    workflow_id: str,
    agent_id: str | None,
    role: str,
    name: str | None,
    created_at: datetime,
    expires_at: datetime | None,
    more_workflows: Sequence[str] = (),
) -> str:
    """Add an identity under an id that nobody has, and return the id."""
    moments = (micros(created_at), None if expires_at is None else micros(expires_at))
    while True:
        identity_id = new_identity_id(workflow_id, agent_id)
        inserted = connection.execute(
            "INSERT OR IGNORE INTO identities VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (identity_id, workflow_id, agent_id, role, name, *moments),
        )
        if inserted.rowcount:
            connection.executemany(
                "INSERT INTO more_workflows VALUES (?, ?)",
                ((identity_id, one) for one in dict.fromkeys(more_workflows) if one != workflow_id),
            )
            return identity_id


def issue_token(connection: sqlite3.Connection, identity_id: str) -> str:
    """Make a token for an identity, keep its digest, and return it."""
    token = new_token()
    connection.execute("INSERT INTO tokens VALUES (?, ?, NULL)", (token_digest(token), identity_id))
    return token


def all_identities(connection: sqlite3.Connection) -> list[Identity]:
    """Return every identity, in the order in which they were made."""
    query = f"SELECT {_COLUMNS} FROM identities ORDER BY rowid"  # noqa: S608
    return [_identity(connection, row) for row in connection.execute(query).fetchall()]


def find_identity(connection: sqlite3.Connection, identity_id: str) -> Identity:
    """Return the identity of this id.

    Raises:
        CannotContinue: there is none.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM identities WHERE identity = ?",  # noqa: S608 - names of columns
        (identity_id,),
    ).fetchone()
    if row is None:
        raise CannotContinue(
            "there is no identity of this id; `locard identity list` shows those there are"
        )
    return _identity(connection, row)


def _identity(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Identity:
    keys = connection.execute(
        "SELECT key_id, revoked_at FROM keys WHERE identity = ? ORDER BY rowid", row[:1]
    ).fetchall()
    more = connection.execute(
        "SELECT workflow_id FROM more_workflows WHERE identity = ? ORDER BY workflow_id", row[:1]
    ).fetchall()
    created_at, *others = row[5:]
    expires_at, revoked_at, used_at = (
        None if value is None else _moment(value) for value in others
    )
    identity_id, workflow_id, agent_id, role, name = row[:5]
    return Identity(
        identity_id,
        workflow_id,
        agent_id,
        role,
        name,
        created_at=_moment(created_at),
        expires_at=expires_at,
        revoked_at=revoked_at,
        used_at=used_at,
        keys=tuple(key_id for key_id, revoked in keys if revoked is None),
        more_workflows=tuple(name for (name,) in more),
        revoked_keys=tuple(key_id for key_id, revoked in keys if revoked is not None),
    )


def _moment(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1e6, UTC)


def micros(moment: datetime) -> int:
    """Return a moment as the tables hold it: microseconds since 1970."""
    return round(moment.timestamp() * 1e6)
