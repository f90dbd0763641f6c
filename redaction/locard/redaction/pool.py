"""Redaction in processes of their own, so that no event can hold up or take down the consumer.

A thread cannot be stopped; a process can. Each event has a time budget: when it is used up, the
process is killed, that one event fails with `redaction_timeout`, a new process takes its place and
the rest goes on. What comes back is in the order in which it was submitted.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Final

from locard.redaction.redacted import FailedRedaction, RedactedEvent, RedactionResult
from locard.redaction.worker import SECONDS_TO_START, Attest, EventRedactor, Worker
from locard.schema import (
    CannotContinue,
    Event,
    RedactionRecord,
    RejectedRecord,
    event_json,
    parse_canonical_event,
)

DEFAULT_SECONDS_PER_EVENT: Final = 30.0
DEFAULT_MOST_BYTES: Final = 1536 * 1024 * 1024
_NEVER: Final = float("inf")


class _Chunk:
    """Events that were submitted together, and what has become of them so far."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.results: list[RedactionResult | None] = [None] * len(events)
        self.is_wanted = True

    @property
    def open(self) -> list[int]:
        """Which events have no result yet; by number, in order."""
        return [number for number, result in enumerate(self.results) if result is None]

    def fail(self, number: int, error_class: str) -> None:
        self.results[number] = FailedRedaction(self.events[number], error_class)


@dataclass(eq=False)
class _Station:
    """A worker, the chunk it is working on, and when that takes too long (monotonic seconds).

    Args:
        sent: the numbers of the chunk's events that it was given.
        answered: how many of those it has answered.
    """

    worker: Worker
    deadline: float
    is_ready: bool = False
    chunk: _Chunk | None = None
    sent: Sequence[int] = ()
    answered: int = 0

    @property
    def is_idle(self) -> bool:
        return self.is_ready and self.chunk is None


