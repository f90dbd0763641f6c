"""Questions that are under way: how many at once, for how long, and stopped when nobody waits."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from typing import Any, Final

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from locard.query.api.questions import Question
from locard.query.api.workers import Job, Room, Worker, WorkerDied
from locard.schema import LakePlace

_ENDED: Final = (
    "the process that was asked has ended; if it does so again, the question needs more memory "
    "than it may have: ask for less"
)
_LATE: Final = "it took too long and was stopped; ask for less, or a shorter time"


@dataclass(frozen=True)
class Limits:
    """What one question may take.

    Args:
        seconds: until it is stopped.
        at_once: questions; each may use all cores and much memory.
        memory: of DuckDB for one question, as DuckDB writes it.
        process_bytes: of memory for one question, DuckDB and what is made of its rows.
        bytes: of the rows that one statement may give.
    """

    seconds: float = 60.0
    at_once: int = 4
    memory: str = "2GB"
    process_bytes: int = 4 << 30
    bytes: int = 32 << 20


class Turns:
    """Lets questions run one beside the other, each in a process of its own."""

    def __init__(self, lake: LakePlace, limits: Limits) -> None:
        self.limits = limits
        self._lake = lake
        self._room = Room(limits.memory, limits.process_bytes)
        self._turns = asyncio.Semaphore(limits.at_once)
        self._idle: list[Worker] = []
        weakref.finalize(self, _close_all, self._idle)

    async def ask(
        self,
        request: Request,
        question: Question[..., Any],
        workflows: frozenset[str] | None,
        version: int | None = None,
        page: tuple[int, int | None] | None = None,
        **given: Any,
    ) -> Any:
        """Return the answer to a question.

        Args:
            page: from which row on, and how many; `None` is all.
            given: what the question takes.

        Raises:
            HTTPException: 503, the lake cannot be read; 504, it took too long; or what the
                question itself raises.
        """
        job = Job(question, given, workflows, version, page)
        async with self._turns:
            worker = await self._worker(workflows)
            work = asyncio.ensure_future(run_in_threadpool(worker.ask, job))
            left = asyncio.ensure_future(_left(request))
            try:
                await asyncio.wait(
                    {work, left}, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                left.cancel()
                if work.done() and not isinstance(work.exception(), WorkerDied) and worker.is_alive:
                    self._idle.append(worker)
                else:
                    worker.kill()
            if not work.done():
                work.add_done_callback(_forgotten)
                raise HTTPException(504, _LATE)
            try:
                return work.result()
            except WorkerDied:
                raise HTTPException(503, _ENDED) from None

    async def _worker(self, workflows: frozenset[str] | None) -> Worker:
        """Return a process that is free: the last that had this scope, else any, else a new one."""
        while self._idle:
            same = [n for n, one in enumerate(self._idle) if one.workflows == workflows]
            worker = self._idle.pop(same[-1] if same else -1)
            if worker.is_alive:
                return worker
        return await run_in_threadpool(Worker, self._lake, self._room)


def _forgotten(work: asyncio.Future[Any]) -> None:
    """Take notice of how a question ended for which nobody waits."""
    if not work.cancelled():
        work.exception()


async def _left(request: Request) -> None:
    """Return when the caller has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _close_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.close()
