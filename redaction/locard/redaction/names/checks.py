"""What an entity must look like to be one: the model sees a few words, these rules all of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from locard.redaction.names.dates import days_of, is_about_birth, is_period, mentions_birth
from locard.redaction.names.decoding import Entity
from locard.redaction.names.keys import value_of_key
from locard.redaction.names.lexicon import LISTS, Lexicon

_DATES: Final = ("DATE", "DOB")
SUREST: Final = 0.95  # less than what Presidio's recognizers give for a checksum that is right
# They know these by their form, and come first where they find something.
_MOST_SURE: Final = {"PHONE": 0.45, "CARD": 0.6}
_FEWEST_PHONE_DIGITS: Final = 7
_FEWEST_CARD_DIGITS: Final = 12
_FEWEST_ZIP_DIGITS: Final = 3
_OLDEST: Final = 120
_NAMED: Final = ("PER", "LOC", "NRP", "TITLE", "ORG")
_BESIDE: Final = 3  # characters between the two
_FIRST_IDEOGRAPH: Final = "\u2e80"
_MOST_FREQUENT: Final = 1 << LISTS.index("word1")
_SCHEME: Final = re.compile(r"(?:Bearer|Basic|Digest)\b")  # of HTTP: a secret follows
_SUM: Final = re.compile(r" [-+*/=] ")
_ENDS_WITH_DOT: Final = re.compile(
    r"\b(?:[^\W\d_]|jr|sr|inc|ltd|co|corp|bros|st|ave|rd|blvd|dr|ln|str|mr|mrs|ms|prof|rev)\.$",
    re.IGNORECASE,
)


def checked(
    text: str, entities: Sequence[Entity], context: Sequence[str], lexicon: Lexicon
) -> list[Entity]:
    """Return the entities that are what they are called, in order, with dates made whole.

    Args:
        entities: of the model, in order.
        context: the words of the key that the text stands under.
        lexicon: knows which words are ordinary.
    """
    whole = value_of_key(text, context)
    if whole is not None:
        return [_surer(whole, entities)]
    days = _days(text, [e for e in entities if e.kind in _DATES], context)
    taken = _Ordered(days)
    kept = []
    for entity in entities:
        value = text[entity.start : entity.end]
        if taken.touching(entity.start, entity.end) or not _is_likely(value, entity, lexicon):
            continue
        if entity.kind == "DOB" and not is_about_birth(context):
            entity = entity._replace(kind="DATE")
        score = min(entity.score, _MOST_SURE.get(entity.kind, SUREST))
        kept.append(entity._replace(end=_end_of(text, entity), score=score))
    return sorted([*days, *_with_codes_in_addresses(_with_surnames(text, kept))])


def told_by_key(text: str, context: Sequence[str]) -> list[Entity]:
    """Return what the words of a key alone say of the text that stands under it, in order."""
    whole = value_of_key(text, context)
    if whole is not None:
        return [whole]
    return _days(text, (), context) if is_about_birth(context) else []


def _with_surnames(text: str, entities: Sequence[Entity]) -> list[Entity]:
    """Return the entities; a place that follows a first name at once is the surname.

    Many surnames are those of towns.
    """
    result: list[Entity] = []
    for entity in entities:
        before = result[-1] if result else None
        if (
            before is not None
            and (before.kind, entity.kind) == ("PER", "LOC")
            and text[before.end : entity.start] == " "
            and text[before.start : before.end].isalpha()
            and text[entity.start : entity.end].isalpha()
        ):
            result[-1] = before._replace(end=entity.end)
        else:
            result.append(entity)
    return result


def _with_codes_in_addresses(entities: Sequence[Entity]) -> list[Entity]:
    """Return the entities; a postal code right beside a place is a part of the address."""
    result = list(entities)
    for at, entity in enumerate(entities):
        near = [
            other
            for other in entities[max(at - 1, 0) : at + 2]
            if other.kind in ("LOC", "ADDR")
            and max(other.start - entity.end, entity.start - other.end) <= _BESIDE
        ]
        if entity.kind == "ZIP" and near:
            result[at] = entity._replace(kind="ADDR")
    return result


def _surer(whole: Entity, entities: Sequence[Entity]) -> Entity:
    """Return the value of a key with the model's score where that is higher."""
    scores = [e.score for e in entities if e.kind == whole.kind]
    return whole._replace(score=max([whole.score, *scores]))


def _end_of(text: str, entity: Entity) -> int:
    """Return where it ends without the full stop of its sentence."""
    end = entity.end
    if (
        text[end - 1] == "."
        and _ENDS_WITH_DOT.search(text, max(entity.start, end - 12), end) is None
    ):
        return end - 1
    return end


def _is_likely(value: str, entity: Entity, lexicon: Lexicon) -> bool:
    digits = sum(character.isdigit() for character in value)
    if entity.kind in _NAMED and (_is_ordinary(value, lexicon) or _SCHEME.match(value)):
        return False
    if entity.kind in _NAMED and entity.kind != "ORG":
        return not digits
    if entity.kind == "AGE":
        return (
            0 < digits <= 3 and int("".join(filter(str.isdecimal, value)) or _OLDEST + 1) <= _OLDEST
        )
    if entity.kind == "PHONE":
        return digits >= _FEWEST_PHONE_DIGITS and _SUM.search(value) is None
    if entity.kind == "CARD":
        return digits >= _FEWEST_CARD_DIGITS
    if entity.kind == "ZIP":
        return digits >= _FEWEST_ZIP_DIGITS
    # A date without its day or its year can be a year, a weekday, a month: no bare number.
    return entity.kind not in _DATES or is_period(value)


def _is_ordinary(value: str, lexicon: Lexicon) -> bool:
    """Say whether this is one letter, or one of the most frequent words in small letters."""
    if len(value) == 1:
        return value < _FIRST_IDEOGRAPH
    return value.islower() and bool(lexicon.flags(value) & _MOST_FREQUENT)


def _days(text: str, dates: Sequence[Entity], context: Sequence[str]) -> list[Entity]:
    """Return the dates that have a day, a month and a year, in order.

    Those of a birth are told by the words before them, by their key, or by the model.
    """
    if not dates and not is_about_birth(context) and not mentions_birth(text):
        return []
    found = []
    in_order = _Ordered(dates)
    for day in days_of(text, context):
        own = in_order.touching(day.start, day.end)
        births = [e.score for e in own if e.kind == "DOB"]
        if day.is_birth:
            found.append(Entity(day.start, day.end, "DOB", SUREST))
        elif births:
            found.append(Entity(day.start, day.end, "DOB", max(births)))
        elif own:
            found.append(Entity(day.start, day.end, "DATE", max(e.score for e in own)))
    return found


class _Ordered:
    """Entities in order and without overlaps, to be asked for those at a place."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        self._entities = list(entities)
        self._ends = [entity.end for entity in self._entities]

    def touching(self, start: int, end: int) -> list[Entity]:
        """Return those that overlap with a range."""
        at = bisect_right(self._ends, start)
        found = []
        while at < len(self._entities) and self._entities[at].start < end:
            found.append(self._entities[at])
            at += 1
        return found
