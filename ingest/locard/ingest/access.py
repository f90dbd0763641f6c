"""Access and custody events: who administered, read, changed or was refused, in the same log.

The outcome of every other part of Locard is evidence; so is what was done to it.
"""

from __future__ import annotations

from typing import Any

from locard.ingest.eventlog import OutgoingRecord, outgoing
from locard.schema import SCHEMA_VERSION, JsonValue, event_json, new_event_id, rfc3339, utc_now
from locard.schema import validate_event as validated


def access_record(
    action: str,
    principal: str,
    *,
    workflow_id: str | None = None,
    agent_id: str | None = None,
    row_count: int | None = None,
    case_id: str | None = None,
    purpose: str | None = None,
    query: str | None = None,
    told: dict[str, JsonValue],
) -> OutgoingRecord:
    """Return the record of one `access` event, which happens now.

    Args:
        action: one word of a closed set, such as `identity_created`.
        principal: who did it.
        row_count: how many events or rows it was about.
        case_id: the case that it was for.
        purpose: why, in the words of who did it.
        query: what was asked. It is content, as `purpose` is, and redacted before it is stored.
        told: what else there is to tell. It is content, and redacted before it is stored.
    """
    body = {
        "action": action,
        "row_count": row_count,
        "case_id": case_id,
        "purpose": purpose,
        "query": query,
    }
    return _record(
        "access",
        principal,
        body,
        extensions=told,
        workflow_id=workflow_id,
        agent_id=agent_id,
    )


def custody_record(
    action: str,
    principal: str,
    *,
    reason: str | None = None,
    targets: JsonValue = None,
    legal_basis: str | None = None,
    ticket: str | None = None,
    requester: str | None = None,
    told: dict[str, JsonValue] | None = None,
) -> OutgoingRecord:
    """Return the record of one `custody` event, a lawful change of the record that happens now.

    Args:
        action: one word of a closed set, such as `pseudonym_key_added`.
        principal: who did it.
        reason: why, in the words of who did it.
        targets: what was changed.
        requester: who asked for it.
        told: what else there is to tell. It is content, as `reason`, `targets` and `requester` are,
            and redacted before it is stored.
    """
    body = {
        "custody_action": action,
        "reason": reason,
        "targets": targets,
        "legal_basis": legal_basis,
        "ticket": ticket,
        "requester": requester,
    }
    return _record("custody", principal, body, extensions=told or {})


def _record(kind: str, principal: str, body: dict[str, Any], **fields: Any) -> OutgoingRecord:
    moment = rfc3339(utc_now())
    event = validated(
        {
            "kind": kind,
            "event_id": str(new_event_id()),
            "schema_version": SCHEMA_VERSION,
            "occurred_at": moment,
            "observed_at": moment,
            "lane": "recorder",
            "principal": principal,
            "body": body,
            **fields,
        }
    )
    return outgoing(event, event_json(event))
