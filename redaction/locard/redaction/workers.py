"""Redaction in processes of their own, so that no event can hold up or take down the consumer.

A thread cannot be stopped; a process can. Each event has a time budget: when it is used up, the
process is killed, that one event fails with `redaction_timeout`, a new process takes its place and
the rest goes on. What comes back is in the order in which it was submitted.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Protocol

from locard.redaction.redacted import FailedRedaction, RedactedEvent, RedactionResult
from locard.schema import (
    CannotContinue,
    Event,
    RedactionRecord,
    canonical_bytes,
    event_json,
    parse_event,
    parse_json,
)

DEFAULT_SECONDS_PER_EVENT: Final = 30.0
_SECONDS_TO_START: Final = 120.0
_CONTEXT: Final = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads


class EventRedactor(Protocol):
    """What a worker process does; `Redactor` is the one in use."""

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Return the redacted event and the record of what was done."""
        ...


class _Chunk:
    """Events that were submitted together, and what has become of them so far."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.results: list[RedactionResult] = []

    @property
    def is_done(self) -> bool:
        return len(self.results) == len(self.events)

    @property
    def rest(self) -> Sequence[Event]:
        return self.events[len(self.results) :]

    def fail_next(self, error_class: str) -> None:
        self.results.append(FailedRedaction(self.rest[0], error_class))


class _Worker:
    """One process, its pipe, and the chunk it is working on."""

    def __init__(self, make_redactor: Callable[[], EventRedactor]) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(
            target=_work, args=(theirs, make_redactor), name="locard-redaction", daemon=True
        )
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.chunk: _Chunk | None = None
        self.deadline = time.monotonic() + _SECONDS_TO_START

    @property
    def is_idle(self) -> bool:
        return self.is_ready and self.chunk is None

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()
        self.process.close()


class RedactionPool:
    """Redacts events in worker processes.

    Args:
        make_redactor: called once in each worker; it must be picklable.
        workers: number of processes.
        seconds_per_event: what one event may take before its worker is killed.

    Not for use from several threads at once.
    """

    def __init__(
        self,
        make_redactor: Callable[[], EventRedactor],
        *,
        workers: int = 1,
        seconds_per_event: float = DEFAULT_SECONDS_PER_EVENT,
    ) -> None:
        self._make_redactor = make_redactor
        self._seconds_per_event = seconds_per_event
        self._workers = [_Worker(make_redactor) for _ in range(workers)]
        self._waiting: deque[_Chunk] = deque()
        self._submitted: deque[_Chunk] = deque()

    @property
    def pending(self) -> int:
        """The number of events that were submitted and not collected yet."""
        return sum(len(chunk.events) for chunk in self._submitted)

    def submit(self, events: Sequence[Event]) -> None:
        """Take events to redact; returns at once."""
        chunk = _Chunk(events)
        self._submitted.append(chunk)
        self._waiting.append(chunk)
        self._dispatch()

    def collect(self, timeout: float) -> list[RedactionResult]:
        """Return the results that are complete, in order of submission.

        Args:
            timeout: seconds to wait where nothing is complete yet.

        Raises:
            CannotContinue: a worker cannot be started at all.
        """
        give_up = time.monotonic() + timeout
        while self._submitted and not self._submitted[0].is_done:
            now = time.monotonic()
            if now >= give_up:
                break
            self._wait(min(give_up, *(worker.deadline for worker in self._workers)) - now)
        finished: list[RedactionResult] = []
        while self._submitted and self._submitted[0].is_done:
            finished += self._submitted.popleft().results
        return finished

    def discard(self) -> None:
        """Forget everything that was submitted; work that has begun is abandoned."""
        self._submitted.clear()
        self._waiting.clear()
        self._workers = [
            worker if worker.chunk is None else self._replace(worker) for worker in self._workers
        ]

    def close(self) -> None:
        """End the worker processes at once. What was not collected is still in the event log."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def __enter__(self) -> RedactionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dispatch(self) -> None:
        for worker in self._workers:
            if worker.is_idle and self._waiting:
                chunk = self._waiting.popleft()
                worker.chunk = chunk
                worker.deadline = time.monotonic() + self._seconds_per_event
                worker.pipe.send([event_json(event) for event in chunk.rest])
            elif worker.is_idle:
                worker.deadline = float("inf")

    def _wait(self, timeout: float) -> None:
        """Take what the workers have sent, and replace those that are over time."""
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), max(timeout, 0)):
            self._receive(pipes[pipe])  # type: ignore[index]
        now = time.monotonic()
        for worker in [w for w in self._workers if w.deadline <= now]:
            self._over_time(worker)
        self._dispatch()

    def _receive(self, worker: _Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._crashed(worker)
            return
        if not worker.is_ready:
            if message is not None:
                raise CannotContinue(
                    f"redaction cannot start: {message}; run `locard doctor` or reinstall "
                    "with `pip install 'locard[pipeline]'`"
                )
            worker.is_ready = True
            return
        chunk = worker.chunk
        if chunk is None:
            raise AssertionError("a worker answered without having been asked")
        chunk.results.append(_result(chunk.rest[0], message))
        worker.deadline = time.monotonic() + self._seconds_per_event
        if chunk.is_done:
            worker.chunk = None

    def _crashed(self, worker: _Worker) -> None:
        if worker.chunk is None:
            raise CannotContinue(
                "a redaction process ended while it had nothing to do; see the system's log for "
                "why (often too little memory), then start again"
            )
        self._give_up_event(worker, "redaction_crash")

    def _over_time(self, worker: _Worker) -> None:
        if worker.chunk is None:
            raise CannotContinue(
                f"a redaction process was not ready after {_SECONDS_TO_START:.0f} s; "
                "the machine is overloaded or the installation damaged"
            )
        self._give_up_event(worker, "redaction_timeout")

    def _give_up_event(self, worker: _Worker, error_class: str) -> None:
        """Fail the event a worker was on, and hand the rest of its chunk to the next free one."""
        chunk = worker.chunk
        if chunk is not None:
            chunk.fail_next(error_class)
            if not chunk.is_done:
                self._waiting.appendleft(chunk)
        self._workers[self._workers.index(worker)] = self._replace(worker)

    def _replace(self, worker: _Worker) -> _Worker:
        worker.stop()
        return _Worker(self._make_redactor)


def _result(event: Event, message: tuple[bytes, bytes] | None) -> RedactionResult:
    if message is None:
        return FailedRedaction(event, "redaction_error")
    redacted, record = message
    return RedactedEvent(parse_event(redacted), RedactionRecord.model_validate_json(record))


def _work(pipe: Connection, make_redactor: Callable[[], EventRedactor]) -> None:
    """The worker process: say when ready, then answer each event with its result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    try:
        redactor = make_redactor()
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        pipe.send(f"{type(error).__name__}: {error}")
        return
    _silence()
    pipe.send(None)
    while True:
        try:
            chunk: list[bytes] = pipe.recv()
        except EOFError:
            return
        for data in chunk:
            pipe.send(_redact(redactor, data))


def _redact(redactor: EventRedactor, data: bytes) -> tuple[bytes, bytes] | None:
    try:
        event: Any = parse_json(data)
        redacted, record = redactor.redact(event)
        return canonical_bytes(redacted), record.model_dump_json().encode()
    except Exception:  # noqa: BLE001 - any failure means the same: the event goes to quarantine
        return None


def _silence() -> None:
    """From here on the process holds raw text; no library may print or log any of it."""
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
