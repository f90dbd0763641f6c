"""`locard demo`: a scripted incident through the real pipeline, in a home of its own."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import click

from locard.cli.assembly import consumer, evidence_keys, log_writer, sealer
from locard.cli.demo_scenario import DAMAGED_RECORD, SESSION, incident
from locard.cli.settings import Settings
from locard.schema import CannotContinue, Event, event_json

_KEY: Final = b"a key for the demo and for nothing else"
_MARK: Final = ".locard-demo"
_WIDTH: Final = 100
_INDENT: Final[dict[str, Any]] = {"initial_indent": "  | ", "subsequent_indent": "  | "}


@click.command()
@click.option("--no-serve", is_flag=True, help="End after the story instead of serving the lake.")
@click.pass_obj
def demo(settings: Settings, no_serve: bool) -> int:
    """Show an incident: recorded, redacted, and given back as a timeline.

    Everything happens in the directory `demo` of the home, which is made anew each time.
    """
    # The damaged record is part of the story, which tells of it itself.
    logging.getLogger("locard").setLevel(logging.ERROR)
    home = _fresh_home(settings.home / "demo")
    settings = settings.model_copy(update={"home": home, "lake": None, "kafka": None})
    events = incident()
    click.echo("An agent that pays invoices read a mail this morning. Now a payment is missing.\n")
    _record(settings, events)
    _redact(settings)
    _show_timeline(settings)
    _show_redaction(settings, events)
    _show_evidence(settings)
    _go_on(home)
    if not no_serve and sys.stdout.isatty():
        _serve(settings)
    return 0


def _fresh_home(home: Path) -> Path:
    """Empty the demo's directory, and touch nothing that a demo did not make."""
    from locard.redaction import Keyring

    if home.exists():
        if not (home / _MARK).exists():
            raise CannotContinue(
                f"{home} was not made by a demo; move it away or name another home with --home"
            )
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / _MARK).touch()
    (home / "keys").mkdir(mode=0o700)
    Keyring(home / "keys").add_pseudonym_key(_KEY)  # known, so that the story has the same tokens
    return home


def _record(settings: Settings, events: list[Event]) -> None:
    from locard.ingest.eventlog import OutgoingRecord, outgoing

    with log_writer(settings) as writer:
        records = [outgoing(event, event_json(event)) for event in events]
        records.insert(5, OutgoingRecord(SESSION.encode(), DAMAGED_RECORD))
        writer.append(records)
    click.echo(f"received     {len(records)} records in the event log")


def _redact(settings: Settings) -> None:
    with consumer(settings.model_copy(update={"redaction_workers": 1})) as worker:
        worker.run_once()
    counts = worker.counts
    values = sum(counts.redactions.values())
    by_type = ", ".join(f"{name} {count}" for name, count in sorted(counts.redactions.items()))
    put_away = ", ".join(f"{name} {count}" for name, count in sorted(counts.quarantined.items()))
    click.echo(f"redacted     {counts.published} events, {values} values replaced ({by_type})")
    click.echo(f"quarantined  {sum(counts.quarantined.values())} record, sealed ({put_away})\n")


def _show_timeline(settings: Settings) -> None:
    from datetime import UTC

    from locard.cli.timeline_view import print_timeline
    from locard.query import connect, timeline

    with connect(settings.lake_place) as connection:
        rows = timeline(connection, SESSION)
    print_timeline(rows, UTC, details=False, stream=sys.stdout, width=_WIDTH)
    click.echo()


def _show_redaction(settings: Settings, events: list[Event]) -> None:
    from locard.query import connect

    with connect(settings.lake_place) as connection:
        kept = connection.execute(
            "SELECT tool_results.result, arguments FROM tool_results, tool_calls"
            " WHERE tool_results.tool_name = 'read_mail' AND tool_calls.tool_name = 'send_money'"
        ).fetchone()
    if kept is None:
        raise CannotContinue("the lake lacks the demo's own events; please report this")
    (mail,) = [e for e in events if e.kind == "tool_result" and e.body.tool_name == "read_mail"]
    click.echo("The mail, as the agent read it:")
    _quote(str(mail.body.result))
    click.echo("The same mail, as it is kept:")
    _quote(json.loads(kept[0]))
    recipient = json.loads(kept[1])["recipient"]
    click.echo(f"The money went to {recipient}, an account that only the")
    click.echo("note to automatic assistants names. That can be told without anybody seeing it.\n")


def _show_evidence(settings: Settings) -> None:
    """Seal what was recorded, verify it, and have one flipped byte caught in a copy."""
    from locard.evidence.verifier import own_policy, verify_lake

    with sealer(settings) as working:
        sealed = working.seal()
    policy = own_policy(evidence_keys(settings))
    lake, copy = settings.home / "lake", settings.home / "copy"
    whole = verify_lake(lake, policy)
    shutil.copytree(lake, copy)
    (path,) = copy.glob("ingest_date=*/*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    flipped = verify_lake(copy, policy)
    shutil.rmtree(copy)
    said = "whole" if whole.is_whole else "NOT whole"
    click.echo(f"sealed       {sealed.rows} events in a transparency log; verified: {said}")
    said = "whole" if flipped.is_whole else "NOT whole"
    click.echo(f"a copy       with one bit of one file turned; verified: {said}\n")


def _quote(text: str) -> None:
    for line in text.splitlines():
        click.echo("\n".join(textwrap.wrap(line, _WIDTH - 4, **_INDENT)) or "  |")
    click.echo()


def _go_on(home: Path) -> None:
    click.echo("Go on from here:")
    click.echo(f"  locard --home {home} incidents")
    click.echo(f"  locard --home {home} explain --session {SESSION} 8")
    click.echo(f"  locard --home {home} timeline --session {SESSION} --details")
    click.echo(f'  locard --home {home} sql "FROM pseudonyms"')
    click.echo(f"  locard --home {home} sessions --format json")
    click.echo(f"  locard --home {home} verify")


def _serve(settings: Settings) -> None:
    from locard.cli.serving import serve

    context = click.get_current_context()
    context.obj = settings
    context.invoke(serve)
