"""What a converter gives: the events of one line, and what was odd about it but could be kept.

A converter is a function for one format. It knows nothing of files, ledgers and logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from locard.ingest.importers.lines import Line
from locard.schema import Event


@dataclass(frozen=True)
class Converted:
    """The events of one line, in order.

    `notices` counts what was odd and kept, by a sentence that says what and what to do next.
    """

    session_id: str
    events: tuple[Event, ...] = field(repr=False)
    notices: Counter[str] = field(default_factory=Counter)


class Converter(Protocol):
    """Turns a line of its format into events; the same line gives the same events."""

    def __call__(
        self,
        line: Line,
        start: datetime,
        observed_at: datetime,
        is_taken: Callable[[str], bool] = ...,
    ) -> Converted:
        """Return the events of the line.

        Args:
            start: the time to give the first event, where the line has no times.
            observed_at: when the import began.
            is_taken: says whether another line's session has this id; two runs must not become one.

        Raises:
            RejectedRecord: the line holds nothing that can be converted. The message says what is
                wrong and what to do, and holds no text of the line.
        """
        ...
