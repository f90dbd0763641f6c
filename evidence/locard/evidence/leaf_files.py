"""The leaf hashes of segments, kept beside the log: what is left of a row that lawfully went.

They also say which row of a segment was changed. They are not trusted: those of one segment have to
lead to the root in its entry. One file holds the leaves of all segments that were sealed at once,
32 bytes each, and is named by the first of their entries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

from locard.evidence.log_files import LogFiles
from locard.evidence.merkle import HASH_BYTES

DIRECTORY: Final = "leaves"


def write_leaves(files: LogFiles, first: int, leaves: Sequence[bytes]) -> None:
    """Keep the leaves of the segments from this entry of the log on.

    Raises:
        OSError: they cannot be written.
    """
    files.write(_path(first), b"".join(leaves))


class LeafFiles:
    """Reads the leaves of segments.

    Args:
        entries: of the log that are segments, by their index.
    """

    def __init__(self, files: LogFiles, entries: Mapping[int, Mapping[str, Any]]) -> None:
        self._files = files
        self._firsts = sorted(int(path.rpartition("/")[2]) for path in files.listed(DIRECTORY))
        self._places = self._placed(entries)
        self._open: tuple[int, bytes] | None = None

    def of(self, index: int) -> list[bytes] | None:
        """Return the leaves of a segment, `None` where they are not there or too few."""
        first, begin, rows = self._places.get(index, (-1, 0, 0))
        if first < 0:
            return None
        if self._open is None or self._open[0] != first:
            try:
                self._open = first, self._files.read(_path(first))
            except OSError:
                return None
        found = self._open[1][begin * HASH_BYTES : (begin + rows) * HASH_BYTES]
        if len(found) != rows * HASH_BYTES:
            return None
        return [found[at : at + HASH_BYTES] for at in range(0, len(found), HASH_BYTES)]

    def _placed(self, entries: Mapping[int, Mapping[str, Any]]) -> dict[int, tuple[int, int, int]]:
        """Return for each segment its file, where it begins there, and its number of rows."""
        places: dict[int, tuple[int, int, int]] = {}
        ends: dict[int, int] = {}
        for index in sorted(entries):
            at = bisect_right(self._firsts, index) - 1
            if at < 0:
                continue
            first = self._firsts[at]
            rows = entries[index].get("found", entries[index])["rows"]
            begin = ends.get(first, 0)
            places[index] = first, begin, rows
            ends[first] = begin + rows
        return places


def _path(first: int) -> str:
    return f"{DIRECTORY}/{first:012}"
