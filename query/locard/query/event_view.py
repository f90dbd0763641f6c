"""The view `events`: each event once, however often it arrived.

Session, workflow, sender and event id together name an event: so an event that was copied into
another session, or sent by somebody else, hides nothing. Of its copies the first that was ingested
with its content counts.

The same rows are found in three ways. The view looks for names that occur twice, in the narrow
columns alone, and leaves their later copies out: what else is asked then reads only its own
columns, and whatever condition it has reaches the files. `events_of` numbers the copies of chosen
sessions in one pass, contents and all; `events_where` looks for copies only of what it found. Each
is quicker than the view at what it is for, by as much as the lake is larger than the answer.
"""

from __future__ import annotations

from typing import Final

from locard.query.view import View

PLACED: Final = "placed_rows"
"""Every row of the lake, with where it lies: `file_number` and `row_in_file`."""
PLACES: Final = ("file_number", "row_in_file")

# What redaction failed on is in quarantine, and its core alone in the lake; replayed from there it
# comes once more, with its content. The record of redaction tells, since no sender can write it.
IS_CORE_ALONE: Final = 'contains(redaction, \'"policy":"no-content/1"\')'

_ORDER_OF_COPIES: Final = (
    f"{IS_CORE_ALONE}, ingested_at, log_topic_id, log_partition, log_offset, {', '.join(PLACES)}"
)

_COPY: Final = f"""row_number() OVER (
        PARTITION BY session_id, workflow_id, principal, event_id ORDER BY {_ORDER_OF_COPIES}
    )"""
_NAME: Final = "hash(workflow_id, principal, event_id) AS name"

# In the files a field at its default is NULL; who asks for what is not verified must not find
# nothing.
_SHOWN: Final = f"""* EXCLUDE ({", ".join(PLACES)}) REPLACE (
        coalesce(time_source, 'source') AS time_source,
        coalesce(principal_verified, false) AS principal_verified,
        CASE kind WHEN 'tool_result' THEN coalesce(trust, 'tool')
            WHEN 'content' THEN coalesce(trust, 'unknown') ELSE trust END AS trust
    )"""

_COLUMNS: Final = {
    "kind": (
        "`prompt`, `model_output`, `tool_call`, `tool_result`, `content`, `decision`, "
        "`lifecycle`, `accounting`, `access`, `custody`, or one of a newer version"
    ),
    "event_id": "made once at the source, or derived from the source's own record",
    "occurred_at": "by the source's clock, unless `time_source` says otherwise",
    "observed_at": "when the first Locard process had it",
    "ingested_at": "when the consumer took it from the log",
    "time_source": "`source`; `observed`; `importer`: made up, it only gives the order",
    "collector_id": "who numbered the event: `incarnation` is one run of it, `seq` counts from 0",
    "lane": "`recorder`, `otlp_trace`, `otlp_log` or `import`",
    "principal": "the credential that sent it; believed only where `principal_verified`",
    "on_behalf_of": "the person served",
    "call_id": "one tool call: its sightings, its result, decisions about it",
    "caused_by": "ids of events",
    "absent": (
        "content that is `not_captured`, `redacted_upstream`, `quarantined`, `erased` or "
        "`expired`, by its column"
    ),
    "extensions": "what the source sent and this version has no column for",
    "messages": "messages of parts, each with its own `trust`",
    "history": "which earlier messages of the session preceded these: each is stored once",
    "sighting": "`requested` by the model, `executed`, or seen at the `client` or the `server`",
    "effect": "`read`, `write`, `send`, `execute` or `delete`",
    "outcome": "`ok`, `error`, `denied`, `timeout` or `unknown`",
    "trust": "`system`, `operator`, `user`, `tool`, `external` or `unknown`",
    "decided_by": "`policy`, `human`, `guardrail` or `model`",
    "verdict": "`allow`, `deny`, `modify`, `ask` or `unknown`",
    "redaction": "by which rules it was redacted, and what was found in which column",
    "evidence": "what proves its content: salts of values that are here, commitments to others",
    "log_offset": "where in `log_partition` of the log `log_topic_id` it stood",
    "ingest_date": "the day under which its file lies",
}


def events_of(condition: str) -> str:
    """Return a statement for the rows of `events` of chosen sessions; quick where they are few.

    Args:
        condition: on `session_id` alone: any other could leave out the copy that counts.
    """
    return f"""
    SELECT {_SHOWN} FROM {PLACED} WHERE {condition}
    QUALIFY {_COPY} = 1"""  # noqa: S608 - made of constants


def events_where(condition: str) -> str:
    """Return a statement for the rows of `events` of which any condition holds.

    The copies of what is found are looked for by their ids, so that of all other rows only those
    are read.

    Args:
        condition: on columns of the files, in which a field at its default is NULL.
    """
    found = f"SELECT event_id FROM {PLACED} WHERE {condition}"  # noqa: S608
    doubled = f"""
        SELECT event_id FROM {PLACED} SEMI JOIN ({found}) AS found USING (event_id)
        GROUP BY event_id HAVING count(*) > 1"""  # noqa: S608 - made of constants
    later = f"""
        SELECT {", ".join(PLACES)} FROM {PLACED} SEMI JOIN ({doubled}) AS doubled USING (event_id)
        QUALIFY {_COPY} > 1"""  # noqa: S608 - made of constants
    return f"""
    SELECT {_SHOWN} FROM (FROM {PLACED} WHERE {condition}) AS one
    ANTI JOIN ({later}) AS other USING ({", ".join(PLACES)})"""  # noqa: S608


def _first_copies(condition: str, session: str) -> str:
    """Return a statement for the events of one half of the lake.

    Args:
        condition: which half, such as `session_id IS NULL`.
        session: the session among what has to agree; a condition on it then reaches the files
            from which copies are read. Empty for rows without one, which no equation joins.
    """
    doubled = f"""
        SELECT {session}{_NAME} FROM {PLACED} WHERE {condition}
        GROUP BY ALL HAVING count(*) > 1"""  # noqa: S608 - made of constants
    later = f"""
        SELECT {session}{", ".join(PLACES)}
        FROM (SELECT *, {_NAME} FROM {PLACED} WHERE {condition}) AS one
        JOIN ({doubled}) AS doubled USING ({session}name)
        QUALIFY {_COPY} > 1"""  # noqa: S608 - made of constants
    # Not ANTI JOIN: through that DuckDB takes no condition to its other side.
    return f"""
    SELECT one.* FROM (FROM {PLACED} WHERE {condition}) AS one
    LEFT JOIN ({later}) AS other USING ({session}{", ".join(PLACES)})
    WHERE other.{PLACES[0]} IS NULL"""  # noqa: S608 - made of constants


EVENTS: Final = View(
    "events",
    "One event, with every column of the lake; duplicates by event id left out.",
    f"""
    SELECT {_SHOWN} FROM (
        {_first_copies("session_id IS NOT NULL", "session_id, ")}
        UNION ALL
        {_first_copies("session_id IS NULL", "")}
    )""",  # noqa: S608 - made of constants
    _COLUMNS,
)
