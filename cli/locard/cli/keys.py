"""`locard keys` and `locard pseudonym`: keys of tokens and of the log, and what they can tell."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from locard.cli.assembly import evidence_keys, log_writer, redaction_policy
from locard.cli.questions import format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_access
from locard.schema import CannotContinue, JsonValue

if TYPE_CHECKING:
    from locard.query import Format


@click.group()
def keys() -> None:
    """See and change the keys: of tokens, and of the transparency log."""


@keys.command("list")
@format_options
@click.pass_obj
def list_(settings: Settings, format_name: Format, width: int | None) -> int:
    """List the keys of this installation, without any of them."""
    from locard.query import terminal_width, write_rows
    from locard.redaction import Keyring

    ring = Keyring(settings.home / "keys")
    newest = ring.pseudonymizer().key_id
    rows = [
        (
            one.key_id,
            "in use" if one.key_id == newest else "readable",
            datetime.fromtimestamp(
                (ring.directory / f"pseudonym-{one.key_id}").stat().st_mtime, UTC
            ),
        )
        for one in ring.pseudonymizers()
    ]
    stream = inert_stdout()
    width = width or terminal_width(stream)
    write_rows(("key_id", "state", "created_at"), rows, format_name, stream, width=width)
    return 0


@keys.command()
@click.option(
    "--number",
    type=click.IntRange(1),
    help="Of the new key; needed where the others are lost, and no token may have it yet.",
)
@click.pass_obj
def rotate(settings: Settings, number: int | None) -> int:
    """Make a new key of the tokens. Older ones stay readable, for values of that time.

    Consumers use it from their next start on. A value has another token from then on, so a question
    by value, `locard pseudonym`, asks for its tokens under all keys.
    """
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator
    from locard.redaction import Keyring

    with log_writer(settings) as log:
        folder = settings.home / "keys"
        ring = Keyring(folder) if number else Keyring.open_or_create(folder)
        key_id = ring.rotate_pseudonym_key(number)
        log.append([custody_record("pseudonym_key_added", operator(), told={"key_id": key_id})])
    click.echo(f"{key_id} makes tokens once `locard up` or `locard consume` has been started again")
    return 0


@keys.command()
@click.pass_obj
def trust(settings: Settings) -> int:
    """Print a trust policy of this installation's own keys, to be kept where it cannot be changed.

    Whoever verifies a lake names it to `locard verify --trust`.
    """
    from locard.evidence.verifier import own_policy, trust_text

    click.echo(trust_text(own_policy(evidence_keys(settings))), nl=False)
    return 0


@keys.command("rotate-log")
@click.pass_obj
def rotate_log(settings: Settings) -> int:
    """Make a new key of the transparency log. What the old one signed stays good.

    The sealer uses it from its next start on. The policy of whoever verifies needs it as well.
    """
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator

    with log_writer(settings) as log:
        old, new = evidence_keys(settings).rotate_log_key()
        told: dict[str, JsonValue] = {"old": str(old.verifier), "new": str(new.verifier)}
        log.append([custody_record("log_key_rotated", operator(), told=told)])
    click.echo(f"{new.verifier}")
    return 0


@click.command()
@click.argument("value")
@click.option("--type", "entity_type", help="Its type, such as IBAN_CODE; default: every type.")
@click.option("--purpose", help="Why you ask; it is recorded.")
@click.option("--case", "case_id", help="The case that it is for; it is recorded.")
@format_options
@click.pass_obj
def pseudonym(
    settings: Settings,
    value: str,
    entity_type: str | None,
    purpose: str | None,
    case_id: str | None,
    format_name: Format,
    width: int | None,
) -> int:
    """Say whether VALUE is in the record, and where. The question is recorded, the value is not.

    With `-` the value is read from standard input, so that no history of a shell has it. Exit
    status 1 if it is found nowhere.
    """
    from locard.query import (
        OCCURRENCE_COLUMNS,
        connect,
        find_occurrences,
        terminal_width,
        write_rows,
    )
    from locard.redaction import Keyring, tokens_of

    if value == "-":
        value = sys.stdin.read().rstrip("\n")
    if not value.strip():
        raise CannotContinue("there is no value to look for; give it, or `-` and standard input")
    types = [entity_type] if entity_type else redaction_policy(settings).tokenised_types
    tokens = tokens_of(value, Keyring(settings.home / "keys").pseudonymizers(), types)
    with connect(settings.lake_place) as connection:
        rows = find_occurrences(connection, tokens)
    note_access(
        settings,
        "pseudonym_asked",
        row_count=len(rows),
        case_id=case_id,
        purpose=purpose,
        told={"asked_for": [token.strip("‹›") for token in sorted(tokens)]},
    )
    stream = inert_stdout()
    is_table = format_name == "table"
    if rows or not is_table:
        write_rows(
            OCCURRENCE_COLUMNS,
            rows,
            format_name,
            stream,
            width=width or terminal_width(stream),
        )
    events = len({row[3] for row in rows})
    sessions = len({row[2] for row in rows})
    click.echo(
        f"found in {events:,} events, {sessions:,} sessions; asked for {len(tokens)} tokens, "
        f"keys: {', '.join(sorted({token.split(':')[1] for token in tokens}))}",
        err=not is_table,
    )
    return 0 if rows else 1
