"""What the collector takes on, and how much of it from one sender. Pure but for the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from locard.ingest.intake import DEFAULT_INTAKE_LIMITS, IntakeLimits

_BURST_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Rate:
    """What one sender may send, on average over some seconds; 0 is without limit.

    Args:
        bytes_per_second: of bodies, without their compression.
        events_per_second: taken or refused.
    """

    bytes_per_second: float = 32 * 1024 * 1024
    events_per_second: float = 10_000


@dataclass(frozen=True)
class CollectorLimits:
    """What the collector takes on.

    Args:
        intake: of one request.
        requests: worked on at once; of one sender at most half as many.
        bodies_of_one: that one sender may have unfinished or waiting.
        held_bytes: of bodies that are not stored yet, of all senders; of one at most half.
        appends: to the log at once; the embedded writer is one connection and takes one.
        seconds: that a sender may take for its body.
        rate: of one sender.
    """

    intake: IntakeLimits = DEFAULT_INTAKE_LIMITS
    requests: int = 8
    bodies_of_one: int = 64
    held_bytes: int = 512 * 1024 * 1024
    appends: int = 1
    seconds: float = 60.0
    rate: Rate = field(default_factory=Rate)


DEFAULT_LIMITS: Final = CollectorLimits()


class Allowances:
    """How much each sender may still send; not for several threads.

    What a request costs is known when it has been read, so a sender may run into debt with one
    request, and waits until it is paid off. So the largest request is always possible.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = (rate.bytes_per_second, rate.events_per_second)
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def seconds_to_wait(self, principal: str) -> int:
        """Return 0 if the sender may send now, else after how many whole seconds it may."""
        account = self._settled(principal)
        waits = (
            -left / rate if rate and left < 0 else 0.0
            for left, rate in zip(account.left, self._rates, strict=True)
        )
        return math.ceil(round(max(waits), 3))  # what is left over is an error of rounding

    def charge(self, principal: str, body_bytes: int = 0, *, events: int = 0) -> None:
        """Take off what a request cost."""
        account = self._settled(principal)
        account.left = [account.left[0] - body_bytes, account.left[1] - events]

    def _settled(self, principal: str) -> _Account:
        now = self._clock()
        full = [rate * _BURST_SECONDS for rate in self._rates]
        account = self._accounts.setdefault(principal, _Account(full, now))
        elapsed = now - account.settled_at
        account.left = [
            min(most, left + elapsed * rate)
            for most, left, rate in zip(full, account.left, self._rates, strict=True)
        ]
        account.settled_at = now
        return account


@dataclass(slots=True)
class _Account:
    """What is left of the bytes and of the events, and as of when."""

    left: list[float]
    settled_at: float
