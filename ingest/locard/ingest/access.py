"""Access events: who administered, read or was refused, as events of the same log.

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
    told: dict[str, JsonValue],
) -> OutgoingRecord:
    """Return the record of one `access` event, which happens now.

    Args:
        action: one word of a closed set, such as `identity_created`.
        principal: who did it.
        row_count: how many events or rows it was about.
        told: what else there is to tell. It is content, and redacted before it is stored.
    """
    moment = rfc3339(utc_now())
    core: dict[str, Any] = {"workflow_id": workflow_id, "agent_id": agent_id}
    event = validated(
        {
            "kind": "access",
            "event_id": str(new_event_id()),
            "schema_version": SCHEMA_VERSION,
            "occurred_at": moment,
            "observed_at": moment,
            "lane": "recorder",
            "principal": principal,
            "body": {"action": action, "row_count": row_count},
            "extensions": told,
            **core,
        }
    )
    return outgoing(event, event_json(event))
