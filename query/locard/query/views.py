"""The views that every question stands on: stable names over a layout that may change.

Each view is one SQL statement with a sentence that says what a row is. They hide duplicates (an
event that arrived twice is one event, the first that was ingested counts) and how files lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOKEN_PATTERN: Final = "‹[A-Z][A-Z0-9_]*:k[0-9]+:[0-9a-f]{16}›"


@dataclass(frozen=True)
class View:
    """A documented view.

    Args:
        name: as used in SQL.
        row: what one row is.
        sql: the statement behind it.
    """

    name: str
    row: str
    sql: str


# Session and event id together name an event: partitioning by both lets a filter on the session
# reach the files, and an event that was copied into another session hides nothing.
_EVENTS: Final = View(
    "events",
    "One event, with every column of the lake; duplicates by event id left out.",
    """
    SELECT * FROM lake_rows
    QUALIFY row_number() OVER (
        PARTITION BY session_id, event_id
        ORDER BY ingested_at, log_topic_id, log_partition, log_offset
    ) = 1
    """,
)

_DUPLICATES: Final = View(
    "duplicates",
    "One event that arrived more than once, with how often and whether the copies differ.",
    """
    SELECT session_id, event_id, count(*) AS copies,
        count(DISTINCT (kind, messages, arguments, result, attributes, extensions)) > 1 AS differ
    FROM lake_rows GROUP BY session_id, event_id HAVING count(*) > 1
    """,
)

_PROMPTS: Final = View(
    "prompts",
    "One prompt: the messages that were new in it, and which earlier ones preceded them.",
    """
    SELECT event_id, session_id, occurred_at, workflow_id, agent_id, agent_name, on_behalf_of,
        request_model, messages, history, tool_definitions, absent
    FROM events WHERE kind = 'prompt'
    """,
)

_MODEL_OUTPUTS: Final = View(
    "model_outputs",
    "One answer of a model, tool calls that it asked for included.",
    """
    SELECT event_id, session_id, occurred_at, workflow_id, agent_id, agent_name, provider,
        request_model, response_model, finish_reasons, input_tokens, output_tokens, messages,
        caused_by, absent
    FROM events WHERE kind = 'model_output'
    """,
)

_TOOL_RESULTS: Final = View(
    "tool_results",
    "One result of a tool call.",
    """
    SELECT event_id, session_id, occurred_at, workflow_id, agent_id, agent_name, call_id,
        tool_name, tool_server, outcome, trust, error_type, error_message, result, absent
    FROM events WHERE kind = 'tool_result'
    """,
)

_TOOL_CALLS: Final = View(
    "tool_calls",
    "One tool call: its sightings merged, with the outcome of its result (`no_result` without).",
    """
    WITH calls AS (
        SELECT session_id, coalesce(call_id, event_id) AS call_key,
            any_value(call_id) AS call_id,
            min(occurred_at) AS occurred_at,
            arg_min(event_id, rank) AS event_id,
            any_value(workflow_id) AS workflow_id,
            any_value(agent_id) AS agent_id,
            any_value(agent_name) AS agent_name,
            arg_min(tool_name, rank) AS tool_name,
            arg_min(tool_server, rank) AS tool_server,
            any_value(effect) AS effect,
            arg_min(arguments, rank) AS arguments,
            list(sighting ORDER BY rank) AS sightings
        FROM (
            SELECT *, CASE sighting WHEN 'executed' THEN 0 WHEN 'server' THEN 1
                WHEN 'client' THEN 2 ELSE 3 END AS rank
            FROM events WHERE kind = 'tool_call'
        )
        GROUP BY ALL
    ), results AS (
        SELECT session_id, call_id,
            arg_min(outcome, occurred_at) AS outcome,
            arg_min(event_id, occurred_at) AS result_event_id,
            arg_min(result, occurred_at) AS result,
            arg_min(error_message, occurred_at) AS error_message
        FROM events WHERE kind = 'tool_result' AND call_id IS NOT NULL GROUP BY ALL
    )
    SELECT calls.* EXCLUDE (call_key), coalesce(outcome, 'no_result') AS outcome,
        result_event_id, result, error_message
    FROM calls LEFT JOIN results USING (session_id, call_id)
    """,
)

_DECISIONS: Final = View(
    "decisions",
    "One decision: who allowed, refused or changed what, by which rule.",
    """
    SELECT event_id, session_id, occurred_at, workflow_id, agent_id, agent_name, call_id,
        decided_by, verdict, rule, latency_ms, rationale, absent
    FROM events WHERE kind = 'decision'
    """,
)

_SESSIONS: Final = View(
    "sessions",
    "One session: who, which model, from when to when, and how much of what.",
    """
    SELECT session_id,
        min(occurred_at) AS started_at,
        max(occurred_at) AS ended_at,
        any_value(workflow_id) AS workflow_id,
        any_value(agent_name) AS agent_name,
        any_value(coalesce(response_model, request_model)) AS model,
        count(*) AS events,
        count(*) FILTER (kind = 'prompt') AS prompts,
        count(*) FILTER (kind = 'model_output') AS model_outputs,
        count(DISTINCT coalesce(call_id, event_id)) FILTER (kind = 'tool_call') AS tool_calls,
        count(*) FILTER (kind = 'tool_result' AND outcome <> 'ok') AS failed_calls,
        bool_or(time_source = 'importer') AS times_made_up
    FROM events WHERE session_id IS NOT NULL GROUP BY session_id
    """,
)

_PSEUDONYMS: Final = View(
    "pseudonyms",
    "One token in one event: the same value has the same token wherever it stands.",
    f"""
    SELECT DISTINCT token, split_part(token[2:], ':', 1) AS entity_type,
        split_part(token, ':', 2) AS key_id, session_id, event_id, kind, occurred_at
    FROM (
        SELECT session_id, event_id, kind, occurred_at, unnest(regexp_extract_all(concat_ws(' ',
            on_behalf_of, parameters, extensions, messages, tool_definitions, arguments, result,
            error_message, uri, title, content, rationale, attributes, query, purpose, requester,
            reason, targets), '{TOKEN_PATTERN}')) AS token
        FROM events
    )
    """,
)

VIEWS: Final = (
    _EVENTS,
    _DUPLICATES,
    _PROMPTS,
    _MODEL_OUTPUTS,
    _TOOL_CALLS,
    _TOOL_RESULTS,
    _DECISIONS,
    _SESSIONS,
    _PSEUDONYMS,
)
"""All views, in the order in which they stand on each other."""
