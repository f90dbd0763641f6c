"""What a consumer did, and where it stands: counted as it goes, read by whoever watches it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

BATCH_SIZES: Final = (10, 100, 1_000, 5_000, 20_000, 100_000)
"""Records up to which batches are counted together."""


@dataclass
class ConsumerCounts:
    """What the consumer did since it started, and its state now.

    Every record that was read is either published or quarantined; `expired` ones could not be read.
    An event that is quarantined does not count as published, although its core is in the lake.

    Args:
        seconds: that each step took: `read`, `decode`, `redact` (waiting for it), `publish`.
        batches: published batches, by the index in `BATCH_SIZES` of what they fit in.
        batched: records in all of them.
        fenced: commits that were refused, since another consumer had published.
        lag: records in the log that are not in the lake, by partition; when it was last looked.
        lake_files: that the lake consisted of then.
        in_flight: records that were read and are not published.
        oldest: when the oldest of them was appended to the log.
        in_quarantine: records that are in quarantine now.
    """

    read: int = 0
    published: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    expired: int = 0
    redactions: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    batches: Counter[int] = field(default_factory=Counter)
    batched: int = 0
    fenced: int = 0
    lag: dict[int, int] = field(default_factory=dict)
    lake_files: int = 0
    in_flight: int = 0
    oldest: datetime | None = None
    in_quarantine: int = 0

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add what the block takes to a step's seconds."""
        began = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - began
            self.seconds[step] = self.seconds.get(step, 0.0) + taken

    def note_batch(self, records: int) -> None:
        """Count a batch that was published."""
        self.commits += 1
        self.batched += records
        self.batches[bisect_left(BATCH_SIZES, records)] += 1
