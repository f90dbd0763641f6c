"""Sessions out of the lake, for provenance: only the columns that it needs, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import duckdb

from locard.query.event_view import events_of
from locard.query.lake import reading
from locard.query.provenance.assessment import Session

_COLUMNS: Final = """
    event_id, session_id, kind, occurred_at, caused_by, collector_id, incarnation, seq,
    log_topic_id, log_partition, log_offset, workflow_id, agent_id, agent_name, on_behalf_of,
    messages, arguments, result, error_message, title, uri, content, resource_type, trust, call_id,
    tool_name, tool_server, effect, sighting, outcome, verdict, rule, decided_by, principal
"""
_AT_ONCE: Final = 200  # sessions that are held in memory


def read_session(connection: duckdb.DuckDBPyConnection, session_id: str) -> Session:
    """Return one session.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    return next(read_sessions(connection, [session_id]), Session(session_id, []))


def read_sessions(
    connection: duckdb.DuckDBPyConnection, session_ids: Sequence[str]
) -> Iterator[Session]:
    """Yield these sessions, ordered by their ids; of one that is not there, nothing."""
    ordered = sorted(session_ids)
    for first in range(0, len(ordered), _AT_ONCE):
        some = ordered[first : first + _AT_ONCE]
        listed = ", ".join(f"${n}" for n in range(1, len(some) + 1))
        with reading():
            cursor = connection.execute(
                f"SELECT {_COLUMNS} FROM ({events_of(f'session_id IN ({listed})')}) "  # noqa: S608
                "ORDER BY session_id",
                some,
            )
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        for session_id, events in groupby(rows, key=_session):
            yield Session(session_id, list(events))


def _session(row: dict[str, Any]) -> str:
    return str(row["session_id"])
