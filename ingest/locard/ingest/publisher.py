"""Publishing beside everything else: one batch at a time, in a thread, while the next is made.

A commit waits for the disk, and building its file runs outside Python for the most part, so the
consumer goes on reading and redacting meanwhile. Only one batch is ever on its way: a second one
could not know where its segments begin.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import AbstractContextManager, suppress
from typing import Final

from locard.ingest.batch import Batch
from locard.ingest.counts import ConsumerCounts
from locard.ingest.lake import LakeWriter
from locard.ingest.segments import next_offsets
from locard.schema import Fenced, LocardError, RetryableError, utc_now

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5  # seconds before a publish that failed is tried again; then doubled
_LONGEST_PAUSE: Final = 30.0


class Publisher:
    """Publishes batches to a lake, each after the one before.

    Args:
        assignment_held: keeps the partitions while a batch is published, and says whether they are
            still this consumer's.
        keep_alive: called between tries, so that the log does not take this consumer for dead.
        pause: how to wait between tries.
    """

    def __init__(
        self,
        lake: LakeWriter,
        assignment_held: Callable[[], AbstractContextManager[bool]],
        counts: ConsumerCounts,
        *,
        keep_alive: Callable[[], object],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lake = lake
        self._assignment_held = assignment_held
        self._counts = counts
        self._keep_alive = keep_alive
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="locard-publisher")
        self._next_pause = _FIRST_PAUSE
        self._publishing: Future[bool] | None = None
        self.batch: Batch | None = None

    @property
    def size(self) -> int:
        """The number of records on their way."""
        return self.batch.size if self.batch else 0

    def begin(self, batch: Batch) -> None:
        """Start to publish a batch; the one before must be done."""
        if self.batch:
            raise AssertionError("a batch is on its way already")
        self.batch = batch
        self._try()

    def wait(self, seconds: float) -> None:
        """Wait for what is on its way, at most so long; whether it arrived, `published` tells."""
        if self._publishing:
            wait_for([self._publishing], seconds)

    def published(self, *, wait: bool) -> Mapping[int, int]:
        """Return where the partitions of the batch continue, once it is in the lake.

        Args:
            wait: for the batch to get there; otherwise nothing is returned while it is on its way.

        Returns:
            Nothing as well where the partitions were taken away first: it is not there then.

        Raises:
            Fenced, StateUnknown, CannotContinue: see `LakeWriter.publish`.
        """
        while (publishing := self._publishing) and (wait or publishing.done()):
            try:
                is_ours = publishing.result()
            except RetryableError as error:
                self._try_again(error)
                continue
            except Fenced:
                self._counts.fenced += 1
                self._done()
                raise
            except LocardError:
                self._done()
                raise
            batch = self._done()
            return next_offsets(batch.segments) if is_ours and batch else {}
        return {}

    def abandon(self) -> None:
        """Let a publish that has begun come to its end, and forget it; the lake tells what it did.

        To be called before partitions are known to be this consumer's again.
        """
        if self._publishing and not self._publishing.cancel():
            wait_for([self._publishing])
            if error := self._publishing.exception():
                log.warning("a publish for partitions that were taken away failed: %s", error)
        self._done()

    def _try(self) -> None:
        batch = self.batch
        if batch:
            self._publishing = self._thread.submit(self._publish, batch)

    def _try_again(self, error: RetryableError) -> None:
        log.warning("publishing again in %.1f s: %s", self._next_pause, error)
        self._publishing = None
        self._pause(self._next_pause)
        self._next_pause = min(self._next_pause * 2, _LONGEST_PAUSE)
        with suppress(RetryableError):
            self._keep_alive()  # which may abandon the batch
        self._try()

    def _publish(self, batch: Batch) -> bool:
        with self._assignment_held() as is_ours:
            if not is_ours:
                return False  # whoever has the partitions now reads the records again
            with self._counts.timed("publish"):
                self._lake.publish(batch.segments, utc_now())
        self._counts.published += sum(segment.published for segment in batch.segments)
        self._counts.note_batch(batch.size)
        return True

    def _done(self) -> Batch | None:
        batch, self.batch, self._publishing = self.batch, None, None
        self._next_pause = _FIRST_PAUSE
        return batch
