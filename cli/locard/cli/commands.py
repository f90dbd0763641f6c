"""The command `locard`: options that all commands share, and how errors become exit statuses.

Exit status 0: done. 1: done, and something was found (a reject, a finding). 2: could not.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from locard.cli.accounting import gaps
from locard.cli.asking import ask
from locard.cli.bundling import bundle
from locard.cli.cases import case, runbook
from locard.cli.consuming import consume
from locard.cli.demo import demo
from locard.cli.erasing import erase
from locard.cli.examining import doctor
from locard.cli.identities import identity
from locard.cli.ingesting import import_
from locard.cli.inventory import inventory
from locard.cli.keeping import hold, retention_
from locard.cli.keys import keys, pseudonym
from locard.cli.lake import lake
from locard.cli.log_lines import configure
from locard.cli.provenance import explain, incidents
from locard.cli.quarantined import quarantine
from locard.cli.questions import sessions, sql, timeline
from locard.cli.redacting import redact
from locard.cli.sealing import seal, verify
from locard.cli.serving import collect, serve, up
from locard.cli.settings import load_settings
from locard.cli.vault import vault
from locard.cli.witnessing import witness
from locard.schema import LocardError

COULD_NOT: Final = 2
INTERRUPTED: Final = 130  # as shells have it: 128 and the signal's number


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Where log, lake, keys and configuration are (or LOCARD_HOME; default .locard).",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and debugging messages.")
@click.version_option(package_name="locard")
@click.pass_context
def locard(context: click.Context, home: Path | None, debug: bool) -> None:
    """The flight recorder for AI agents."""
    context.obj = settings = load_settings(home)
    configure(settings.log_format, debug=debug)


for command in (
    ask,
    bundle,
    demo,
    doctor,
    erase,
    explain,
    up,
    collect,
    consume,
    serve,
    import_,
    incidents,
    inventory,
    sessions,
    timeline,
    gaps,
    pseudonym,
    redact,
    runbook,
    seal,
    sql,
    verify,
):
    locard.add_command(command)
for group in (case, hold, identity, keys, lake, quarantine, retention_, vault, witness):
    locard.add_command(group)


def run() -> int:
    """Run the command line and return its exit status."""
    try:
        # Not `locard.main()`, which ends the program by itself on a closed pipe, with status 1.
        with locard.make_context("locard", sys.argv[1:]) as context:
            status = locard.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:  # --help, --version
        return ended.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("locard: interrupted; the same command goes on where this one stopped", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return COULD_NOT
    except LocardError as error:
        return _told(str(error))
    except BrokenPipeError:  # `locard … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _told(f"{error.filename or 'a file'}: {error.strerror}; check it, then again")
    except Exception as error:  # noqa: BLE001 - a traceback could quote what is in the record
        return _told(f"unexpected {type(error).__name__}; see it with --debug, and report it")
    return status if isinstance(status, int) else 0


def _told(message: str) -> int:
    from locard.query.inert import one_line  # only now: it brings the whole of `query`

    if "--debug" in sys.argv:
        traceback.print_exc()
    click.echo(f"locard: {one_line(message)}", err=True)
    return COULD_NOT
