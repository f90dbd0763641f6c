"""Which files of the lake are worth writing anew. Pure.

Every publish adds a small file. Today's are merged now and then, so that a question opens few; a
day that is over is written once more, sorted by session and time, so that one session's rows lie
together. What is sorted already and large enough is left alone: upkeep's work grows with what is
new, not with the lake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from locard.ingest.upkeep.live_files import LakeFile

_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class FileSizes:
    """What files should be like.

    Args:
        small: bytes below which a file of today may be merged with others.
        fewest: so many small files of today are worth a merge.
        target: bytes at which a new file is closed and the next begun.
        at_once: bytes that one rewrite reads at most, unless a single file has more.
    """

    small: int = 32 * _MEBIBYTE
    fewest: int = 8
    target: int = 256 * _MEBIBYTE
    at_once: int = 4096 * _MEBIBYTE


DEFAULT_SIZES: Final = FileSizes()


@dataclass(frozen=True)
class Rewrite:
    """Files of one day that are to become fewer.

    Args:
        is_closed: whether the day is over, so that what is written counts as sorted.
    """

    day: date
    files: tuple[LakeFile, ...]
    is_closed: bool


def plan(files: Iterable[LakeFile], today: date, sizes: FileSizes = DEFAULT_SIZES) -> list[Rewrite]:
    """Return what is to be written anew, the oldest day first.

    Args:
        today: the first day that is not over; files may still be added to it.
    """
    rewrites: list[Rewrite] = []
    by_day = groupby(sorted(files, key=lambda f: (f.day, f.path)), key=lambda f: f.day)
    for day, of_day in by_day:
        is_closed = day < today
        chosen = (_of_closed_day if is_closed else _of_today)(list(of_day), sizes)
        rewrites += [Rewrite(day, tuple(part), is_closed) for part in parts(chosen, sizes.at_once)]
    return rewrites


def _of_today(files: list[LakeFile], sizes: FileSizes) -> list[LakeFile]:
    small = [file for file in files if file.size < sizes.small]
    return small if len(small) >= sizes.fewest else []


def _of_closed_day(files: list[LakeFile], sizes: FileSizes) -> list[LakeFile]:
    # A sorted file that is small is taken along: else each late file would add one for ever.
    chosen = [file for file in files if not file.is_sorted or file.size < sizes.target // 2]
    is_done = len(chosen) < 2 and all(file.is_sorted for file in chosen)
    return [] if is_done else chosen


def parts(files: list[LakeFile], most: int) -> list[list[LakeFile]]:
    """Divide files so that each part has at most so many bytes."""
    parts: list[list[LakeFile]] = []
    size = 0
    for file in files:
        if not parts or size + file.size > most:
            parts.append([])
            size = 0
        parts[-1].append(file)
        size += file.size
    return parts
