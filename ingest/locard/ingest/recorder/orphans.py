"""Rings whose process is no more: found, taken over, and set aside where they are damaged.

A ring may be damaged by a power cut, a full disk or somebody's hand. That costs what cannot be read
of it, and nothing else: it must not keep the next process from recording.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import jiter

from locard.ingest.recorder.ring import DamagedRing, NotARing, Ring
from locard.ingest.recorder.settings import CORE_NAMES

log = logging.getLogger(__name__)

_MOST_SET_ASIDE: Final = 4  # files in one directory, each as large as a ring


def orphans(places: Sequence[Path], collector_id: str) -> Iterator[Ring]:
    """Yield the rings of this collector whose process is gone, each taken over by this one.

    Whoever gets one hands on what is in it and removes it, or sets it aside.
    """
    for path in sorted(path for place in places for path in place.glob("*.ring")):
        try:
            ring = Ring.take_over(path)
        except DamagedRing:
            set_aside(path)
            continue
        except NotARing:
            continue  # its process is alive, mostly
        if ring.collector_id == collector_id:
            yield ring
        else:
            ring.let_go()


def set_aside(path: Path) -> None:
    """Put a damaged ring out of the way, where it can be looked at; of many the newest are kept."""
    log.error(
        "the ring %s of a process that ended badly is damaged: what could not be read of it is "
        "lost; it is kept as .damaged",
        path,
    )
    with suppress(OSError):
        path.replace(path.with_suffix(".damaged"))
    kept = sorted(path.parent.glob("*.damaged"), key=_changed_at)
    for old in kept[:-_MOST_SET_ASIDE]:
        with suppress(OSError):
            old.unlink()


def core_of(ring: Ring) -> dict[str, str]:
    """Return the core fields that the events of a ring have, as far as they can be read."""
    try:
        core = jiter.from_json(ring.core)
    except ValueError:
        return {}
    if not isinstance(core, dict):
        return {}
    return {name: core[name] for name in CORE_NAMES if isinstance(core.get(name), str)}


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
