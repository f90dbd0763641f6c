"""What is under way between reading and redaction, and how much more may be read. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from locard.ingest.decode import Decoded, Refused


class InFlight:
    """Decoded and refused records in the order of the log, waiting for their outcome.

    Args:
        most_records: under way at once, those in a batch included.
        most_bytes: of records that wait here.
        at_once: the most records that one read may bring.
    """

    def __init__(self, most_records: int, most_bytes: int, at_once: int) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._at_once = at_once
        self._items: deque[Decoded | Refused] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def first(self) -> Decoded | Refused | None:
        """The record that is next to have an outcome."""
        return self._items[0] if self._items else None

    def room(self, batched: int) -> int:
        """Return how many records may be read now; none while enough is under way.

        Args:
            batched: records that have their outcome and wait to be published.
        """
        if self._bytes >= self._most_bytes:
            return 0
        return max(0, min(self._most_records - len(self._items) - batched, self._at_once))

    def add(self, items: Iterable[Decoded | Refused]) -> None:
        """Append what was read."""
        for item in items:
            self._items.append(item)
            self._bytes += len(item.record.value)

    def take(self) -> Decoded | Refused:
        """Remove and return the first."""
        item = self._items.popleft()
        self._bytes -= len(item.record.value)
        return item

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._bytes = 0
