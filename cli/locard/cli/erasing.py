"""`locard erase`: the content of somebody's events goes, everywhere, and the proof of it stays."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from locard.cli.assembly import custodian, log_writer, sealer
from locard.cli.settings import Settings
from locard.schema import TOKEN_PATTERN, CannotContinue, JsonValue, rfc3339, utc_now

if TYPE_CHECKING:
    from locard.ingest.erasure import Erased, Subject
    from locard.ingest.quarantine import Quarantined

RECEIPT_FORMAT: Final = "locard-erasure-receipt/1"


@click.command()
@click.option(
    "--subject",
    "tokens",
    multiple=True,
    help="A token of the person, as `locard pseudonym` finds it: every event that has it. "
    "Repeatable.",
)
@click.option("--session", "sessions", multiple=True, help="All events of a session; repeatable.")
@click.option("--legal-basis", required=True, help="Such as `GDPR 17(1)(a)`; it is recorded.")
@click.option("--ticket", required=True, help="Of the request; it is recorded.")
@click.option("--requester", required=True, help="Who asked for it; recorded, and redacted.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.pass_obj
def erase(
    settings: Settings,
    tokens: tuple[str, ...],
    sessions: tuple[str, ...],
    legal_basis: str,
    ticket: str,
    requester: str,
    dry_run: bool,
) -> int:
    """Erase the content of events for good: in the lake, the event log, quarantine and vault.

    Who, when and what kind of event stays, and so does the proof; `locard verify` then says ERASED.
    A receipt is printed, as JSON. A hold on any of it prevents all of it. Exit status 1 if nothing
    was found.
    """
    from locard.ingest.access import custody_record
    from locard.ingest.erasure import Erasure, Subject
    from locard.ingest.operators import operator
    from locard.ingest.retention import Holds

    subject = Subject(list(sessions), [_token(token) for token in tokens])
    erasure = Erasure(settings.lake_place, Holds(settings.home / "holds.json"), custodian(settings))
    if dry_run:
        found = erasure.preview(subject)
        held = f"; a hold keeps {found.held:,}, so none would go" if found.held else ""
        click.echo(f"{found.rows:,} events of {len(found.sessions):,} sessions{held}")
        return 0 if found.rows else 1
    told: dict[str, JsonValue] = {"legal_basis": legal_basis, "ticket": ticket}

    def note(about: Erased) -> None:
        targets: JsonValue = {
            "sessions": list(sessions),
            "subjects": [token.strip("‹›") for token in subject.tokens],
            "events": about.rows,
        }
        record = custody_record(
            "erasure",
            operator(),
            targets=targets,
            legal_basis=legal_basis,
            ticket=ticket,
            requester=requester,
        )
        with log_writer(settings) as log:
            log.append([record])

    with sealer(settings) as working:
        working.seal()  # so that what goes was proved before
        found = erasure.run(subject, told, utc_now(), note)
        sealed = working.seal()
    if not found.rows:
        click.echo("no event was found that has it; nothing was erased", err=True)
        return 1
    elsewhere = _erase_elsewhere(settings, subject, found)
    receipt = {
        "format": RECEIPT_FORMAT,
        "at": rfc3339(utc_now()),
        "by": operator(),
        **told,
        "events": found.rows,
        "sessions": len(found.sessions),
        "files_removed": len(found.removed),
        "offsets": found.ranges,
        "log_entries": sealed.checkpoint.size if sealed.checkpoint else 0,
        "log_root": sealed.checkpoint.root.hex() if sealed.checkpoint else None,
        **elsewhere,
    }
    click.echo(json.dumps(receipt, indent=1))
    return 0


def _token(given: str) -> str:
    token = given if given.startswith("‹") else f"‹{given}›"
    if not re.fullmatch(TOKEN_PATTERN, token):
        raise CannotContinue(
            "a subject is named by a token such as EMAIL_ADDRESS:k1:9f2c71d0a4b85e16; `locard "
            "pseudonym VALUE` finds those of a value"
        )
    return token


def _erase_elsewhere(settings: Settings, subject: Subject, found: Erased) -> dict[str, Any]:
    """Erase what else holds some of it, and say what does for how long."""
    from locard.ingest.operators import operator
    from locard.ingest.quarantine import pointers
    from locard.ingest.release import drop

    directory = settings.home / "quarantine"
    quarantined = [one for one in pointers(directory) if one.session_id in subject.sessions]
    told: dict[str, Any] = {"event_log": _erase_log(settings, found, quarantined)}
    if quarantined:
        with log_writer(settings) as log:
            drop(directory, quarantined, log, operator(), "erasure")
    told["quarantined_records"] = len(quarantined)
    if settings.vault_path.exists():
        from locard.redaction import Vault

        vault = Vault(settings.vault_path)
        told["vault_originals"] = sum(
            vault.forget(session) for session in sorted(subject.sessions)
        ) + vault.forget_tokens(subject.tokens)
    told["not_reached"] = (
        "copies that were made of the lake, evidence bundles and exports; events that a recorder "
        "has not handed over yet"
    )
    return told


def _erase_log(settings: Settings, found: Erased, quarantined: Sequence[Quarantined]) -> str:
    """Empty the records in the embedded log; of Kafka say when it has deleted them."""
    if settings.kafka:
        until = rfc3339(utc_now() + timedelta(hours=settings.retention_hours))
        return (
            f"the raw topic keeps it until {until} at the latest, or longer where its own "
            "`retention.ms` says so; segments that are being written go some time later"
        )
    from locard.ingest.eventlog.embedded_file import EmbeddedLog

    log = EmbeddedLog(settings.home / "log.sqlite")
    try:
        ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for name, pairs in found.ranges.items():
            topic_id, _, partition = name.rpartition("/")
            if topic_id == log.topic_id:
                ranges[int(partition)] += pairs
        for one in quarantined:
            if one.topic_id == log.topic_id:
                ranges[one.partition].append((one.offset, one.offset + 1))
        return f"{log.overwrite(ranges):,} raw records were overwritten"
    finally:
        log.close()
