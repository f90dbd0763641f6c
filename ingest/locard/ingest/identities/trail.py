"""The access events of changes: they wait in the registry until the event log has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from locard.ingest.access import access_record
from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.identities.record import Identity
from locard.ingest.operators import operator
from locard.schema import JsonValue

_AT_ONCE: Final = 1000  # handed to the log in one go


def note_change(
    connection: sqlite3.Connection, action: str, identity: Identity, **told: JsonValue
) -> None:
    """Put the access event of a change where it waits, in the change's own transaction."""
    record = access_record(
        action,
        operator(),
        workflow_id=identity.workflow_id,
        agent_id=identity.agent_id,
        told={"identity": identity.identity, **told},
    )
    connection.execute(
        "INSERT INTO unrecorded (log_key, event) VALUES (?, ?)", (record.key, record.value)
    )


def waiting_changes(connection: sqlite3.Connection) -> dict[int, OutgoingRecord]:
    """Return what waits longest, by its number."""
    rows = connection.execute(
        "SELECT number, log_key, event FROM unrecorded ORDER BY number LIMIT ?", (_AT_ONCE,)
    )
    return {number: OutgoingRecord(key, event) for number, key, event in rows}


def forget_changes(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take out what the event log has."""
    connection.executemany(
        "DELETE FROM unrecorded WHERE number = ?", ((number,) for number in numbers)
    )
