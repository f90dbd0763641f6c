"""Values of DuckDB as JSON has them, and as text for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from locard.schema import rfc3339


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON has it, nothing lost.

    A time with a zone is RFC 3339 in UTC, any other date or time ISO 8601, an interval
    `[-][N days ]HH:MM:SS[.ffffff]`, bytes are hexadecimal. A decimal is a number where JSON's are
    exact enough, else text, as are NaN and the infinities.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return rfc3339(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _interval(value)
        case float():
            return value if value - value == 0 else str(value)
        case Decimal():
            return _decimal(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {_key(key): plain(item) for key, item in value.items()}
        case bytes():
            return value.hex()
    return str(value)


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON in printable ASCII, in which nothing acts on a terminal."""
    return json.dumps(plain(value), ensure_ascii=True, indent=indent)


def human(value: Any) -> str:
    """Return a value as text for people, not inert yet; nothing for a value that is not there."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names with a number after each that was there before: a JSON key comes once."""
    found: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate in found:
            count += 1
            candidate = f"{name}_{count}"
        found.append(candidate)
    return found


def _key(key: Any) -> str:
    key = plain(key)
    return key if isinstance(key, str) else json.dumps(key)


def _decimal(value: Decimal) -> Any:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


def _interval(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    hours, seconds = divmod(value.seconds, 3600)
    days = f"{value.days} day{'s' if value.days != 1 else ''} " if value.days else ""
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}{days}{hours:02}:{seconds // 60:02}:{seconds % 60:02}{fraction}"
