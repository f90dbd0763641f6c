"""Times: always UTC, always microseconds, RFC 3339 in JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time lies outside the years 1 to 9999 in UTC") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_as_utc)]
"""A moment with a time zone, held in UTC. Digits beyond the microsecond are cut off."""


def utc_now() -> datetime:
    """Return the present moment in UTC with microseconds."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC as RFC 3339 with six fractional digits and `Z`."""
    return _as_utc(moment).isoformat(timespec="microseconds").replace("+00:00", "Z")
