"""The transparency log: entries that can only be added to, in files that any C2SP client can read.

Entries and hashes are written first and the checkpoint last. Until it is, nothing refers to them;
what a killed writer left is written again, with the same bytes or with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from locard.evidence.log_files import LogFiles
from locard.evidence.log_reader import LogReader, told_of
from locard.evidence.merkle import EMPTY_ROOT, Nodes, leaf_hash, root
from locard.evidence.notes import Checkpoint, Note, NoteError, NoteKey, VerifierKey, note
from locard.evidence.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    bundle,
    bundle_path,
    fold,
    tile_path,
    tiles_of,
)
from locard.schema import CannotContinue

CHECKPOINT: Final = "checkpoint"


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
        self._accepted = accepted
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

    def is_last(self) -> bool:
        """Say whether the checkpoint that lies there is still the one that this process knows."""
        return self._last(self._accepted) == self._checkpoint

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
                f"{self._files}: cannot be written: {told_of(error)}; make room or correct the "
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
                f"{self._files}: the checkpoint cannot be used: {told_of(error)}; restore the log "
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
