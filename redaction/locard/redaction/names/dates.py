"""Dates: where a whole date stands, and whether it is the day on which somebody was born."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY: Final = r"(?:0?[1-9]|[12][0-9]|3[01])"
_NUMBER: Final = r"(?:0?[1-9]|1[0-2])"
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_NAMED: Final = (
    rf"{_DAY}(?:st|nd|rd|th)?[ -](?:of )?{_MONTH},?[ -]{_YEAR}"
    rf"|{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}"
)
_DATE: Final = re.compile(
    rf"(?<![\w.])(?:{_YEAR}([-/.]){_NUMBER}\1{_DAY}|{_DAY}([-/.]){_DAY}\2(?:{_YEAR}|[0-9]{{2}})|{_NAMED})"
    r"(?![\w/-])",
    re.IGNORECASE | re.ASCII,
)
_YEAR_IN_DATE: Final = re.compile(_YEAR)
_BIRTH: Final = re.compile(r"birth|\bborn\b|\bdob\b|\bd\.o\.b|\bb\.(?= ?$)", re.IGNORECASE)
BIRTH_WORDS: Final = frozenset(("dob", "birth", "birthday", "birthdate", "born", "dateofbirth"))
_NEAR: Final = 60  # characters between the word and the date


class Day(NamedTuple):
    """A whole date.

    Args:
        start: half-open range of characters.
        end: see `start`.
        is_birth: whether the words before it say that somebody was born then.
    """

    start: int
    end: int
    is_birth: bool


def days_of(text: str, context: Sequence[str] = ()) -> list[Day]:
    """Return the dates of a text that have a day, a month and a year, in order.

    Args:
        context: the words of the key that the text stands under.
    """
    days: list[Day] = []
    for match in _DATE.finditer(text):
        start, end = match.span()
        since = max(start - _NEAR, days[-1].end if days else 0, 0)
        is_birth = is_about_birth(context) or _BIRTH.search(text[since:start]) is not None
        days.append(Day(start, end, is_birth))
    return days


def mentions_birth(text: str) -> bool:
    """Say whether a text has a word that announces a date of birth."""
    return _BIRTH.search(text) is not None


def is_about_birth(context: Sequence[str]) -> bool:
    """Say whether these words of a key announce a date of birth."""
    return not BIRTH_WORDS.isdisjoint(context)


def is_period(value: str) -> bool:
    """Say whether this is more than a bare number: a year, or something with letters or a day."""
    return _YEAR_IN_DATE.fullmatch(value) is not None or any(c.isalpha() for c in value)
