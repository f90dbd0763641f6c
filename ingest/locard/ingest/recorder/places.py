"""Where a recorder keeps its ring, its spool and its key: directories for their owner alone."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from locard.evidence import SigningKey
from locard.ingest.recorder.refusals import Refusals
from locard.ingest.recorder.ring import Ring
from locard.ingest.recorder.settings import RecorderSettings
from locard.ingest.spool import Spool
from locard.schema import LocardError

log = logging.getLogger(__name__)

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - what is made there is checked
_RINGS: Final = "rings"


def ring_places(settings: RecorderSettings) -> list[Path]:
    """Return the directories in which rings of this collector may lie, the best one first.

    Shared memory comes first, since a page there is never written to a disk in the middle of an
    agent's work.
    """
    name = hashlib.sha256(str(settings.directory.absolute()).encode()).hexdigest()[:16]
    in_memory = _SHARED_MEMORY / f"locard-{os.getuid()}" / name
    on_disk = settings.directory / _RINGS
    return [in_memory, on_disk] if _SHARED_MEMORY.is_dir() else [on_disk]


def new_ring(settings: RecorderSettings, incarnation: str, places: list[Path]) -> Ring:
    """Return a ring in the first of these places that can be had, else one in private memory."""
    core = to_json(settings.core)
    capacity = settings.ring_bytes // 8 * 8
    for place in places:
        try:
            own_directory(place)
            return Ring.create(place, settings.collector_id, incarnation, capacity, core)
        except OSError as error:
            log.info("no ring in %s: %s", place, error.strerror)
    log.warning("the recorder's ring is in private memory: a crash loses what was not sent")
    return Ring.create(None, settings.collector_id, incarnation, capacity, core)


def signing_key(settings: RecorderSettings) -> SigningKey:
    """Return the key that this collector signs with, making it at the first time.

    Where its file cannot be had, it is a key for this process alone.
    """
    try:
        own_directory(settings.directory)
        return SigningKey.open_or_create(settings.directory / "signing-key")
    except (OSError, ValueError) as error:
        log.warning(
            "the recorder signs with a key of this process alone, which nobody can have registered:"
            " its own in %s cannot be used (%s)",
            settings.directory,
            type(error).__name__,
        )
        return SigningKey.generate()


def own_spool(settings: RecorderSettings) -> Spool | None:
    """Return the spool of this collector, or `None` where there can be none."""
    try:
        own_directory(settings.directory)
        return Spool(settings.directory / "spool.sqlite", settings.spool_bytes)
    except (LocardError, OSError) as error:
        log.error(
            "the recorder has no spool, so events are dropped while the collector is away: %s",
            error if isinstance(error, LocardError) else f"{settings.directory}: {error.strerror}",
        )
        return None


def own_refusals(settings: RecorderSettings) -> Refusals:
    """Return what the collector refused and no statement has declared yet."""
    try:
        own_directory(settings.directory)
    except OSError:
        return Refusals()
    return Refusals.open(settings.directory / "refused.sqlite")


def own_directory(path: Path) -> None:
    """Make a directory for its owner alone, with those above it.

    Raises:
        OSError: it cannot be made, or belongs to somebody else, or others may enter it.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    for directory in (path.parent, path):
        directory.mkdir(mode=0o700, exist_ok=True)
    for directory in (path, path.parent) if path.is_relative_to(_SHARED_MEMORY) else (path,):
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(1, "it is not a directory of this user's own", str(directory))
