"""The events that an importer makes of one line, with ids derived from what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.lines import Line
from locard.schema import (
    SCHEMA_VERSION,
    Event,
    TimeSource,
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
    """Makes the events of one line that has no times, in order, a millisecond apart.

    Args:
        format_name: the format that the line is in; part of what the ids are derived from.
        core: core fields that all events of the line share; those that are `None` are left out.
    """

    def __init__(
        self, format_name: str, line: Line, surroundings: Surroundings, core: Mapping[str, Any]
    ) -> None:
        self._id_parts = (format_name, line.digest)
        self._start = surroundings.start
        self._count = 0
        self._shared = shared_core(surroundings.observed_at, "importer", core)

    def make(self, kind: str, body: Mapping[str, Any], **core: Any) -> Event:
        """Return the next event; what is `None` in its body or core is left out.

        Raises:
            RejectedRecord: the values do not make an event.
        """
        number = self._count
        self._count += 1
        return made_event(
            self._shared | core,
            event_id=derived_event_id(*self._id_parts, str(number)),
            occurred_at=later(self._start, number * _MILLISECOND),
            kind=kind,
            body=body,
        )


def shared_core(
    observed_at: datetime, time_source: TimeSource, core: Mapping[str, Any]
) -> dict[str, Any]:
    """Return core fields for all events that are made of one line."""
    return {
        "schema_version": SCHEMA_VERSION,
        "observed_at": rfc3339(observed_at),
        "time_source": time_source,
        "lane": "import",
        **core,
    }


def made_event(
    core: Mapping[str, Any],
    *,
    event_id: UUID,
    occurred_at: datetime,
    kind: str,
    body: Mapping[str, Any],
) -> Event:
    """Return an event; what is `None` in its core or body is left out.

    Raises:
        RejectedRecord: the values do not make an event.
    """
    return validate_event(
        {
            **_without_none(core),
            "kind": kind,
            "event_id": str(event_id),
            "occurred_at": rfc3339(occurred_at),
            "body": _without_none(body),
        }
    )


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
