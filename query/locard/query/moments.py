"""Moments as people write them: a day, a time, or how long ago. Always UTC unless they say else."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from locard.schema import CannotContinue

_AGO: Final = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime, *, is_end: bool = False) -> datetime:
    """Return the moment that the text names, with a time zone.

    Args:
        text: `2026-05-04`, `2026-05-04 09:32`, RFC 3339 such as `2026-05-04T09:32:00+02:00`, or how
            long before `now`: `90m`, `2h`, `7d`.
        is_end: a day means its end and not its beginning.

    Raises:
        CannotContinue: it names none.
    """
    text = text.strip()
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if len(text) <= len("2026-05-04"):
            day = date.fromisoformat(text) + timedelta(days=is_end)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise CannotContinue(
            "there is a time that cannot be read; write it as 2026-05-04, 2026-05-04T09:32:00Z, "
            "or as 2h for two hours ago"
        ) from None
