"""One redaction process: what runs in it, and the end of its pipe that its owner holds."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

from locard.schema import CannotContinue, RedactionRecord, canonical_bytes, parse_json

SECONDS_TO_START: Final = 120.0
MOST_BYTES_OF_WORK: Final = 4 * 1024**3
"""That a worker may ask the system for; an event that needs more fails, and the worker lives."""

_ANSWER_SECONDS: Final = 0.01  # for which answers are gathered, so that few messages carry them
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_Answer: TypeAlias = "tuple[bytes, bytes, object] | None"
Attest: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], object]
"""Says something of an event while it is there before and after redaction, as JSON objects."""
_CONTEXT: Final = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads


class EventRedactor(Protocol):
    """What a worker process does; `Redactor` is the one in use."""

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Return the redacted event and the record of what was done."""
        ...


class Worker:
    """A process and the pipe to it.

    Its first message is `None` when it is ready, or text that says why it cannot start. Then the
    events that were sent are answered in turn, some with each message: with the JSON of the
    redacted event, that of its record and what is attested, or `None` where redaction failed.
    """

    def __init__(
        self, make_redactor: Callable[[], EventRedactor], attest: Attest | None = None
    ) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self._at = _CONTEXT.RawValue("L", 0)
        self._process = _CONTEXT.Process(
            target=_work,
            args=(theirs, self._at, make_redactor, attest),
            name="locard-redaction",
            daemon=True,
        )
        with _interrupts_ignored():
            self._process.start()
        theirs.close()

    @property
    def at(self) -> int:
        """Which of the events that were sent last the process is on, or ended on; from 0."""
        return int(self._at.value)

    def send(self, events: list[bytes]) -> None:
        """Hand over events as JSON; the process must have answered all earlier ones."""
        self._at.value = 0
        self.pipe.send(events)

    def receive(self) -> Any:
        """Return the next message.

        Raises:
            EOFError, OSError: the process has ended.
        """
        return self.pipe.recv()

    def resident_bytes(self) -> int:
        """Return how much memory the process holds; 0 where the system does not tell."""
        try:
            told = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii")
            return int(told.split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def stop(self) -> None:
        """Kill the process; what it was doing is abandoned."""
        self.pipe.close()
        self._process.kill()
        self._process.join()
        self._process.close()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Have a process that is started inherit that Ctrl-C is ignored, from its beginning on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may change what a signal does
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(
    pipe: Connection,
    at: Any,
    make_redactor: Callable[[], EventRedactor],
    attest: Attest | None,
) -> None:
    """The worker process: say when ready, then answer each event with its result.

    Args:
        at: shared with the owner: which event this is on, which it must know when this is killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    try:
        redactor = make_redactor()
    except CannotContinue as error:
        pipe.send(str(error))
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        advice = "install it anew with `pip install 'locard[pipeline]'`"
        pipe.send(f"{type(error).__name__}: {error}; {advice}")
        return
    _silence()
    _bound_memory()
    gc.collect()
    gc.freeze()  # what was loaded stays: looking through it again would cost more than the work
    pipe.send(None)
    while True:
        try:
            chunk: list[bytes] = pipe.recv()
        except EOFError:
            return
        answers: list[_Answer] = []
        answered = time.monotonic()
        for number, data in enumerate(chunk):
            at.value = number
            answers.append(_redact(redactor, attest, data))
            if time.monotonic() - answered >= _ANSWER_SECONDS:
                pipe.send(answers)
                answers, answered = [], time.monotonic()
        if answers:
            pipe.send(answers)


def _redact(redactor: EventRedactor, attest: Attest | None, data: bytes) -> _Answer:
    try:
        event: Any = parse_json(data)
        redacted, record = redactor.redact(event)
        attested = attest(event, redacted) if attest else None
        told = record.model_dump_json(exclude_defaults=True).encode()
        return canonical_bytes(redacted), told, attested
    except Exception:  # noqa: BLE001 - any failure means the same: the event goes to quarantine
        return None


def _bound_memory() -> None:
    """From here on more memory is refused, which raises, before the system kills some process."""
    if resource is None:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or most > MOST_BYTES_OF_WORK:
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES_OF_WORK, most))


def _silence() -> None:
    """From here on the process holds raw text; no library may print or log any of it."""
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
