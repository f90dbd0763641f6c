"""Where the parts of a log lie: C2SP tlog-tiles. Pure.

Hashes are kept in tiles of up to 256: tile N of level L holds the hashes of complete subtrees of
256^L leaves. Entries are kept in bundles of up to 256, each with its length in two bytes before it.
A tile that is not full has its width in its name, and stays what it was when it grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from locard.evidence.merkle import HASH_BYTES, node_hash

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
LARGEST_ENTRY: Final = 65_535
_LENGTH_BYTES: Final = 2


class TileError(ValueError):
    """A tile or a bundle does not hold what its name says."""


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return where a tile of hashes lies, relative to the log."""
    return f"tile/{level}/{_numbered(index)}{_partial(width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return where a bundle of entries lies, relative to the log."""
    return f"tile/entries/{_numbered(index)}{_partial(width)}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the tiles of hashes that a log of so many entries consists of: level, index, width."""
    level = 0
    while size:
        for index in range(size // TILE_WIDTH):
            yield level, index, TILE_WIDTH
        if size % TILE_WIDTH:
            yield level, size // TILE_WIDTH, size % TILE_WIDTH
        level, size = level + 1, size // TILE_WIDTH


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle.

    Raises:
        TileError: an entry is larger than `LARGEST_ENTRY`.
    """
    if any(len(entry) > LARGEST_ENTRY for entry in entries):
        raise TileError(f"an entry of a log has at most {LARGEST_ENTRY:,} bytes")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES) + entry for entry in entries)


def entries_of(data: bytes, width: int) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        TileError: it does not hold so many, or more.
    """
    entries = []
    at = 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin])
        entries.append(data[begin:at])
    if at != len(data) or len(entries) != width:
        raise TileError("a bundle of entries is cut off, or holds another number of them")
    return entries


def hashes_of(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile.

    Raises:
        TileError: it does not hold so many, or more.
    """
    if len(data) != width * HASH_BYTES:
        raise TileError("a tile of hashes is cut off, or holds another number of them")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the subtree over a number of hashes that is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(*level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


def _numbered(index: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def _partial(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"
