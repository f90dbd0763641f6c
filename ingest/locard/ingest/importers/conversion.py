"""What a converter gives: the events of one line, and what was odd about it or left out.

A converter is made for one import and knows one format. It knows nothing of files, ledgers and
logs, but may remember earlier lines of the same import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Protocol

from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.ingest.importers.lines import Line
from locard.schema import Event, JsonError, JsonValue, RejectedRecord

NUMBERS: Final = "numbers that JSON rounds, kept as the text of their digits; compare them as text"


def _nothing() -> None:
    """Remember nothing."""


@dataclass(frozen=True)
class Converted:
    """The events of one line, in order; there are none where the line was left out.

    `notices` counts what was odd and kept, or left out, by a sentence that says what and what to do
    next. `commit` lets later lines build on this one; it is called once the line is taken.
    """

    events: tuple[Event, ...] = field(repr=False)
    notices: Counter[str] = field(default_factory=Counter)
    commit: Callable[[], None] = field(default=_nothing, repr=False)

    @property
    def session_ids(self) -> frozenset[str]:
        """The sessions that the events are of."""
        return frozenset(event.session_id for event in self.events if event.session_id is not None)


@dataclass(frozen=True)
class Surroundings:
    """What a converter is told beside the line.

    Args:
        start: the time to give the first event, where the line has no times.
        observed_at: when the import began.
        file_name: the name of the file, without its directory.
        is_taken: says whether a line was imported as this session; two runs must not become one.
    """

    start: datetime
    observed_at: datetime
    file_name: str = ""
    is_taken: Callable[[str], bool] = field(default=lambda _: False, repr=False)


class Converter(Protocol):
    """Turns lines of its format into events; the same lines give the same events.

    `format_name` is what the format is called, and `unit` what a line of it holds, as a word for
    several. A converter that `remembers`
    is also shown the lines that were imported before; what it makes of them is not sent.
    """

    format_name: ClassVar[str]
    unit: ClassVar[str]
    remembers: ClassVar[bool]

    def convert(self, line: Line, surroundings: Surroundings) -> Converted:
        """Return the events of the line.

        Raises:
            RejectedRecord: the line holds nothing that can be converted. The message says what is
                wrong and what to do, and holds no text of the line.
        """
        ...


def read_json(line: Line) -> tuple[JsonValue, int]:
    """Return the JSON value in a line, and how many of its numbers became text.

    Raises:
        RejectedRecord: the line holds none.
    """
    try:
        return parse_json_keeping_numbers(line.data)
    except JsonError as error:
        raise RejectedRecord(f"not acceptable JSON: {error}", f"json_{error.reason}") from None
