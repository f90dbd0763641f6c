"""Whose turn it is: bodies that are still coming, and requests that are worked on.

A body that does not come holds no place that anybody works in, and what one sender holds or has
done for it leaves room for the others. All of it happens on the event loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from fastapi import HTTPException

from locard.ingest.collector.bodies import UNREAD_BODY
from locard.ingest.collector.limits import CollectorLimits

_SHARE: Final = 2  # one sender has this part of everything, when it comes to that
_RETRY_SOON: Final = {"Retry-After": "1"} | UNREAD_BODY


class Turns:
    """What is under way, of all senders together and of each."""

    def __init__(self, limits: CollectorLimits) -> None:
        self._limits = limits
        self._bodies: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._working = asyncio.Semaphore(limits.requests)
        self._working_for: dict[str, asyncio.Semaphore] = {}

    @contextmanager
    def body(self, principal: str) -> Iterator[BodyTurn]:
        """Hold a place for a body of this sender, from its first byte until it has been stored.

        Raises:
            HTTPException: 429, the sender has too many of them.
        """
        if self._bodies[principal] >= self._limits.bodies_of_one:
            raise HTTPException(
                429, "this sender has too many requests unfinished; finish one first", _RETRY_SOON
            )
        self._bodies[principal] += 1
        turn = BodyTurn(self, principal)
        try:
            yield turn
        finally:
            self._bodies[principal] -= 1
            self._hold(principal, -turn.size)
            if not self._bodies[principal]:  # else every sender would be remembered for ever
                for known in (self._bodies, self._bytes, self._working_for):
                    known.pop(principal, None)

    @asynccontextmanager
    async def work(self, principal: str) -> AsyncIterator[None]:
        """Wait until this sender's request may be worked on; of several each gets a part.

        Raises:
            HTTPException: 503, its turn did not come.
        """
        most = max(1, self._limits.requests // _SHARE)
        own = self._working_for.setdefault(principal, asyncio.Semaphore(most))
        try:
            async with asyncio.timeout(self._limits.seconds) as waiting, own, self._working:
                waiting.reschedule(None)
                yield
        except TimeoutError:
            raise HTTPException(
                503, "the collector is busy; send again", {"Retry-After": "1"}
            ) from None

    def _hold(self, principal: str, size: int) -> None:
        self._bytes[principal] += size
        if size < 0:
            return
        most = self._limits.held_bytes
        if self._bytes[principal] > most // _SHARE or self._bytes.total() > most:
            raise HTTPException(
                503, "the collector holds as many bytes as it may; send again", _RETRY_SOON
            )


class BodyTurn:
    """The place of one body.

    Args:
        turns: whose place it is.
    """

    def __init__(self, turns: Turns, principal: str) -> None:
        self.size = 0
        self._turns = turns
        self._principal = principal

    def hold(self, size: int) -> None:
        """Note that more of the body has come.

        Raises:
            HTTPException: 503, there is no room for it.
        """
        self.size += size
        self._turns._hold(self._principal, size)
