"""The events that an importer makes of one line, with ids derived from it and made-up times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from locard.ingest.importers.lines import Line
from locard.schema import (
    SCHEMA_VERSION,
    Event,
    derived_event_id,
    rfc3339,
    validate_event,
)

_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def later(moment: datetime, by: timedelta) -> datetime:
    """Return the moment so much later, or the last one of the year 9999."""
    try:
        return moment + by
    except OverflowError:
        return _LATEST


class EventMaker:
    """Makes the events of one line, in order, a millisecond apart.

    Args:
        format_name: the format that the line is in; part of what the ids are derived from.
        start: the made-up time of the first event; `time_source` says that it is.
        observed_at: when the import began.
        core: core fields that all events of the line share; those that are `None` are left out.
    """

    def __init__(
        self,
        format_name: str,
        line: Line,
        start: datetime,
        observed_at: datetime,
        core: Mapping[str, Any],
    ) -> None:
        self._format_name = format_name
        self._line = line
        self._start = start
        self._count = 0
        self._shared = {
            "schema_version": SCHEMA_VERSION,
            "observed_at": rfc3339(observed_at),
            "time_source": "importer",
            "lane": "import",
            **_without_none(core),
        }

    def make(self, kind: str, body: Mapping[str, Any], **core: Any) -> Event:
        """Return the next event; what is `None` in its body or core is left out.

        Raises:
            RejectedRecord: the values do not make an event.
        """
        number = self._count
        self._count += 1
        return validate_event(
            {
                **self._shared,
                **_without_none(core),
                "kind": kind,
                "event_id": str(
                    derived_event_id(self._format_name, self._line.digest, str(number))
                ),
                "occurred_at": rfc3339(later(self._start, number * _MILLISECOND)),
                "body": _without_none(body),
            }
        )


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
