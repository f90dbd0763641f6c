"""`locard identity`: who may send events, for which workflow, and with which keys."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from locard.cli.assembly import log_writer
from locard.cli.questions import format_options
from locard.cli.settings import Settings
from locard.schema import CannotContinue, LocardError, utc_now

if TYPE_CHECKING:
    from locard.ingest.eventlog import EventLogWriter
    from locard.ingest.identities import Identity, IdentityRegistry, Issued
    from locard.query import Format

_COLUMNS: Final = (
    "identity",
    "state",
    "workflow_id",
    "more_workflows",
    "agent_id",
    "role",
    "name",
    "created_at",
    "used_at",
    "expires_at",
    "revoked_at",
    "keys",
    "revoked_keys",
)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Duration(click.ParamType[timedelta]):
    """A length of time such as `90d`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return it."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,6})([smhdw])", str(value).strip())
        if found is None:
            self.fail("write it as 30m, 12h, 90d or 4w", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


DURATION: Final = _Duration()


@click.group()
def identity() -> None:
    """Give each workflow a token of its own, and take it away again."""


@identity.command()
@click.option(
    "--workflow",
    "workflows",
    required=True,
    multiple=True,
    help="The one workflow that it may send events of. A reader may have several, or '*' for all.",
)
@click.option("--agent", help="The one agent that it may send events of; without it, any.")
@click.option(
    "--role",
    default="collector",
    show_default=True,
    help="What it may do: collector, responder, analyst, auditor or admin; see docs/api.md.",
)
@click.option("--name", help="What you call it, for the list.")
@click.option("--expires", type=DURATION, help="How long it is good, such as 90d; else for ever.")
@click.pass_obj
def create(
    settings: Settings,
    workflows: tuple[str, ...],
    agent: str | None,
    role: str,
    name: str | None,
    expires: timedelta | None,
) -> int:
    """Make an identity and print its token, which is kept nowhere and never shown again."""
    with _changing(settings, may_make=True) as registry:
        issued = registry.create(
            workflows[0],
            agent,
            role=role,
            name=name,
            lifetime=expires,
            more_workflows=workflows[1:],
        )
        _show_token(issued)
    return 0


@identity.command("list")
@format_options
@click.pass_obj
def list_(settings: Settings, format_name: Format, width: int | None) -> int:
    """List all identities: last use, expiry, and the keys that their recorders sign with."""
    from locard.query import terminal_width, write_rows

    with identity_registry(settings, may_make=False) as registry:
        rows = [_row(found) for found in registry.identities()]
    write_rows(_COLUMNS, rows, format_name, sys.stdout, width=width or terminal_width(sys.stdout))
    return 0


@identity.command()
@click.argument("identity_id", metavar="ID")
@click.option(
    "--grace", type=DURATION, default=timedelta(), help="How long the old token stays good: 1h."
)
@click.pass_obj
def rotate(settings: Settings, identity_id: str, grace: timedelta) -> int:
    """Give an identity another token; the old one ends now, or after --grace."""
    with _changing(settings) as registry:
        issued = registry.rotate(identity_id, grace)
        _show_token(issued)
    return 0


@identity.command()
@click.argument("identity_id", metavar="ID")
@click.pass_obj
def revoke(settings: Settings, identity_id: str) -> int:
    """End an identity at once and for good."""
    with _changing(settings) as registry:
        registry.revoke(identity_id)
    click.echo(f"{identity_id} is revoked", err=True)
    return 0


@identity.command()
@click.argument("identity_id", metavar="ID")
@click.option("--after", type=DURATION, help="How long from now: 30d, or 0s for at once.")
@click.option("--never", is_flag=True, help="Let it not expire.")
@click.pass_obj
def expire(settings: Settings, identity_id: str, after: timedelta | None, never: bool) -> int:
    """Set when an identity expires; unlike a revoked one it can be prolonged again."""
    if (after is None) != never:
        raise click.UsageError("say either --after or --never")
    with _changing(settings) as registry:
        found = registry.expire(identity_id, after)
    end = (
        f"expires at {found.expires_at:%Y-%m-%dT%H:%M:%SZ}" if found.expires_at else "never expires"
    )
    click.echo(f"{identity_id} {end}", err=True)
    return 0


@identity.group()
def key() -> None:
    """Register the keys that recorders sign with."""


@key.command("add")
@click.argument("identity_id", metavar="ID")
@click.argument("key_id", metavar="KEY_ID")
@click.pass_obj
def add_key(settings: Settings, identity_id: str, key_id: str) -> int:
    """Register a recorder's key: from now on what comes unsigned is marked as unverified."""
    with _changing(settings) as registry:
        registry.add_key(identity_id, key_id)
    click.echo(f"{identity_id} signs with {key_id}", err=True)
    return 0


@key.command("revoke")
@click.argument("identity_id", metavar="ID")
@click.argument("key_id", metavar="KEY_ID")
@click.pass_obj
def revoke_key(settings: Settings, identity_id: str, key_id: str) -> int:
    """Believe a key no more: what it signs is kept and marked as unverified."""
    with _changing(settings) as registry:
        registry.revoke_key(identity_id, key_id)
    click.echo(f"{key_id} of {identity_id} is revoked", err=True)
    return 0


@contextmanager
def identity_registry(settings: Settings, *, may_make: bool = True) -> Iterator[IdentityRegistry]:
    """Open the registry of this home.

    Args:
        may_make: whether it may be made.

    Raises:
        CannotContinue: there is none and it may not be made, or it cannot be used.
    """
    from locard.ingest.identities import IdentityRegistry

    path = settings.home / "identities.sqlite"
    if not may_make and not path.exists():
        raise CannotContinue(
            f"there are no identities in {settings.home}; make one with `locard identity create`, "
            "or name the home with --home"
        )
    with closing(IdentityRegistry(path)) as registry:
        yield registry


def record_changes(registry: IdentityRegistry, writer: EventLogWriter) -> None:
    """Hand the access events of changes to the event log, now or, where it is away, another time.

    A change itself never waits for the log: a stolen token has to be revoked whatever is down.
    """
    try:
        registry.record_changes(writer)
    except LocardError as error:
        _tell_waiting(error)


@contextmanager
def _changing(settings: Settings, *, may_make: bool = False) -> Iterator[IdentityRegistry]:
    """Open the registry for a change, and record it when it is made."""
    with identity_registry(settings, may_make=may_make) as registry:
        yield registry
        try:
            with log_writer(settings) as writer:
                registry.record_changes(writer)
        except LocardError as error:
            _tell_waiting(error)


def _tell_waiting(error: LocardError) -> None:
    from locard.query.inert import one_line

    click.echo(
        "the change is made; its access event waits in identities.sqlite for the event log: "
        f"{one_line(str(error))}",
        err=True,
    )


def _show_token(issued: Issued) -> None:
    """Print the token alone to stdout, so that a script can take it, and about it to stderr."""
    click.echo(
        f"{issued.identity.identity} has this token, which is not shown again; its holder sends "
        "it as `Authorization: Bearer …`:",
        err=True,
    )
    click.echo(issued.token)


def _row(found: Identity) -> list[object]:
    values = [
        found.state(utc_now()) if column == "state" else getattr(found, column)
        for column in _COLUMNS
    ]
    return [list(value) if isinstance(value, tuple) else value for value in values]
