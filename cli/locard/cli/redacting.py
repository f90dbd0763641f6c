"""`locard redact`: what redaction would do to a file, and why. Nothing is recorded or stored."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from locard.cli.assembly import detection_settings, redaction_policy
from locard.cli.questions import format_options, inert_stdout
from locard.cli.settings import Settings
from locard.schema import (
    CannotContinue,
    RejectedRecord,
    canonical_bytes,
    event_object,
    parse_event,
)

if TYPE_CHECKING:
    from locard.query import Format
    from locard.redaction import Pseudonymizer
    from locard.redaction.explanation import Explanation

_COLUMNS: Final = (
    "where",
    "start",
    "end",
    "entity_type",
    "score",
    "action",
    "decided_by",
    "found_by",
)
_FILE: Final = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_LARGEST: Final = 64 * 1024 * 1024


@click.command()
@click.argument("file", type=_FILE)
@click.option("--explain", is_flag=True, help="List the findings and why, instead of the result.")
@click.option("--show-values", is_flag=True, help="With --explain: also what was found, in plain.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="A policy file to try; default: the one that is configured.",
)
@click.option("--workflow", help="As if it were of this workflow; an event says its own.")
@click.option(
    "--field",
    "content_field",
    default="result",
    show_default=True,
    help="As if it stood in this content field; events say their own.",
)
@format_options
@click.pass_obj
def redact(
    settings: Settings,
    file: Path,
    explain: bool,
    show_values: bool,
    policy: Path | None,
    workflow: str | None,
    content_field: str,
    format_name: Format,
    width: int | None,
) -> int:
    """Show what redaction would do to FILE: text, JSON, or Locard's events as JSON lines.

    A dry run, to try a policy before it is used. Without --explain the redacted content is printed.
    Exit status 1 if something would be replaced.
    """
    from locard.query import terminal_width, write_rows
    from locard.query.inert import lines
    from locard.redaction import dry_run, read_policy

    rules = read_policy(policy) if policy else redaction_policy(settings)
    explanation = dry_run(_pseudonymizer(settings), rules, detection_settings(settings))
    stream = inert_stdout()
    for redacted in _redacted(explanation, _read(file), workflow, content_field):
        if not explain:
            text = redacted if isinstance(redacted, str) else canonical_bytes(redacted).decode()
            text = text.removesuffix("\n")
            stream.write("\n".join(lines(text)) if stream.isatty() else text)
            stream.write("\n")
    if explain:
        columns = (*_COLUMNS, "value") if show_values else _COLUMNS
        rows = [tuple(getattr(row, name) for name in columns) for row in explanation.rows]
        width = width or terminal_width(stream)
        write_rows(columns, rows, format_name, stream, width=width)
    click.echo(f"policy {rules.name} {rules.digest}", err=True)
    return int(any(row.action in ("tokenise", "mask", "drop") for row in explanation.rows))


def _pseudonymizer(settings: Settings) -> Pseudonymizer:
    from locard.redaction import Keyring, Pseudonymizer

    keys = settings.home / "keys"
    if keys.is_dir():
        return Keyring(keys).pseudonymizer()
    click.echo("there are no keys yet, so the tokens shown are of a key for this once", err=True)
    return Pseudonymizer("k0", secrets.token_bytes(32))


def _read(file: Path) -> str:
    data = sys.stdin.buffer.read(_LARGEST + 1) if str(file) == "-" else _bytes(file)
    if len(data) > _LARGEST:
        raise CannotContinue(f"{file} has more than {_LARGEST:,} bytes; try a part of it")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CannotContinue(f"{file} is no UTF-8 at byte {error.start}; convert it") from None


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_LARGEST + 1)
    except OSError as error:
        raise CannotContinue(f"{file} cannot be read: {error.strerror}") from error


def _redacted(
    explanation: Explanation, content: str, workflow: str | None, content_field: str
) -> Iterator[Any]:
    """Yield what becomes of each event, or of the whole where it is no list of events."""
    events = _events(content)
    if events:
        for number, event in enumerate(events):
            yield explanation.event(event, number)
    else:
        yield explanation.value(content, workflow, content_field)


def _events(content: str) -> list[dict[str, Any]]:
    lines = [line for line in content.split("\n") if line.strip()]
    try:
        return [event_object(parse_event(line.encode())) for line in lines]
    except RejectedRecord:
        return []
