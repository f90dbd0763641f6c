"""Questions that are under way: how many at once, for how long, and stopped when nobody waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias

import duckdb
from fastapi import HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from locard.query.lake import confine, connect
from locard.query.patience import patience
from locard.schema import LakePlace, LocardError

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.2  # how often it is seen whether the caller still waits


@dataclass(frozen=True)
class Limits:
    """What one question may take.

    Args:
        seconds: until it is stopped.
        at_once: questions; each may use all cores and much memory.
        memory: of DuckDB for one question, as DuckDB writes it.
        rows: of one page at most.
    """

    seconds: float = 60.0
    at_once: int = 4
    memory: str = "2GB"
    rows: int = 10_000


class Running:
    """One question under way, which another thread may stop."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.is_stopped = False

    def on(self, connection: duckdb.DuckDBPyConnection | None) -> None:
        """Say on which connection it runs, or that it has ended."""
        with self._lock:
            self._connection = connection
            if self.is_stopped and connection is not None:
                connection.interrupt()

    def stop(self) -> None:
        """End it."""
        with self._lock:
            self.is_stopped = True
            if self._connection is not None:
                self._connection.interrupt()


@dataclass(frozen=True)
class Lake:
    """The lake as one question sees it.

    Args:
        version: of its table.
    """

    connection: duckdb.DuckDBPyConnection
    place: LakePlace
    version: int


Question: TypeAlias = Callable[[Lake], Response]


class Turns:
    """Lets questions run one beside the other, each on a connection of its own."""

    def __init__(self, lake: LakePlace, limits: Limits) -> None:
        self._lake = lake
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.at_once)

    async def ask(
        self,
        request: Request,
        question: Question,
        workflows: frozenset[str] | None,
        version: int | None = None,
    ) -> Response:
        """Return the answer to a question.

        Raises:
            HTTPException: 503, the lake cannot be read; 504, it took too long.
        """
        async with self._turns:
            running = Running()
            work = asyncio.ensure_future(
                run_in_threadpool(self._answered, question, workflows, version, running)
            )
            ends = asyncio.get_running_loop().time() + self._limits.seconds
            while not (await asyncio.wait({work}, timeout=_LOOK_SECONDS))[0]:
                late = asyncio.get_running_loop().time() > ends
                if late or await request.is_disconnected():
                    running.stop()
            return work.result()

    def _answered(
        self,
        question: Question,
        workflows: frozenset[str] | None,
        version: int | None,
        running: Running,
    ) -> Response:
        try:
            with connect(self._lake, workflows=workflows, version=version) as connection:
                running.on(connection)
                connection.execute("SET memory_limit = $1", [self._limits.memory])
                found = connection.execute("SELECT getvariable('lake_version')").fetchone()
                confine(connection)
                try:
                    lake = Lake(connection, self._lake, int(found[0]) if found else 0)
                    with patience(lambda: running.is_stopped):
                        return question(lake)
                finally:
                    running.on(None)
        except LocardError as error:
            if running.is_stopped:
                raise _late() from None
            log.warning("a question was not answered: %s", error)
            raise HTTPException(503, str(error)) from None
        except duckdb.Error as error:  # its text may quote what was read
            if running.is_stopped:
                raise _late() from None
            log.warning("a question was not answered: %s", type(error).__name__)
            raise HTTPException(503, "the lake could not be read; ask again") from None


def _late() -> HTTPException:
    return HTTPException(504, "it took too long and was stopped; ask for less, or a shorter time")
