"""The view `texts`: every piece of text, out of whatever structure it stood in."""

from __future__ import annotations

from typing import Final

from locard.query.view import View

_OTHERS: Final = (
    "arguments",
    "result",
    "content",
    "attributes",
    "tool_definitions",
    "error_message",
    "rationale",
    "title",
    "uri",
)
TEXT_COLUMNS: Final = ("messages", *_OTHERS)
"""The columns of events that the texts are from."""


def texts_of(events: str) -> str:
    """Return a statement for the rows of `texts` of some events.

    Made of UNNEST alone: a filter on the session passes through it to the files, and would not pass
    through the join that `json_tree` needs. Hence a path of one step: what lies deeper has no own.

    Args:
        events: a statement for them.
    """
    return f"""
    WITH said AS (
        SELECT event_id, session_id, occurred_at, kind,
            unnest(json_extract(messages, '$[*]')) AS message,
            generate_subscripts(json_extract(messages, '$[*]'), 1) - 1 AS m
        FROM ({events}) WHERE messages IS NOT NULL
    ), parts AS (
        SELECT * EXCLUDE (message), message ->> '$.role' AS role,
            unnest(json_extract(message, '$.parts[*]')) AS part,
            generate_subscripts(json_extract(message, '$.parts[*]'), 1) - 1 AS p
        FROM said
    ), pieces AS (
        SELECT event_id, session_id, occurred_at, kind, role,
            coalesce(part ->> '$.trust', 'unknown') AS trust,
            'messages[' || m || '].parts[' || p || ']' AS name,
            CASE WHEN part ->> '$.type' <> 'blob' THEN json_merge_patch(part,
                '{{"type":null,"trust":null,"id":null,"mime_type":null,"modality":null}}'
            ) END AS value
        FROM parts
        UNION ALL BY NAME
        FROM (UNPIVOT (
            SELECT event_id, session_id, occurred_at, kind, NULL::VARCHAR AS role,
                coalesce(trust, 'unknown') AS trust, arguments::JSON AS arguments,
                result::JSON AS result, content::JSON AS content, attributes::JSON AS attributes,
                tool_definitions::JSON AS tool_definitions,
                to_json(error_message) AS error_message, to_json(rationale) AS rationale,
                to_json(title) AS title, to_json(uri) AS uri
            FROM ({events})
        ) ON {", ".join(_OTHERS)} INTO NAME name VALUE value)
    ), members AS (
        SELECT * EXCLUDE (value), unnest(
            CASE WHEN json_type(value) = 'OBJECT' THEN list_transform(
                json_keys(value), lambda key: {{'path': '.' || key, 'value': json_extract(
                    value, '/' || replace(replace(key, '~', '~0'), '/', '~1')
                )}})
            ELSE [{{'path': '', 'value': value}}] END, recursive := true)
        FROM pieces
    ), leaves AS (
        SELECT * EXCLUDE (value), unnest(CASE WHEN json_type(value) IN ('OBJECT', 'ARRAY')
            THEN json_extract(value, '$.**') ELSE [value] END) AS leaf
        FROM members
    )
    SELECT event_id, session_id, occurred_at, kind, role, trust, name || path AS field,
        leaf ->> '$' AS text
    FROM leaves WHERE json_type(leaf) NOT IN ('OBJECT', 'ARRAY', 'NULL')
    """  # noqa: S608 - made of constants


TEXTS: Final = View(
    "texts",
    "One piece of text that somebody could have read, out of whatever structure it stood in.",
    texts_of("FROM events"),
    {
        "role": "whose message it was part of",
        "trust": "who stands behind it; what a model wrote is `unknown`, it may repeat anybody",
        "field": "where it stands in the event, such as `arguments.recipient`",
    },
)
