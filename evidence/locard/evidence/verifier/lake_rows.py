"""Rows that were read, by partition of the event log and in its order. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from locard.evidence.merkle import HASH_BYTES
from locard.schema import AccountingEvent


@dataclass
class Rows:
    """Rows of one partition of the log, in any order.

    Args:
        offsets: where they stood.
        leaves: their hashes, 32 bytes each; zeros for a row that has none.
        states: see `leaves.State`.
        files: which file of the lake each is in.
    """

    offsets: list[np.ndarray] = field(default_factory=list)
    leaves: list[np.ndarray] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    files: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def none(cls) -> Rows:
        """Return no rows."""
        return cls(
            [np.empty(0, np.int64)],
            [np.empty(0, f"V{HASH_BYTES}")],
            [np.empty(0, np.uint8)],
            [np.empty(0, np.int32)],
        )

    def sorted(self) -> SortedRows:
        """Return the rows in the order of the log."""
        offsets = np.concatenate(self.offsets)
        order = np.argsort(offsets, kind="stable")
        return SortedRows(
            offsets[order],
            np.concatenate(self.leaves)[order],
            np.concatenate(self.states)[order],
            np.concatenate(self.files)[order],
        )


@dataclass(frozen=True)
class SortedRows:
    """Rows of one partition in the order of the log; see `Rows`."""

    offsets: np.ndarray
    leaves: np.ndarray
    states: np.ndarray
    files: np.ndarray

    def between(self, first: int, following: int) -> SortedRows:
        """Return those from one offset up to another."""
        begin, end = np.searchsorted(self.offsets, [first, following])
        return self._slice(int(begin), int(end))

    def from_offset(self, first: int) -> SortedRows:
        """Return those from an offset on."""
        return self._slice(int(np.searchsorted(self.offsets, first)), len(self.offsets))

    def _slice(self, begin: int, end: int) -> SortedRows:
        part = slice(begin, end)
        return SortedRows(
            self.offsets[part], self.leaves[part], self.states[part], self.files[part]
        )


@dataclass
class LakeRows:
    """What was read of a lake.

    Args:
        partitions: the rows, by topic id and partition.
        numbered: which numbers each stream has, by collector, incarnation and sender, each beside
            a digest of the event's id.
        statements: the events of kind `accounting`.
        unreadable: files that could not be read, by path, with why.
        rows: how many there are.
    """

    partitions: dict[tuple[str, int], Rows] = field(default_factory=dict)
    numbered: dict[tuple[str, str, str], list[np.ndarray]] = field(default_factory=dict)
    statements: list[AccountingEvent] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    rows: int = 0
