"""Anchoring what was sealed: witnesses, time stamps and copies, as far as they are configured."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from locard.evidence.anchors.cosigning import Cosigning, WitnessAddress
from locard.evidence.anchors.http import Post, post
from locard.evidence.anchors.stamping import stamp
from locard.evidence.log_files import LogFiles
from locard.evidence.transparency_log import CHECKPOINT, TransparencyLog
from locard.schema import CannotContinue

log = logging.getLogger(__name__)

_NEVER: Final = float("-inf")


@dataclass(frozen=True)
class AnchorSettings:
    """Which anchors there are; none by default, and then nothing is reached.

    Args:
        witnesses: that are asked to cosign.
        seconds: between two times that they are, and that copies are made.
        copies: places where checkpoints go that nobody can change afterwards.
        stamp_url: of a time stamping authority.
        stamp_seconds: between two stamps.
    """

    witnesses: Sequence[WitnessAddress] = ()
    seconds: float = 60.0
    copies: Sequence[LogFiles] = ()
    stamp_url: str | None = None
    stamp_seconds: float = 3600.0


class Anchors:
    """Anchors the checkpoints of a log; what fails is told, and tried again the next time."""

    def __init__(self, settings: AnchorSettings, files: LogFiles, send: Post = post) -> None:
        self._settings = settings
        self._files = files
        self._send = send
        self._cosigning = Cosigning(settings.witnesses, send)
        self._anchored: tuple[int, float] = 0, _NEVER
        self._stamped: tuple[int, float] = 0, _NEVER

    def anchor(self, sealed: TransparencyLog, now: float | None = None) -> None:
        """Anchor the last checkpoint, where it is time to.

        Args:
            now: seconds on any clock that only goes forward.
        """
        checkpoint = sealed.checkpoint
        if checkpoint is None:
            return
        now = time.monotonic() if now is None else now
        size, at = self._anchored
        if size != checkpoint.size and now - at >= self._settings.seconds:
            signed = self._files.read(CHECKPOINT)
            lines = self._cosigning.lines(checkpoint, signed, sealed.reader)
            sealed.add_signatures(checkpoint, lines)
            self._copy(checkpoint.size)
            if len(lines) == len(self._settings.witnesses):
                self._anchored = checkpoint.size, now
        size, at = self._stamped
        url = self._settings.stamp_url
        if url and size != checkpoint.size and now - at >= self._settings.stamp_seconds:
            try:
                stamp(checkpoint, url, self._files, self._send)
                self._stamped = checkpoint.size, now
            except CannotContinue as error:
                log.warning("no time stamp: %s", error)

    def _copy(self, size: int) -> None:
        data = self._files.read(CHECKPOINT)
        for place in self._settings.copies:
            name = f"{size:012}.checkpoint"
            try:
                if name not in place.listed("."):
                    place.write(name, data)
            except OSError as error:
                log.warning("no copy of the checkpoint in %s: %s", place, error.strerror)
