"""What a command notes of itself in the record, before its answer goes out."""

from __future__ import annotations

from pathlib import Path

import click

from locard.cli.assembly import log_writer
from locard.cli.settings import Settings
from locard.schema import JsonValue


def note_access(
    settings: Settings,
    action: str,
    *,
    row_count: int | None,
    case_id: str | None,
    purpose: str | None,
    told: dict[str, JsonValue],
    query: str | None = None,
) -> None:
    """Have an `access` event in the log: who did this now, for which case, why; durable on return.

    Raises:
        LocardError: the log does not take it, so nobody may see the answer.
    """
    from locard.ingest.access import access_record
    from locard.ingest.operators import operator

    record = access_record(
        action,
        operator(),
        row_count=row_count,
        case_id=case_id or settings.case,
        purpose=purpose or settings.purpose,
        query=query,
        told=told,
    )
    with log_writer(settings) as log:
        log.append([record])


def tell_unsealed(settings: Settings) -> None:
    """Say beside an answer, on standard error, what of the lake is not sealed yet."""
    from locard.evidence.unsealed import unsealed

    place = settings.lake_place
    if isinstance(place, Path) and (told := unsealed(place).sentence()):
        click.echo(told, err=True)


def note_read(settings: Settings, query: str, row_count: int | None, action: str = "read") -> None:
    """Have an `access` event in the log before an answer to a question goes out.

    With `access_trail = "off"`, as for a copy of a lake on a medium that cannot be written, there
    is none.

    Args:
        query: the command, or the statement.
        row_count: of the answer; `None` where it is not known before it goes out.

    Raises:
        LocardError: see `note_access`.
    """
    if settings.access_trail == "on":
        note_access(
            settings,
            action,
            row_count=row_count,
            case_id=None,
            purpose=None,
            query=query,
            told={},
        )
