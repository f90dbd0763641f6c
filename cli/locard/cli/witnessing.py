"""`locard witness`: cosign the checkpoints of other installations' logs."""

from __future__ import annotations

import time
from collections import defaultdict

import click

from locard.cli.assembly import evidence_keys
from locard.cli.serving import end_on_signals, host_option, listen, port_option, serve_app
from locard.cli.settings import Settings
from locard.schema import CannotContinue

WITNESS_PORT = 8701


@click.group()
def witness() -> None:
    """Vouch for the logs of others: that each continues what was seen of it before (C2SP)."""


@witness.command()
@click.option("--name", help="Of this witness, such as witness.example; needed the first time.")
@click.pass_obj
def key(settings: Settings, name: str | None) -> int:
    """Print the verifier key of this witness, for trust policies and for `witnesses`."""
    click.echo(str(evidence_keys(settings).witness_key(name).verifier))
    return 0


@witness.command()
@click.option(
    "--log",
    "logs",
    multiple=True,
    required=True,
    help="The verifier key of a log to vouch for, as `locard keys trust` prints it. Repeatable.",
)
@click.option("--name", help="Of this witness, such as witness.example; needed the first time.")
@host_option
@port_option("--port", WITNESS_PORT)
@click.pass_obj
def serve(settings: Settings, logs: tuple[str, ...], name: str | None, host: str, port: int) -> int:
    """Answer `POST /add-checkpoint`. It knows sizes and roots of logs, and nothing that is in them.

    A witness is worth something only where whoever runs the log cannot change it: on another
    machine, in other hands.
    """
    end_on_signals()
    from locard.evidence.anchors.witness import Witness
    from locard.evidence.anchors.witness_app import witness_app
    from locard.evidence.notes import NoteError, VerifierKey

    keys: dict[str, list[VerifierKey]] = defaultdict(list)
    for text in logs:
        try:
            parsed = VerifierKey.parse(text)
        except NoteError as error:
            raise CannotContinue(f"--log: {error}") from error
        keys[parsed.name].append(parsed)
    mine = evidence_keys(settings).witness_key(name)
    state = settings.home / "witness.sqlite"
    with listen(host, port) as listener:
        app = witness_app(Witness(mine, keys, state, time.time))
        serve_app(app, listener, f"{mine.verifier} vouches", settings.log_format)
    return 0
