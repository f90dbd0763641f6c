"""The channel of one incarnation, as the agent's threads see it: a ring that never makes them wait.

agent ──> ring ──> forwarder's thread ──> collector or Kafka
                          └─────────────> spool, while neither answers
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from locard.ingest.recorder.forwarder import Forwarder, OpenLog
from locard.ingest.recorder.ring import Ring
from locard.ingest.recorder.ring_events import statement_draft
from locard.ingest.recorder.settings import RecorderSettings

log = logging.getLogger(__name__)

_MOST_LARGE_BYTES: Final = 64 * 1024 * 1024
_LARGE: Final = 8  # a draft that would take up more than this part of the ring
_TOO_MUCH: Final = "too_much_in_memory"


class Channel:
    """Takes drafts on any thread, and has their events handed on.

    Args:
        ring: a new one, of this incarnation.
        places: directories with rings, to be taken over when their process is gone.
        open_log: opens where events go.
    """

    def __init__(
        self, settings: RecorderSettings, ring: Ring, places: Sequence[Path], open_log: OpenLog
    ) -> None:
        self._ring = ring
        self._large: dict[str, bytes] = {}
        self._is_warned = False
        self.put(statement_draft("open"))
        self._forwarder = Forwarder(settings, ring, places, open_log, self._large)
        self._thread = threading.Thread(
            target=self._forwarder.run, name="locard-recorder", daemon=True
        )
        self._thread.start()

    @property
    def incarnation(self) -> str:
        """Which run of the collector this is."""
        return self._ring.incarnation

    @property
    def dropped(self) -> int:
        """How many drafts found no room."""
        return self._ring.dropped

    @property
    def spooled_bytes(self) -> int:
        """How much waits in the spool."""
        return self._forwarder.spooled_bytes

    def put(self, draft: bytes) -> int | None:
        """Take a draft and return its number, or `None` where there was no room for it."""
        seq, is_taken = self._ring.append(draft)
        if is_taken:
            return seq
        if not self._is_warned:
            self._is_warned = True
            log.warning(
                "events are dropped and counted: the recorder's ring of %d bytes is full",
                self._ring.capacity,
            )
        return None

    def put_large(
        self, event_id: str, draft: bytes, stub: Callable[[str | None], bytes]
    ) -> int | None:
        """Take a draft that is too large for the ring, where a stub stands for it.

        In a crash the stub alone is left.

        Args:
            stub: returns one for a draft that is kept (`None`), or says why it is not.
        """
        held = sum(map(len, list(self._large.values())))
        if held + len(draft) > _MOST_LARGE_BYTES:
            return self.put(stub(_TOO_MUCH))
        self._large[event_id] = draft
        seq = self.put(stub(None))
        if seq is None:
            self._large.pop(event_id, None)
        return seq

    def is_large(self, draft: bytes) -> bool:
        """Say whether a draft is too large for the ring."""
        return len(draft) * _LARGE > self._ring.capacity

    def flush(self, seconds: float) -> bool:
        """Wait until everything put so far is durable somewhere; say whether it is."""
        return self._forwarder.flush(seconds)

    def close(self, seconds: float) -> bool:
        """Make the last statement and hand everything on; say whether that was done in time.

        What was not is left in the ring, for the next process of the agent.
        """
        self._forwarder.stop()
        self._thread.join(min(seconds, threading.TIMEOUT_MAX))
        return not self._thread.is_alive()

    def leave_to_parent(self) -> None:
        """In a forked child: everything here belongs to the parent process."""
        self._ring.let_go()
