"""Identifiers of events (RFC 9562): UUIDv7 made at the source, UUIDv8 derived from a record.

An event that is born in a Locard process gets a UUIDv7, whose order is the order of time. An
event that is read from somebody else's record gets an identifier computed from that record, so
that reading it again gives the same event and adds nothing.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from uuid import UUID

_TICKS_PER_MILLISECOND = 4096  # the 12 bits of rand_a, RFC 9562 section 6.2, method 3
# Asking the system lets other threads of Python run, and whoever makes an id may have to wait for
# them: so it is asked for the random bytes of many ids at once.
_RANDOM_BYTES = 4096
_random: Iterator[tuple[int]] = iter(())  # of eight random bytes each
_VERSION_AND_VARIANT = 0x8 << 76 | 0b10 << 62  # of a UUIDv8
_FREE_BITS = ~(0xF << 76 | 0b11 << 62)
_last_tick = 0
_lock = threading.RLock()  # a signal handler may make an id while its thread is making one


def _forget_inherited_lock() -> None:
    """A forked child must not inherit a lock that another thread held, nor its parent's chance."""
    global _lock, _random
    _lock = threading.RLock()
    _random = iter(())


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_forget_inherited_lock)


def new_event_id() -> UUID:
    """Return a UUIDv7, larger than every earlier one of this process even if the clock steps back.

    The 48-bit millisecond is followed by 12 bits of its fraction (RFC 9562 section 6.2, method 3)
    and 62 random bits, so two processes do not collide.
    """
    global _last_tick
    tick = time.time_ns() * _TICKS_PER_MILLISECOND // 1_000_000
    with _lock:
        tick = max(tick, _last_tick + 1)
        _last_tick = tick
        random_bits = _eight_random_bytes() >> 2
    milliseconds, fraction = divmod(tick, _TICKS_PER_MILLISECOND)
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62
    return UUID(int=value | random_bits)


def _eight_random_bytes() -> int:
    global _random
    found = next(_random, None)
    if found is None:
        _random = struct.iter_unpack(">Q", os.urandom(_RANDOM_BYTES))
        found = next(_random)
    return found[0]


def derived_event_id(*parts: str | bytes) -> UUID:
    """Return the UUIDv8 (RFC 9562 section 5.8) that these parts name: SHA-256, cut to 122 bits.

    Each part is preceded by its length, so `("ab", "c")` and `("a", "bc")` differ.
    """
    data = [part.encode() if isinstance(part, str) else part for part in parts]
    named = b"".join([len(part).to_bytes(8, "big") + part for part in data])
    value = int.from_bytes(hashlib.sha256(named).digest()[:16], "big")
    return UUID(int=value & _FREE_BITS | _VERSION_AND_VARIANT)
