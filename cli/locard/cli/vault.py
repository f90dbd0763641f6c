"""`locard vault`: what tokens stand for, where that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from locard.cli.assembly import log_writer
from locard.cli.questions import format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_access
from locard.schema import CannotContinue, JsonValue

if TYPE_CHECKING:
    from locard.query import Format


@click.group()
def vault() -> None:
    """See or erase what tokens stand for, where `vault = true` has kept it."""


@vault.command("open")
@click.option("--session", "session_id", required=True, help="The session whose tokens they are.")
@click.option("--case", "case_id", required=True, help="The case that it is for; it is recorded.")
@click.option("--reason", required=True, help="Why you have to know; it is recorded.")
@click.option("--token", help="Only what this token stands for.")
@format_options
@click.pass_obj
def open_(
    settings: Settings,
    session_id: str,
    case_id: str,
    reason: str,
    token: str | None,
    format_name: Format,
    width: int | None,
) -> int:
    """Show what the tokens of a session stand for. That you looked is recorded before you see it.

    Exit status 1 if nothing is kept for it.
    """
    from locard.query import terminal_width, write_rows
    from locard.redaction import Keyring, Vault

    if not (case_id.strip() and reason.strip()):
        raise CannotContinue("the vault opens with a case and a reason; give both")
    _require(settings)
    key = Keyring(settings.home / "keys").vault_private_key()
    originals = Vault(settings.vault_path).open(session_id, key, token)
    note_access(
        settings,
        "vault_opened",
        row_count=len(originals),
        case_id=case_id,
        purpose=reason,
        told={
            "vault_session": session_id,
            "opened": [original.token.strip("‹›") for original in originals],
        },
    )
    stream = inert_stdout()
    width = width or terminal_width(stream)
    write_rows(("token", "value"), originals, format_name, stream, width=width)
    return 0 if originals else 1


@vault.command()
@click.option("--session", "session_id", required=True, help="The session to forget.")
@click.option("--reason", required=True, help="Why; it is recorded.")
@click.pass_obj
def forget(settings: Settings, session_id: str, reason: str) -> int:
    """Erase what the tokens of a session stand for; the tokens stay as they are."""
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator
    from locard.redaction import Vault

    _require(settings)
    count = Vault(settings.vault_path).forget(session_id)
    told: dict[str, JsonValue] = {"vault_session": session_id, "count": count, "reason": reason}
    with log_writer(settings) as log:
        log.append([custody_record("vault_forgotten", operator(), told=told)])
    click.echo(f"{count:,} originals of {session_id} are erased")
    return 0


def _require(settings: Settings) -> None:
    if not settings.vault_path.exists():
        raise CannotContinue(
            f"there is no vault {settings.vault_path}: originals are kept from the start of a "
            "consumer with `vault = true` on, and never of what was recorded before"
        )
