"""Where given words occur in the content of events, such as the tokens of one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import duckdb

from locard.query.lake import reading
from locard.query.selection import CONTENT

OCCURRENCE_COLUMNS: Final = (
    "occurred_at",
    "workflow_id",
    "session_id",
    "event_id",
    "kind",
    "field",
    "what",
    "count",
)
_FIND: Final = f"""
    WITH said AS (
        UNPIVOT (
            SELECT occurred_at, workflow_id, session_id, event_id, kind,
                {", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in CONTENT)}
            FROM events
        ) ON {", ".join(CONTENT)} INTO NAME field VALUE text
    ), sought AS (
        SELECT unnest($1::VARCHAR[]) AS word, unnest($2::VARCHAR[]) AS what
    )
    SELECT occurred_at, workflow_id, session_id, event_id, kind, field, what,
        (length(text) - length(replace(text, word, ''))) // length(word) AS count
    FROM said JOIN sought ON contains(text, word)
    ORDER BY occurred_at, event_id, field, what
"""  # noqa: S608 - made of the schema's own names


def find_occurrences(
    connection: duckdb.DuckDBPyConnection, words: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    """Return a row with `OCCURRENCE_COLUMNS` for each content field that has one of these words.

    Args:
        words: what is looked for, as it stands in the lake, and what it is to be called.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    with reading():
        return connection.execute(_FIND, [list(words), list(words.values())]).fetchall()
