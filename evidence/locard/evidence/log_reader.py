"""Reading a transparency log: its entries, and the hashes of its tiles, as they lie there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Final

from locard.evidence.log_files import LogFiles
from locard.evidence.merkle import root
from locard.evidence.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TileError,
    bundle_path,
    entries_of,
    fold,
    hashes_of,
    tile_path,
)
from locard.schema import CannotContinue

_REMEMBERED_TILES: Final = 256


class LogReader:
    """Reads a log's entries and hashes as they lie there; whether they fit is not looked at.

    Args:
        size: the number of entries that are looked at; more may be there.
    """

    def __init__(self, files: LogFiles, size: int) -> None:
        self._files = files
        self.size = size
        self._tile = lru_cache(_REMEMBERED_TILES)(self._read_tile)

    def nodes(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; see `merkle.Nodes`.

        Raises:
            CannotContinue: a tile is missing or damaged.
        """
        height = level // TILE_HEIGHT
        count = 1 << (level % TILE_HEIGHT)
        first = index * count
        hashes = self._tile(height, first // TILE_WIDTH)
        begin = first % TILE_WIDTH
        found = hashes[begin : begin + count]
        if len(found) != count:
            raise CannotContinue(f"{self._files}: tile {height}/{first // TILE_WIDTH} is too short")
        return fold(found)

    def entries(self, begin: int = 0) -> Iterator[bytes]:
        """Yield the entries from one on.

        Raises:
            CannotContinue: a bundle is missing or damaged.
        """
        for index in range(begin // TILE_WIDTH, -(-self.size // TILE_WIDTH)):
            width = min(TILE_WIDTH, self.size - index * TILE_WIDTH)
            try:
                found, there = self._read(bundle_path, index, width)
                entries = entries_of(found, there)[:width]
            except (OSError, TileError) as error:
                raise CannotContinue(
                    f"{self._files}: the entries from {index * TILE_WIDTH} on cannot be read: "
                    f"{told_of(error)}; restore the log from a copy"
                ) from error
            yield from entries[max(0, begin - index * TILE_WIDTH) :]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree over the first entries, from the tiles."""
        return root(self.size if size is None else size, self.nodes)

    def _read_tile(self, level: int, index: int) -> list[bytes]:
        width = min(TILE_WIDTH, (self.size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
        try:
            found, there = self._read(partial(tile_path, level), index, width)
            return hashes_of(found, there)[:width]
        except (OSError, TileError) as error:
            raise CannotContinue(
                f"{self._files}: tile {level}/{index} cannot be read: {told_of(error)}; restore "
                "the log from a copy"
            ) from error

    def _read(
        self, path_of: Callable[[int, int], str], index: int, width: int
    ) -> tuple[bytes, int]:
        """Return a tile or bundle and its width: the full one may be all that is left."""
        try:
            return self._files.read(path_of(index, width)), width
        except FileNotFoundError:
            if width == TILE_WIDTH:
                raise
            return self._files.read(path_of(index, TILE_WIDTH)), TILE_WIDTH


def told_of(error: Exception) -> str:
    """Return what an error of a file says."""
    return getattr(error, "strerror", None) or str(error)
