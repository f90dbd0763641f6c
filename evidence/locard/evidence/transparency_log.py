"""The transparency log: entries that can only be added to, in files that any C2SP client can read.

Entries and hashes are written first and the checkpoint last. Until it is, nothing refers to them;
what a killed writer left is written again, with the same bytes or with others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

from locard.evidence.log_files import LogFiles
from locard.evidence.merkle import EMPTY_ROOT, Nodes, leaf_hash, root
from locard.evidence.notes import Checkpoint, Note, NoteError, NoteKey, VerifierKey, note
from locard.evidence.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TileError,
    bundle,
    bundle_path,
    entries_of,
    fold,
    hashes_of,
    tile_path,
    tiles_of,
)
from locard.schema import CannotContinue

CHECKPOINT: Final = "checkpoint"
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
                    f"{_told(error)}; restore the log from a copy"
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
                f"{self._files}: tile {level}/{index} cannot be read: {_told(error)}; restore the "
                "log from a copy"
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


class TransparencyLog:
    """A log that this process appends to; there must be no other.

    Args:
        key: signs its checkpoints; the log's name is the key's.
        accepted: older keys of the log, whose checkpoint may be the last one.

    Raises:
        CannotContinue: what is there is no log of this name, or is damaged.
    """

    def __init__(self, files: LogFiles, key: NoteKey, accepted: Sequence[VerifierKey] = ()) -> None:
        self._files = files
        self._key = key
        self._checkpoint = self._last(accepted)
        self._superseded: list[str] = []

    @property
    def size(self) -> int:
        """The number of entries that a checkpoint covers."""
        return self._checkpoint.size

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint; `None` where there is none yet."""
        return self._checkpoint if self.size else None

    @property
    def reader(self) -> LogReader:
        """What reads the log as it is now."""
        return LogReader(self._files, self.size)

    def append(self, entries: Sequence[bytes]) -> Checkpoint:
        """Add entries and return when the checkpoint that covers them is durable.

        Raises:
            CannotContinue: the log is damaged, or cannot be written; the last checkpoint stands.
        """
        if not entries:
            return self._checkpoint
        old, size = self._checkpoint, self.size + len(entries)
        before = self.reader
        if before.root() != old.root:
            raise CannotContinue(
                f"{self._files}: the tiles do not lead to the root of the last checkpoint; nothing "
                "was signed. Restore the log from a copy"
            )
        try:
            nodes = self._write_tiles(before, entries)
            new = Checkpoint(old.origin, size, root(size, nodes))
            self._files.write(CHECKPOINT, note(new.text, [self._key.line(new.text)]))
        except OSError as error:
            raise CannotContinue(
                f"{self._files}: cannot be written: {_told(error)}; make room or correct the "
                "permissions, then seal again"
            ) from error
        self._checkpoint = new
        self._remove_superseded(old.size, size)
        return new

    def add_signatures(self, checkpoint: Checkpoint, lines: Sequence[str]) -> None:
        """Put further signature lines under the last checkpoint, durably.

        Args:
            checkpoint: what they are for; where it is not the last one any more, nothing is done.
        """
        if checkpoint == self._checkpoint and lines:
            own = self._key.line(checkpoint.text)
            self._files.write(CHECKPOINT, note(checkpoint.text, [own, *lines]))

    def _last(self, accepted: Sequence[VerifierKey]) -> Checkpoint:
        origin = self._key.name
        try:
            found = Note.parse(self._files.read(CHECKPOINT))
            checkpoint = Checkpoint.parse(found.text)
            signed = found.verified([self._key.verifier, *accepted])
        except FileNotFoundError:
            return Checkpoint(origin, 0, EMPTY_ROOT)
        except (NoteError, OSError) as error:
            raise CannotContinue(
                f"{self._files}: the checkpoint cannot be used: {_told(error)}; restore the log "
                "from a copy"
            ) from error
        if not signed or checkpoint.origin != origin:
            raise CannotContinue(
                f"{self._files}: the checkpoint is not signed by a key of {origin} that is known "
                "here; put the key back, or name the log's own with `log_origin`"
            )
        return checkpoint

    def _write_tiles(self, before: LogReader, entries: Sequence[bytes]) -> Nodes:
        """Write the tiles and bundles that entries change; return the subtrees of the new tree."""
        start = before.size - before.size % TILE_WIDTH
        new = [*before.entries(start), *entries]
        for at in range(0, len(new), TILE_WIDTH):
            part = new[at : at + TILE_WIDTH]
            path = bundle_path((start + at) // TILE_WIDTH, len(part))
            self._files.write(path, bundle(part))
        tiles: dict[tuple[int, int], list[bytes]] = {}
        changed = [leaf_hash(entry) for entry in new]
        level = 0
        while changed:
            for at in range(0, len(changed), TILE_WIDTH):
                part = changed[at : at + TILE_WIDTH]
                index = (start + at) // TILE_WIDTH
                tiles[level, index] = part
                self._files.write(tile_path(level, index, len(part)), b"".join(part))
            above = [
                fold(changed[at : at + TILE_WIDTH])
                for at in range(0, len(changed) - TILE_WIDTH + 1, TILE_WIDTH)
            ]
            first = start // TILE_WIDTH
            level, start = level + 1, first - first % TILE_WIDTH
            # What stands to the left of the new hashes in their own tile was there before.
            left = [before.nodes(TILE_HEIGHT * level, at) for at in range(start, first)]
            changed = [*left, *above] if above else []

        def nodes(level: int, index: int) -> bytes:
            height, count = level // TILE_HEIGHT, 1 << (level % TILE_HEIGHT)
            tile = tiles.get((height, index * count // TILE_WIDTH))
            if tile is None:
                return before.nodes(level, index)
            begin = index * count % TILE_WIDTH
            return fold(tile[begin : begin + count])

        return nodes

    def _remove_superseded(self, old: int, new: int) -> None:
        """Remove narrower tiles than those of the last two checkpoints."""
        still = set(_partials(new))
        for path in self._superseded:
            if path not in still:
                self._files.remove(path)
        self._superseded = [path for path in _partials(old) if path not in still]


def _partials(size: int) -> Iterator[str]:
    """Yield the paths of the tiles and bundles that are not full."""
    if size % TILE_WIDTH:
        yield bundle_path(size // TILE_WIDTH, size % TILE_WIDTH)
    for level, index, width in tiles_of(size):
        if width < TILE_WIDTH:
            yield tile_path(level, index, width)


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
