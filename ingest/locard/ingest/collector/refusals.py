"""What the record keeps of events that were refused for claiming another workflow or agent."""

from __future__ import annotations

from collections import Counter
from typing import Final

from locard.ingest.access import access_record
from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.stamping import ForeignClaim, Sender
from locard.schema import JsonValue

_MOST_NAMED: Final = 20  # claims of one request: what is refused must not fill the log
_LONGEST_CLAIM: Final = 200
_FIELD_OF: Final = {"other_workflow": "claimed_workflow_id", "other_agent": "claimed_agent_id"}


def refusal_records(claims: Counter[ForeignClaim], sender: Sender) -> list[OutgoingRecord]:
    """Return the records of the access events about a request's foreign claims.

    There is one for each claim, with how many events made it. Beyond the commonest ones there is
    one for each kind of claim, without the names.
    """
    named = claims.most_common(_MOST_NAMED)
    rest: Counter[str] = Counter()
    for claim, count in (claims - Counter(dict(named))).items():
        rest[claim.error_class] += count
    records = [
        _record(sender, claim.error_class, count, claim.claimed[:_LONGEST_CLAIM])
        for claim, count in named
    ]
    return records + [_record(sender, error_class, count) for error_class, count in rest.items()]


def _record(
    sender: Sender, error_class: str, count: int, claimed: str | None = None
) -> OutgoingRecord:
    told: dict[str, JsonValue] = {"error_class": error_class}
    if claimed is not None:
        told[_FIELD_OF[error_class]] = claimed
    return access_record(
        "record_refused",
        sender.principal,
        workflow_id=sender.workflow_id,
        agent_id=sender.agent_id,
        row_count=count,
        told=told,
    )
