"""The front door: `locard`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what to install where only the recorder is."""
    try:
        from locard.cli.commands import run
    except ModuleNotFoundError as error:
        print(  # noqa: T201 - the command line's own output
            f"locard: the package `{error.name}` is not installed; run `pip install 'locard[all]'`",
            file=sys.stderr,
        )
        sys.exit(2)
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us
        sys.exit(2)
    sys.exit(run())