class RedactionPool:
    """Redacts events in worker processes.

    Args:
        make_redactor: called once in each worker; it must be picklable.
        workers: number of processes.
        seconds_per_event: what one event may take before its worker is killed.
        most_bytes: of memory that a worker may hold when it is done; one with more is replaced.
        attest: called in a worker with each event before and after; what it returns comes with the
            `RedactedEvent`. It must be picklable, as what it returns.

    Not for use from several threads at once.
    """

    def __init__(
        self,
        make_redactor: Callable[[], EventRedactor],
        *,
        workers: int = 1,
        seconds_per_event: float = DEFAULT_SECONDS_PER_EVENT,
        most_bytes: int = DEFAULT_MOST_BYTES,
        attest: Attest | None = None,
    ) -> None:
        self._attest = attest
        self._most_bytes = most_bytes
        self._make_redactor = make_redactor
        self._seconds_per_event = seconds_per_event
        self._stations = [self._new_station() for _ in range(workers)]
        self._waiting: deque[_Chunk] = deque()
        self._submitted: deque[_Chunk] = deque()

    @property
    def pending(self) -> int:
        """The number of events that were submitted and not collected yet."""
        return sum(len(chunk.events) for chunk in self._submitted)

    def submit(self, events: Sequence[Event]) -> None:
        """Take events to redact; returns at once.

        Raises:
            CannotContinue: a worker cannot be started at all.
        """
        chunk = _Chunk(events)
        self._submitted.append(chunk)
        self._waiting.append(chunk)
        self._wait(0)  # a worker may be done with what it had

    def collect(self, timeout: float) -> list[RedactionResult]:
        """Return the results that are complete, in order of submission.

        Args:
            timeout: seconds to wait where nothing is complete yet.

        Raises:
            CannotContinue: a worker cannot be started at all.
        """
        give_up = time.monotonic() + timeout
        while self._submitted and self._submitted[0].open:
            now = time.monotonic()
            if now >= give_up:
                break
            self._wait(min(give_up, *(station.deadline for station in self._stations)) - now)
        finished: list[RedactionResult] = []
        while self._submitted and not self._submitted[0].open:
            finished += [result for result in self._submitted.popleft().results if result]
        return finished

    def discard(self) -> None:
        """Forget everything that was submitted.

        A worker that has begun with some of it goes on to its end, which takes less time than
        loading what it has loaded again would.
        """
        for chunk in self._submitted:
            chunk.is_wanted = False
        self._submitted.clear()
        self._waiting.clear()

    def close(self) -> None:
        """End the worker processes at once. What was not collected is still in the event log."""
        for station in self._stations:
            station.worker.stop()
        self._stations = []

    def __enter__(self) -> RedactionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dispatch(self) -> None:
        for station in list(self._stations):
            if station.is_idle and self._waiting:
                chunk = self._waiting.popleft()
                sent = chunk.open
                try:
                    station.worker.send([event_json(chunk.events[number]) for number in sent])
                except OSError:  # it ended while it had nothing to do; no event is to blame
                    self._waiting.appendleft(chunk)
                    self._replace(station)
                    continue
                station.chunk, station.sent, station.answered = chunk, sent, 0
                station.deadline = time.monotonic() + self._seconds_per_event

    def _wait(self, timeout: float) -> None:
        """Take what the workers have sent, and replace those that are over time."""
        pipes = {station.worker.pipe: station for station in self._stations}
        for pipe in wait(list(pipes), max(timeout, 0)):
            self._receive(pipes[pipe])  # type: ignore[index]
        now = time.monotonic()
        for station in list(self._stations):
            if station.deadline <= now:
                self._over_time(station)
        self._dispatch()

    def _receive(self, station: _Station) -> None:
        try:
            message = station.worker.receive()
        except (EOFError, OSError):
            self._ended(station)
            return
        if not station.is_ready:
            if message is not None:
                raise CannotContinue(f"redaction cannot start: {message}")
            station.is_ready, station.deadline = True, _NEVER
            return
        chunk = station.chunk
        if chunk is None:
            raise AssertionError("a worker answered without having been asked")
        numbers = station.sent[station.answered : station.answered + len(message)]
        for number, answer in zip(numbers, message, strict=True):
            chunk.results[number] = _result(chunk.events[number], answer)
        station.answered += len(message)
        station.deadline = time.monotonic() + self._seconds_per_event
        if station.answered == len(station.sent):
            station.chunk, station.deadline = None, _NEVER
            if station.worker.resident_bytes() > self._most_bytes:
                self._replace(station)  # it leaks, or kept what a huge event needed

    def _ended(self, station: _Station) -> None:
        """A process that never got ready will not do so next time; one that did is replaced."""
        if not station.is_ready:
            raise CannotContinue(
                "a redaction process ended before it was ready; see the system's log for why "
                "(often too little memory), then start again"
            )
        self._give_up_event(station, "redaction_crash")

    def _over_time(self, station: _Station) -> None:
        if not station.is_ready:
            raise CannotContinue(
                f"a redaction process was not ready after {SECONDS_TO_START:.0f} s; "
                "the machine is overloaded or the installation damaged"
            )
        self._give_up_event(station, "redaction_timeout")

    def _give_up_event(self, station: _Station, error_class: str) -> None:
        """Fail the event a worker was on, and hand the rest of its chunk to the next free one.

        The rest includes events that were done and not told of.
        """
        chunk = station.chunk
        if chunk is not None:
            chunk.fail(station.sent[max(station.worker.at, station.answered)], error_class)
            if chunk.is_wanted and chunk.open:
                self._waiting.appendleft(chunk)
        self._replace(station)

    def _replace(self, station: _Station) -> None:
        station.worker.stop()
        self._stations[self._stations.index(station)] = self._new_station()

    def _new_station(self) -> _Station:
        return _Station(
            Worker(self._make_redactor, self._attest), time.monotonic() + SECONDS_TO_START
        )


def _result(event: Event, message: tuple[bytes, bytes, object] | None) -> RedactionResult:
    if message is None:
        return FailedRedaction(event, "redaction_error")
    redacted, record, attested = message
    try:
        return RedactedEvent(
            parse_canonical_event(redacted), RedactionRecord.model_validate_json(record), attested
        )
    except RejectedRecord:  # what redaction made of it is no event any more
        return FailedRedaction(event, "redaction_error")
