"""The views that every question stands on: stable names over a layout that may change.

Each view is one SQL statement with a sentence that says what a row is. They hide duplicates (an
event that arrived twice is one event, the first that was ingested with its content counts) and how
files lie.
Answers are the same each time: nothing depends on the order in which rows happen to be read.
`docs/views.md` is made from here.
"""

from __future__ import annotations

from typing import Final

from locard.query.event_view import EVENTS, IS_CORE_ALONE
from locard.query.gap_view import GAPS, STREAMS
from locard.query.text_view import TEXTS
from locard.query.tool_call_view import TOOL_CALLS
from locard.query.view import View
from locard.schema import TOKEN_PATTERN

__all__ = ["VIEWS", "View"]

# What an event says. Where and when it arrived, and what redaction did, may differ between copies.
_SAID_IN_CORE: Final = """
    kind, call_id, caused_by, history, tool_name, tool_server, tool_type, sighting, effect, outcome,
    trust, error_type, operation, resource_type, media_type, decided_by, verdict, rule, change,
    statement, first_seq, last_seq, drops, follows, action, custody_action, legal_basis, ticket
"""
_SAID_IN_CONTENT: Final = """
    on_behalf_of, parameters, extensions, messages, tool_definitions, arguments, error_message,
    result, uri, title, content, rationale, attributes, query, purpose, requester, reason, targets
"""

_DUPLICATES: Final = View(
    "duplicates",
    "One event id that arrived more than once, with how often and whether the copies differ.",
    f"""
    SELECT event_id, min(session_id) AS session_id, count(*) AS copies,
        count(DISTINCT (session_id, workflow_id, principal, {_SAID_IN_CORE})) > 1
            OR count(DISTINCT ({_SAID_IN_CONTENT})) FILTER (NOT {IS_CORE_ALONE}) > 1 AS differ
    FROM lake_rows SEMI JOIN (
        SELECT event_id FROM lake_rows GROUP BY event_id HAVING count(*) > 1
    ) USING (event_id)
    GROUP BY event_id
    """,  # noqa: S608 - made of the constants above
    {"differ": "whether the copies say different things, or differ in session, workflow or sender"},
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
    "One result of a tool call, those included whose call nobody recorded.",
    """
    SELECT event_id, session_id, occurred_at, workflow_id, agent_id, agent_name, call_id,
        tool_name, tool_server, outcome, trust, error_type, error_message, result, absent
    FROM events WHERE kind = 'tool_result'
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
    SELECT session_id, started_at, ended_at, workflow_id, agent_name, model, models, events,
        prompts, model_outputs, coalesce(calls.tool_calls, 0) AS tool_calls, failed_calls,
        times_made_up
    FROM (
        SELECT session_id,
            min(occurred_at) AS started_at,
            max(occurred_at) AS ended_at,
            arg_min(workflow_id, (occurred_at, event_id)) AS workflow_id,
            arg_min(agent_name, (occurred_at, event_id)) AS agent_name,
            arg_min(coalesce(response_model, request_model), (occurred_at, event_id)) AS model,
            coalesce(list(DISTINCT coalesce(response_model, request_model)
                ORDER BY coalesce(response_model, request_model)
            ) FILTER (coalesce(response_model, request_model) IS NOT NULL), []) AS models,
            count(*) AS events,
            count(*) FILTER (kind = 'prompt') AS prompts,
            count(*) FILTER (kind = 'model_output') AS model_outputs,
            count(*) FILTER (
                kind = 'tool_result' AND outcome IN ('error', 'denied', 'timeout')
            ) AS failed_calls,
            bool_or(time_source = 'importer') AS times_made_up
        FROM events WHERE session_id IS NOT NULL GROUP BY session_id
    ) LEFT JOIN (
        SELECT session_id, count(*) AS tool_calls FROM tool_calls GROUP BY session_id
    ) AS calls USING (session_id)
    """,
    {
        "agent_name": "the first that is named",
        "model": "the first that is named; `models` has all",
        "tool_calls": "as many as `tool_calls` has rows",
        "failed_calls": "results whose outcome is `error`, `denied` or `timeout`",
        "times_made_up": "whether the source had no times, so that they only give the order",
    },
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
    """,  # noqa: S608 - made of the constant above
    {
        "token": "what stands in the place of a value, such as `‹IBAN_CODE:k1:9f2c71d0a4b85e16›`",
        "key_id": "the key of the token; under another key the same value has another token",
    },
)

VIEWS: Final = (
    EVENTS,
    _PROMPTS,
    _MODEL_OUTPUTS,
    TOOL_CALLS,
    _TOOL_RESULTS,
    _DECISIONS,
    _SESSIONS,
    TEXTS,
    _PSEUDONYMS,
    _DUPLICATES,
    GAPS,
    STREAMS,
)
"""All views, in the order in which they stand on each other."""
