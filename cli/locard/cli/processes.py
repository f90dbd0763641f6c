"""Commands of `locard` run together as processes: all of them, or none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from locard.schema import CannotContinue

SECONDS_TO_STOP: Final = 40
"""What a service may take to finish what it has begun; then it is killed."""

_LOOK_SECONDS: Final = 0.1
_STOPPED: Final = (0, -signal.SIGTERM)  # the second where it came before the service had begun


def run_together(commands: Mapping[str, Sequence[str]], options: Sequence[str]) -> None:
    """Run commands until this process is told to stop, which is handed on to them.

    Args:
        commands: the arguments of each.
        options: of `locard` itself, for all of them.

    Raises:
        CannotContinue: one ended by itself, or did not stop in good order. None is running.
    """
    is_told_to_stop = False

    def stop(*_: object) -> None:
        nonlocal is_told_to_stop
        is_told_to_stop = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    running: dict[str, subprocess.Popen[bytes]] = {}
    ended: str | None = None
    try:
        for name, arguments in commands.items():
            running[name] = _start([*options, name, *arguments])
        while not is_told_to_stop and ended is None:
            time.sleep(_LOOK_SECONDS)
            ended = next(
                (name for name, child in running.items() if child.poll() is not None), None
            )
    finally:
        _stop(running.values())
    if ended is not None:
        raise CannotContinue(
            f"`locard {ended}` ended by itself with status {running[ended].returncode} and the "
            "others were stopped; see above what it said, then start again"
        )
    for name, child in running.items():
        if child.returncode not in _STOPPED:
            raise CannotContinue(
                f"`locard {name}` did not stop in good order (status {child.returncode}); nothing "
                "that was accepted is lost, it is worked off at the next start"
            )


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this very program
        # -P: the current directory is no place to import from.
        [sys.executable, "-P", "-m", "locard.cli", *arguments],
        stdin=subprocess.DEVNULL,
        process_group=0,  # a Ctrl-C comes to this process alone, which hands it on once
    )


def _stop(children: Collection[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    give_up = time.monotonic() + SECONDS_TO_STOP
    for child in children:
        try:
            child.wait(max(0.0, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
