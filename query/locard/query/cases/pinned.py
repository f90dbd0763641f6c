"""What the lake has of the events that are pinned to a case."""

from __future__ import annotations

from typing import Final, TypeAlias

import duckdb

from locard.query.cases.records import Case
from locard.query.selection import Selection
from locard.query.standing import standing
from locard.query.timeline import TimelineRow, timeline
from locard.schema import LakePlace

Pinned: TypeAlias = tuple[dict[str, TimelineRow], str]
NOTHING_PINNED: Final[Pinned] = ({}, "nothing is pinned")


def pinned(connection: duckdb.DuckDBPyConnection, case: Case, lake: LakePlace) -> Pinned:
    """Return the pinned events by their ids, and in words how far their sessions are whole.

    Args:
        connection: to the lake; events that are not in it are left out.
        lake: where its seals are.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    if not case.sessions:
        return NOTHING_PINNED
    rows = [row for name in case.sessions for row in timeline(connection, name)]
    told = "; ".join(
        f"{name}: {standing(connection, Selection(session_id=name), lake).sentence()}"
        for name in case.sessions
    )
    return {row.event_id: row for row in rows if row.event_id in case.pins}, told
