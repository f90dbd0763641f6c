"""`locard retention` and `locard hold`: what is kept for how long, and what all the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from locard.cli.assembly import log_writer, retention, sealer
from locard.cli.questions import format_options
from locard.cli.settings import Settings
from locard.schema import CannotContinue, JsonValue, LocardError, utc_now

if TYPE_CHECKING:
    from locard.ingest.retention import Expired, Holds, Periods
    from locard.query import Format


_HOLD_COLUMNS: Final = (
    "hold_id",
    "placed_at",
    "placed_by",
    "case_id",
    "what",
    "reason",
    "released_at",
    "release_reason",
)


@click.group("retention")
def retention_() -> None:
    """Take out of the lake what its retention policy says is over."""


@retention_.command()
@format_options
@click.pass_obj
def show(settings: Settings, format_name: Format, width: int | None) -> int:
    """Show the policy, and on standard error what a run would do now."""
    from locard.query import terminal_width, write_rows

    applied = retention(settings)
    policy = applied.policy
    rows = [("default", "", "", *_periods(policy.default))]
    rows += [
        (
            f"rules.{number}",
            ", ".join(rule.workflows or ()),
            ", ".join(rule.kinds or ()),
            *_periods(rule),
        )
        for number, rule in enumerate(policy.rules)
    ]
    columns = ("part", "workflows", "kinds", "payload_days", "record_days", "because")
    width = width or terminal_width(sys.stdout)
    write_rows(columns, rows, format_name, sys.stdout, width=width)
    if policy.shortest is None:
        click.echo("nothing expires", err=True)
        return 0
    for one in applied.preview(utc_now()):
        click.echo(_line(one, "would lose"), err=True)
    return 0


@retention_.command()
@click.option("--dry-run", is_flag=True, help="Say what would expire, and change nothing.")
@click.pass_obj
def run(settings: Settings, dry_run: bool) -> int:
    """Let expire what is due. `locard lake upkeep` does the same, and `locard up` with it.

    It is recorded before it is done. What went is on the disk until the next vacuum after
    lake_grace_hours.
    """
    if dry_run:
        for one in retention(settings).preview(utc_now()):
            click.echo(_line(one, "would lose"))
        return 0
    expire(settings)
    return 0


def expire(settings: Settings) -> None:
    """Let expire what is due, recording it first, and say what did."""
    applied = retention(settings)

    def note(due: Expired) -> None:
        told: JsonValue = {
            "day": f"{due.day}",
            "policy": applied.policy.digest,
            "payloads": due.payloads,
            "records": due.records,
        }
        _note(settings, "expiry", None, told)

    if applied.policy.shortest is None:
        return
    with sealer(settings) as working:
        working.seal()  # what goes as a whole cannot be sealed any more
    for one in applied.run(utc_now(), note):
        click.echo(_line(one, "lost"))


@click.group()
def hold() -> None:
    """Keep what a case needs, whatever the retention policy says, until it is released."""


@hold.command()
@click.option("--session", "sessions", multiple=True, help="Whose events are held; repeatable.")
@click.option("--workflow", "workflows", multiple=True, help="Whose events are held; repeatable.")
@click.option("--everything", "is_everything", is_flag=True, help="All events are held.")
@click.option("--reason", required=True, help="Why; it is recorded.")
@click.option("--case", "case_id", help="The case that it is for; it is recorded.")
@click.pass_obj
def add(
    settings: Settings,
    sessions: tuple[str, ...],
    workflows: tuple[str, ...],
    is_everything: bool,
    reason: str,
    case_id: str | None,
) -> int:
    """Place a hold. It is in force when this returns, and its id is printed."""
    from locard.ingest.operators import operator

    placed = _holds(settings).add(
        operator(),
        reason,
        utc_now(),
        sessions=sessions,
        workflows=workflows,
        is_everything=is_everything,
        case_id=case_id,
    )
    told: JsonValue = {
        "hold": placed.hold_id,
        "case": case_id,
        "sessions": list(sessions),
        "workflows": list(workflows),
        "everything": is_everything,
    }
    try:
        _note(settings, "hold_placed", reason, told)
    except LocardError as error:
        raise CannotContinue(
            f"{placed.hold_id} is in force, and the event log does not take the note of it: {error}"
        ) from error
    click.echo(placed.hold_id)
    return 0


@hold.command("list")
@click.option("--all", "is_all", is_flag=True, help="Released ones as well.")
@format_options
@click.pass_obj
def list_(settings: Settings, is_all: bool, format_name: Format, width: int | None) -> int:
    """List the holds that are in force."""
    from locard.query import terminal_width, write_rows

    rows = [
        (
            one.hold_id,
            one.placed_at,
            one.placed_by,
            one.case_id,
            "everything" if one.is_everything else ", ".join((*one.sessions, *one.workflows)),
            one.reason,
            one.released_at,
            one.release_reason,
        )
        for one in _holds(settings).all()
        if is_all or one.is_in_force
    ]
    write_rows(
        _HOLD_COLUMNS, rows, format_name, sys.stdout, width=width or terminal_width(sys.stdout)
    )
    return 0


@hold.command()
@click.argument("hold_id")
@click.option("--reason", required=True, help="Why it may end; it is recorded.")
@click.pass_obj
def release(settings: Settings, hold_id: str, reason: str) -> int:
    """End a hold. What is over by then expires with the next run of retention."""
    from locard.ingest.operators import operator

    holds = _holds(settings)
    holds.find(hold_id)
    _note(settings, "hold_released", reason, {"hold": hold_id})
    holds.release(hold_id, operator(), reason, utc_now())
    click.echo(f"released: {hold_id}")
    return 0


def _note(settings: Settings, action: str, reason: str | None, told: JsonValue) -> None:
    from locard.ingest.access import custody_record
    from locard.ingest.operators import operator

    with log_writer(settings) as log:
        log.append([custody_record(action, operator(), reason=reason, targets=[told])])


def _holds(settings: Settings) -> Holds:
    from locard.ingest.retention import Holds

    return Holds(settings.home / "holds.json")


def _periods(periods: Periods) -> tuple[str, str, str]:
    return (
        f"{periods.payload_days or ''}",
        f"{periods.record_days or ''}",
        periods.because or "",
    )


def _line(one: Expired, does: str) -> str:
    held = f"; a hold keeps {one.held:,}" if one.held else ""
    return f"{one.day}: {one.payloads:,} events {does} their content, {one.records:,} go{held}"
