"""The view `tool_calls`: what was seen of one call in several places, put together."""

from __future__ import annotations

from typing import Final

from locard.query.view import View

# One pass over calls, results and decisions: no join, so a call without a session finds its result
# as well, and a filter on the session reaches all of it. Without a session ids of calls are only
# unique within a trace, or a collector. Sources use an id twice: the second call of a session with
# the same id must not vanish behind the first, so the nth sighting of each place is the nth call.
# Some send the same thing as a span and as a log record: those are two sightings of one call.
TOOL_CALLS: Final = View(
    "tool_calls",
    "One tool call: what was seen of it in up to four places merged, with the outcome of its "
    "results.",
    """
    WITH told AS (
        SELECT *,
            CASE WHEN session_id IS NULL THEN coalesce(trace_id, collector_id, '') END AS scope,
            coalesce('call ' || call_id, 'event ' || event_id) AS call_key,
            CASE sighting WHEN 'executed' THEN 0 WHEN 'server' THEN 1
                WHEN 'client' THEN 2 ELSE 3 END AS rank
        FROM events WHERE kind IN ('tool_call', 'tool_result', 'decision')
    ), numbered AS (
        SELECT *, row_number() OVER (
            PARTITION BY session_id, scope, call_key, kind, sighting, lane
            ORDER BY occurred_at, log_topic_id, log_partition, log_offset, event_id
        ) AS nth
        FROM told
    ), paired AS (
        SELECT *, least(nth, coalesce(max(nth) FILTER (kind = 'tool_call') OVER (
            PARTITION BY session_id, scope, call_key
        ), 0)) AS nth_call
        FROM numbered
    ), merged AS (
        SELECT session_id, scope, call_key, nth_call,
            any_value(call_id) AS call_id,
            min(occurred_at) FILTER (kind = 'tool_call') AS occurred_at,
            arg_min(event_id, (rank, event_id)) FILTER (kind = 'tool_call') AS event_id,
            arg_min(workflow_id, (rank, event_id)) FILTER (kind = 'tool_call') AS workflow_id,
            arg_min(agent_id, (rank, event_id)) FILTER (kind = 'tool_call') AS agent_id,
            arg_min(agent_name, (rank, event_id)) FILTER (kind = 'tool_call') AS agent_name,
            arg_min(tool_name, (rank, event_id)) FILTER (kind = 'tool_call') AS tool_name,
            arg_min(tool_server, (rank, event_id)) FILTER (kind = 'tool_call') AS tool_server,
            arg_min(effect, (rank, event_id)) FILTER (kind = 'tool_call') AS effect,
            arg_min(arguments, (rank, event_id)) FILTER (kind = 'tool_call') AS arguments,
            count(DISTINCT arguments) FILTER (kind = 'tool_call') > 1 AS arguments_differ,
            list(sighting ORDER BY rank, sighting) FILTER (kind = 'tool_call') AS sightings,
            arg_max(verdict, (occurred_at, event_id)) FILTER (kind = 'decision') AS verdict,
            list(outcome ORDER BY occurred_at, event_id) FILTER (kind = 'tool_result') AS outcomes,
            arg_min(
                {'event_id': event_id, 'outcome': outcome, 'trust': trust, 'result': result,
                    'error_message': error_message},
                (outcome <> 'ok', occurred_at, event_id)
            ) FILTER (kind = 'tool_result') AS answer
        FROM paired WHERE nth_call > 0
        GROUP BY ALL
    )
    SELECT * EXCLUDE (scope, call_key, nth_call, outcomes, answer),
        coalesce(answer.outcome, 'no_result') AS outcome,
        coalesce(outcomes, []) AS outcomes,
        answer.event_id AS result_event_id,
        answer.trust AS result_trust,
        answer.result AS result,
        answer.error_message AS error_message
    FROM merged
    """,
    {
        "event_id": "the sighting nearest to the deed: executed, server, client, then requested",
        "occurred_at": "the earliest sighting",
        "sightings": "where the call was seen; only `requested` means that nobody saw it done",
        "arguments_differ": "whether the places disagree about the arguments",
        "verdict": "what the last decision about the call said",
        "outcome": "`ok` if any of its results is, else that of the first, else `no_result`",
        "outcomes": "of all its results, in their order",
        "result_event_id": "the result that `outcome`, `result` and `error_message` are from",
    },
)
