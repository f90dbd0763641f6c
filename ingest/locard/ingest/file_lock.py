"""A lock between processes of one machine, on a file; a process that ends lets go of it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from locard.schema import RetryableError

_LOOK_AGAIN_SECONDS: Final = 0.05


@contextmanager
def locked(path: Path, *, is_shared: bool, seconds: float | None, busy: str) -> Iterator[None]:
    """Hold the lock while the block runs.

    Args:
        path: of the file; made if it is not there.
        is_shared: whether others may hold it so as well.
        seconds: how long to wait for it; `None` for as long as it takes.
        busy: what to say where that was not long enough.

    Raises:
        RetryableError: it was held all the time.
        OSError: the file cannot be made.
    """
    how = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if seconds is None:
            fcntl.flock(descriptor, how)
        elif not _is_had_within(descriptor, how, seconds):
            raise RetryableError(busy)
        yield
    finally:
        os.close(descriptor)


def _is_had_within(descriptor: int, how: int, seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                return False
        else:
            return True
        time.sleep(_LOOK_AGAIN_SECONDS)
