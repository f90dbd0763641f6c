"""`locard demo`: a scripted incident through the real pipeline, in a home of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import click

from locard.cli.assembly import consumer, log_writer
from locard.cli.demo_scenario import DAMAGED_RECORD, SESSION, incident
from locard.cli.settings import Settings
from locard.schema import CannotContinue, Event, event_json, parse_json

_KEY: Final = b"a key for the demo and for nothing else"
_MARK: Final = ".locard-demo"
_WIDTH: Final = 100


@click.command()
@click.option("--no-serve", is_flag=True, help="End after the story instead of serving the lake.")
@click.pass_obj
def demo(settings: Settings, no_serve: bool) -> int:
    """Show an incident: recorded, redacted, and given back as a timeline.

    Everything happens in the directory `demo` of the home, which is made anew each time.
    """
    home = _fresh_home(settings.home / "demo")
    settings = settings.model_copy(update={"home": home, "lake": None, "kafka": None})
    events = incident()
    click.echo("An agent that pays invoices read a mail this morning. Now a payment is missing.\n")
    _record(settings, events)
    _redact(settings)
    _show_timeline(settings)
    _show_redaction(settings, events)
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

    with connect(settings.lake_path) as connection:
        rows = timeline(connection, SESSION)
    print_timeline(rows, UTC, details=False, stream=sys.stdout, width=_WIDTH)
    click.echo()


def _show_redaction(settings: Settings, events: list[Event]) -> None:
    from locard.query import connect

    (payment,) = [e for e in events if e.kind == "tool_call" and e.body.tool_name == "send_money"]
    before = parse_json(event_json(payment))
    with connect(settings.lake_path) as connection:
        found = connection.execute(
            "SELECT arguments FROM tool_calls WHERE tool_name = 'send_money'"
        ).fetchone()
    click.echo("The payment's arguments, as the agent sent them and as they are kept:")
    for title, arguments in (
        ("before", before["body"]["arguments"]),  # type: ignore[index,call-overload]
        ("after", parse_json(found[0].encode()) if found else None),
    ):
        recipient = arguments["recipient"]  # type: ignore[index,call-overload]
        click.echo(f"  {title:<7} recipient = {recipient}")
    click.echo("The same account has the same token everywhere, and no key but yours leads back.\n")


def _go_on(home: Path) -> None:
    click.echo("Go on from here:")
    click.echo(f"  locard --home {home} timeline --session {SESSION} --details")
    click.echo(f'  locard --home {home} sql "FROM pseudonyms"')
    click.echo(f"  locard --home {home} sessions --format json")


def _serve(settings: Settings) -> None:
    from locard.cli.serving import serve

    context = click.get_current_context()
    context.obj = settings
    context.invoke(serve)
