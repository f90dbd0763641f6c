"""Processes that answer questions: what one takes too long, or too much, ends with its process.

A question is SQL or evidence that somebody else wrote, and either can be made to take hours or all
memory there is, inside of a library that nothing interrupts. So each runs in a process that can be
killed, under a limit on memory that the system holds, and whoever answers health checks and other
callers shares nothing with it. A process keeps the lake open between questions of one scope,
and follows it to later versions.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, Final

import duckdb
from fastapi import HTTPException

from locard.query.api.answers import FAILED
from locard.query.api.questions import Lake, Question, Told
from locard.query.lake import confine, connect, refresh
from locard.query.versions import NoSuchVersion, newest_version
from locard.schema import LakePlace, LocardError

log = logging.getLogger(__name__)

_PROCESSES: Final = multiprocessing.get_context("forkserver")
# Where processes are forked from: it reads what they need once, and has no threads.
_PROCESSES.set_forkserver_preload([__name__])
_TOO_MUCH: Final = "it needs more memory than one question may have; ask for less"


@dataclass(frozen=True)
class Room:
    """What the process of a question may use.

    Args:
        memory: of DuckDB, as DuckDB writes it.
        process_bytes: of the process, DuckDB included.
    """

    memory: str
    process_bytes: int


@dataclass(frozen=True)
class Job:
    """A question for a process.

    Args:
        question: one of `locard.query.api.questions`.
        workflows: what the caller may see of; `None` is all.
        version: of the lake; `None` is the newest.
        page: from which row on, and how many, where the answer has rows; `None` is all.
    """

    question: Question[..., Any]
    given: Mapping[str, Any] = field(repr=False)
    workflows: frozenset[str] | None
    version: int | None
    page: tuple[int, int | None] | None = None


class WorkerDied(Exception):
    """The process ended before it answered: it was stopped, or used too much."""


class Worker:
    """A process that answers one question after the other.

    Args:
        lake: the one it is asked about.
    """

    def __init__(self, lake: LakePlace, room: Room) -> None:
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(
            target=_answer_all, args=(theirs, lake, room), daemon=True
        )
        self._process.start()
        self.is_good = True
        self.workflows: frozenset[str] | None = None  # the scope that it has the lake open in
        theirs.close()

    def ask(self, job: Job) -> Any:
        """Return the answer; blocks until there is one.

        Raises:
            HTTPException: the question was refused, or could not be answered.
            WorkerDied: the process ended.
        """
        self.workflows = job.workflows
        try:
            self._pipe.send(job)
            self.is_good, kind, *rest = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerDied from error
        if kind == "told":
            return rest[0]
        status, words = rest
        raise HTTPException(status, words)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked again: it runs, and has room left."""
        return self.is_good and self._process.is_alive()

    def kill(self) -> None:
        """End it, whatever it does; somebody who waits for its answer is told that it died."""
        self._process.kill()

    def close(self) -> None:
        """End it and wait until it has ended."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


class _Opened:
    """The lake as it was opened last."""

    def __init__(self, place: LakePlace, room: Room) -> None:
        self._place = place
        self._room = room
        self._lake: Lake | None = None
        self._workflows: frozenset[str] | None = None

    def lake(self, workflows: frozenset[str] | None, version: int | None) -> Lake:
        wanted = newest_version(self._place, version)
        if self._lake is None or self._workflows != workflows:
            return self._open(workflows, wanted)
        if self._lake.version != wanted:
            if not refresh(self._lake.connection, self._place, wanted):
                return self._open(workflows, wanted)
            self._lake = replace(self._lake, version=wanted)
        return self._lake

    def _open(self, workflows: frozenset[str] | None, version: int) -> Lake:
        self.close()
        connection = connect(self._place, workflows=workflows, version=version)
        connection.execute("SET memory_limit = $1", [self._room.memory])
        confine(connection, self._place)
        self._lake, self._workflows = Lake(connection, self._place, version), workflows
        return self._lake

    def close(self) -> None:
        if self._lake is not None:
            self._lake.connection.close()
            self._lake = None


def _answer_all(pipe: Connection, place: LakePlace, room: Room) -> None:
    """Answer questions until nobody is left to ask any; what a process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when it ends
    _limit_memory(room.process_bytes)
    opened = _Opened(place, room)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        try:
            answer = _answer(job, opened)
            # Neither a connection after an error nor memory that was much used is worth a doubt.
            is_good = answer[0] == "told" and _peak_bytes() < room.process_bytes // 4
            pipe.send((is_good, *answer))
        except (MemoryError, BrokenPipeError):
            return
        if not is_good:
            return


def _answer(job: Job, opened: _Opened) -> tuple[Any, ...]:
    try:
        lake = opened.lake(job.workflows, job.version)
        told = job.question(lake, **job.given)
        if isinstance(told, Told):
            told = told.part(lake, *(job.page or (0, None)))
    except HTTPException as error:
        return "refused", error.status_code, error.detail
    except NoSuchVersion:
        return "refused", 422, "the cursor is of no version of this lake; begin without one"
    except LocardError as error:
        log.warning("a question was not answered: %s", error)
        return "refused", 503, str(error)
    except (MemoryError, duckdb.OutOfMemoryException):
        return "refused", 422, _TOO_MUCH
    except duckdb.Error as error:  # its text may quote what was read
        log.warning("a question was not answered: %s", type(error).__name__)
        return "refused", 503, "the lake could not be read; ask again"
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is told as that
        # Where and of which type, but not its text, since it may quote the record.
        trace = "".join(traceback.format_tb(error.__traceback__))
        log.error("a question failed: %s\n%s", type(error).__name__, trace)
        return "refused", 500, FAILED
    return "told", told


def _limit_memory(most_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    # Not its address space: that has what is only reserved, and files that are mapped.
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def _peak_bytes() -> int:
    """Return the most that this process ever held; what is freed is not always given back."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
