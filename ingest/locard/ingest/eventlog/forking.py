"""Forks and SQLite: no thread of ours may be inside SQLite when its process forks.

SQLite has locks of its own, and Python lets other threads run while it is at work. A child that is
forked at such a moment inherits them locked, by a thread that it does not have, and waits for ever
in its first call. So SQLite is used with one lock held, and forking takes that lock first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LONGEST_WAIT: Final = 2.0  # seconds; then it forks all the same: a disk may hang


class _Gate:
    """The lock, and whether this fork has it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_taken = False

    def before(self) -> None:
        self.is_taken = self.lock.acquire(timeout=_LONGEST_WAIT)

    def after_in_parent(self) -> None:
        if self.is_taken:
            self.lock.release()

    def after_in_child(self) -> None:
        self.lock = threading.RLock()


_gate: Final = _Gate()


@contextmanager
def not_while_forking() -> Iterator[None]:
    """Hold off forks of this process while the block runs. It must not wait for a network."""
    with _gate.lock:
        yield


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(
        before=_gate.before,
        after_in_parent=_gate.after_in_parent,
        after_in_child=_gate.after_in_child,
    )
