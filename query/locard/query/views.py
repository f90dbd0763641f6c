"""The views that every question stands on: stable names over a layout that may change.

Each view is one SQL statement with a sentence that says what a row is. They hide duplicates (an
event that arrived twice is one event, the first that was ingested with its content counts) and how
files lie.
Answers are the same each time: nothing depends on the order in which rows happen to be read.
`docs/views.md` is made from here.
"""

from __future__ import annotations

from typing import Final

from locard.query.gap_view import GAPS, STREAMS
from locard.query.text_view import TEXTS
from locard.query.tool_call_view import TOOL_CALLS
from locard.query.view import View
from locard.schema import TOKEN_PATTERN

__all__ = ["VIEWS", "View"]

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

# What redaction failed on is in quarantine, and its core alone in the lake; replayed from there it
# comes once more, with its content. The record of redaction tells, since no sender can write it.
_IS_CORE_ALONE: Final = 'contains(redaction, \'"policy":"no-content/1"\')'

# Session, workflow, sender and event id together name an event: so a filter on the session reaches
# the files, and an event that was copied into another session, or sent by somebody else, hides
# nothing. In the files a field at its default is NULL; who asks for what is not verified must not
# find nothing.
_EVENTS: Final = View(
    "events",
    "One event, with every column of the lake; duplicates by event id left out.",
    f"""
    SELECT * REPLACE (
        coalesce(time_source, 'source') AS time_source,
        coalesce(principal_verified, false) AS principal_verified,
        CASE kind WHEN 'tool_result' THEN coalesce(trust, 'tool')
            WHEN 'content' THEN coalesce(trust, 'unknown') ELSE trust END AS trust
    )
    FROM lake_rows
    QUALIFY row_number() OVER (
        PARTITION BY session_id, workflow_id, principal, event_id
        ORDER BY {_IS_CORE_ALONE}, ingested_at, log_topic_id, log_partition, log_offset
    ) = 1
    """,  # noqa: S608 - made of the constant above
    _COLUMNS,
)

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
            OR count(DISTINCT ({_SAID_IN_CONTENT})) FILTER (NOT {_IS_CORE_ALONE}) > 1 AS differ
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
    _EVENTS,
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
