"""Recorders for tests: on an embedded log that a test can take away, in this process or another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventlogs import polls
from importing import events_in_log
from locard.ingest.eventlog import EventLogWriter, OutgoingRecord
from locard.ingest.eventlog.embedded import EmbeddedWriter
from locard.ingest.recorder import Recorder, RecorderSettings
from locard.ingest.recorder.places import ring_places
from locard.schema import Event, RetryableError

COLLECTOR = "machine/agent"
SECONDS = 30  # that a slow machine may need


class SwitchedLog:
    """An embedded log that answers while `is_up`."""

    topic_id = "switched"

    def __init__(self, path: Path) -> None:
        self.is_up = True
        self.appended = 0
        self._log = EmbeddedWriter(path)
        self._lock = threading.Lock()

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Append, or say that nobody answers."""
        if not self.is_up:
            raise RetryableError("the log is away")
        with self._lock:
            self._log.append(records)
            self.appended += len(records)

    def close(self) -> None:
        """Close the file."""


def settings(home: Path, **more: Any) -> RecorderSettings:
    """Return the settings of the recorder that all processes of a test share."""
    told = {"workflow_id": "payments", "agent_name": "payer", "accounting_seconds": 600.0, **more}
    return RecorderSettings(spool=home / "spool", collector_id=COLLECTOR, **told)


@contextmanager
def recording(home: Path, log: EventLogWriter | None = None, **more: Any) -> Iterator[Recorder]:
    """A recorder that appends to the embedded log of this home."""
    made = Recorder(
        settings(home, **more),
        open_log=lambda _key, _refused: log or SwitchedLog(home / "log.sqlite"),
    )
    try:
        yield made
    finally:
        made.close(SECONDS)


def wait_for_empty_spool(recorder: Recorder) -> None:
    """Return when the log has everything that the recorder handed on."""
    assert recorder.flush(SECONDS)
    for _ in polls():
        if not recorder.spooled_bytes:
            return
    raise AssertionError("the spool is not emptied")


def recorded(home: Path) -> list[Event]:
    """Return the events in the log of this home, by incarnation and number."""
    events = events_in_log(home / "log.sqlite")
    return sorted(events, key=lambda event: (str(event.incarnation), event.seq or 0))


def told(events: Sequence[Event]) -> list[Event]:
    """Return the events that an agent recorded, without the recorder's own."""
    return [event for event in events if event.kind != "accounting"]


def statements(events: Sequence[Event]) -> list[Any]:
    """Return the recorder's statements."""
    return [event for event in events if event.kind == "accounting"]


def rings(home: Path) -> list[Path]:
    """Return the rings that lie about."""
    return [path for place in ring_places(settings(home)) for path in place.glob("*.ring")]


def agent_program(home: Path, code: str) -> str:
    """Return the program of an agent that has a `recorder` for this home."""
    return f"""
import os, signal, sys, threading, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import recorders
home = Path({str(home)!r})
from locard.ingest.recorder import Recorder
recorder = Recorder(
    recorders.settings(home),
    open_log=lambda _key, _refused: recorders.SwitchedLog(home / "log.sqlite"),
)
{code}
"""


def run_agent(home: Path, code: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run an agent in a process of its own; nothing but its end closes the recorder."""
    done = subprocess.run(
        [sys.executable, "-c", agent_program(home, code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert not check or done.returncode == 0, done.stderr
    return done
