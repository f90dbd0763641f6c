"""One way of records through every external write, with one of them going wrong.

What happens to a write: it is `lost` (an error, and nothing was done), it is `done, reported as
failed`, or the process is killed right before or right after it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from deltalake import DeltaTable

from locard.ingest import delta, lake, lake_store, quarantine
from locard.ingest.batch import BatchLimits
from locard.ingest.consumer import Consumer
from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.spool import Spool
from locard.ingest.upkeep import FileSizes, open_lake, optimize, rewriting, vacuum
from locard.redaction import FailedRedaction, Keyring, RedactedEvent
from locard.schema import Event, LocardError, RetryableError, event_object, parse_event
from redactors import FaultyRedactor

KINDS = ("lost", "done, reported as failed", "killed before", "killed after")
TOMORROW = timedelta(days=1, hours=2)
_MERGE_ALL = FileSizes(fewest=2)


def _of_log(writer: Any, *_: Any) -> bool:
    return bool(writer._log.path.name == "log.sqlite")


def _of_files(path: Path) -> bool:
    return path.name.startswith("events-")


def _of_rewritten(path: Path) -> bool:
    return path.name.startswith(("merged-", "sorted-"))


def _of_directories(path: Path) -> bool:
    return path.name.startswith("ingest_date=")


def _of_entries(path: Path) -> bool:
    return path.suffix == ".json"


def _of_publish(*_: Any, commit_properties: Any, **__: Any) -> bool:
    return lake.MANIFESTS_KEY in commit_properties.custom_metadata


def _of_rewrite(*_: Any, commit_properties: Any, **__: Any) -> bool:
    return rewriting.UPKEEP_KEY in commit_properties.custom_metadata


# Each write: what is replaced, which of its calls it is, and the error that it fails with.
WRITES: dict[str, tuple[Any, str, Callable[..., bool] | None, type[Exception]]] = {
    "spool": (Spool, "append", None, RetryableError),
    "produce": (EmbeddedWriter, "append", _of_log, RetryableError),
    "quarantine": (quarantine, "replace_durably", None, OSError),
    "data file": (lake.pq, "write_table", None, OSError),
    "sync of the data file": (lake_store, "fsync_path", _of_files, OSError),
    "sync of its directory": (lake_store, "fsync_path", _of_directories, OSError),
    "log entry": (DeltaTable, "create_write_transaction", _of_publish, OSError),
    "sync of the log entry": (delta, "fsync_path", _of_entries, OSError),
    "offset commit": (EmbeddedReader, "commit", _of_log, RetryableError),
    "optimise, file": (rewriting, "write_rows", None, OSError),
    "optimise, sync": (lake_store, "fsync_path", _of_rewritten, OSError),
    "optimise, log entry": (DeltaTable, "create_write_transaction", _of_rewrite, OSError),
    "checkpoint": (DeltaTable, "create_checkpoint", None, OSError),
    "vacuum": (DeltaTable, "vacuum", None, OSError),
}


def run(home: Path, values: Sequence[bytes], write: str | None, kind: str = "") -> None:
    """Bring records all the way; the process ends with 0 where nothing went wrong."""
    with ExitStack() as patches:
        if write is not None:
            target, name, is_meant, error = WRITES[write]
            whole = getattr(target, name)
            faulty = _once(whole, is_meant, error, kind)
            patches.enter_context(mock.patch.object(target, name, faulty))
        try:
            _bring(home, values)
        except (LocardError, OSError):
            sys.exit(2)


def _once(
    whole: Callable[..., Any],
    is_meant: Callable[..., bool] | None,
    error: type[Exception],
    kind: str,
) -> Callable[..., Any]:
    done = False

    def faulty(*arguments: Any, **options: Any) -> Any:
        nonlocal done
        if done or (is_meant and not is_meant(*arguments, **options)):
            return whole(*arguments, **options)
        done = True
        if kind == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind != "lost":
            whole(*arguments, **options)
        if kind == "killed after":
            os.kill(os.getpid(), signal.SIGKILL)
        raise error(5, "Input/output error") if error is OSError else error("made to fail")

    return faulty


class _Inline:
    """Redacts in this very process, since it is the writes that go wrong here."""

    def __init__(self) -> None:
        self._redactor = FaultyRedactor()
        self._results: list[Any] = []

    @property
    def pending(self) -> int:
        return len(self._results)

    def submit(self, events: Sequence[Event]) -> None:
        for one in events:
            try:
                redacted, record = self._redactor.redact(event_object(one))
                result = RedactedEvent(parse_event_object(redacted), record)
            except ValueError:
                result = FailedRedaction(one, "redaction_error")
            self._results.append(result)

    def collect(self, timeout: float) -> list[Any]:
        found, self._results = self._results, []
        return found

    def discard(self) -> None:
        self._results = []


def parse_event_object(value: Any) -> Event:
    """Return the event of a JSON object."""
    from locard.schema import canonical_bytes

    return parse_event(canonical_bytes(value))


def _bring(home: Path, values: Sequence[bytes]) -> None:
    """Send, move from the spool to the log, consume, optimise, vacuum."""
    acknowledged = home / "acknowledged"
    spool = Spool(home / "spool.sqlite")
    if not acknowledged.exists():
        spool.append([OutgoingRecord(b"%d" % n, value) for n, value in enumerate(values)])
        acknowledged.touch()  # from here on the sender has forgotten them
    log = EmbeddedWriter(home / "log.sqlite")
    spool.empty_into(log.append)
    log.close()
    _consume(home)
    now = datetime.now(UTC)
    path = home / "lake"
    optimize(path, now, _MERGE_ALL)
    optimize(path, now + TOMORROW, _MERGE_ALL)
    open_lake(path).create_checkpoint()
    vacuum(open_lake(path), path, timedelta(0))


def _consume(home: Path) -> None:
    keyring = Keyring.open_or_create(home / "keys")
    consumer = Consumer(
        reader := EmbeddedReader(home / "log.sqlite"),
        _Inline(),
        lake.LakeWriter(home / "lake"),
        quarantine.Quarantine(home / "quarantine", keyring.quarantine_public_key()),
        limits=BatchLimits(rows=7),
    )
    try:
        consumer.run_once()
    finally:
        reader.close()
