"""What a command notes of itself in the record, before its answer goes out."""

from __future__ import annotations

from locard.cli.assembly import log_writer
from locard.cli.settings import Settings
from locard.schema import JsonValue


def note_access(
    settings: Settings,
    action: str,
    *,
    row_count: int,
    case_id: str | None,
    purpose: str | None,
    told: dict[str, JsonValue],
) -> None:
    """Have an `access` event in the log: who did this now, for which case, why; durable on return.

    Raises:
        LocardError: the log does not take it, so nobody may see the answer.
    """
    from locard.ingest.access import access_record
    from locard.ingest.operators import operator

    record = access_record(
        action, operator(), row_count=row_count, case_id=case_id, purpose=purpose, told=told
    )
    with log_writer(settings) as log:
        log.append([record])
