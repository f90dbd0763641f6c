"""What every valid number that is written in a region's way has in common.

Parsing a candidate for each region is what telephones cost, and most candidates are dates, amounts
and identifiers. A number that `phonenumbers` calls valid is, in its digits, one of the patterns of
its country, with the country's code or its national prefix before it or nothing. What is none of
that is no number, unparsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import Any, Final
from unicodedata import decimal

import phonenumbers
from phonenumbers import phonenumberutil

# Without any of these all of the digits are the number: no extension, and no plus, after which it
# may be of any country.
_PLAIN: Final = re.compile(r"[0-9 .()\[\]/-]*")
_PLUS: Final = re.compile("[+\uff0b]")
_WITH_PLUS: Final = re.compile(r"[(\[ ]*[+\uff0b][0-9 .()\[\]/-]*")
_ANY: Final = re.compile("[0-9]*")
_LONGEST_COUNTRY_CODE: Final = 3
_GROUPS: Final = re.compile("[0-9]+")
_SUFFIXES: Final = ("\\1", "\\2")  # rules of prefixes after which the number is still the end
_TYPES: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
_REMEMBERED: Final = 20_000
_FEWEST: Final = 4  # digits of a number that is valid anywhere: a fact of the metadata
_library: Final[Any] = phonenumberutil  # how it chooses among formats is not public
_metadata_of_code: Final[Any] = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code
_metadata_of: Final[Any] = phonenumbers.PhoneMetadata.metadata_for_region


class Shapes:
    """The numbers of some regions, as their inhabitants write them."""

    def __init__(self, regions: Iterable[str]) -> None:
        self._shapes = {region: _Shape(region) for region in regions}
        self._all = frozenset(self._shapes)
        self._possible = lru_cache(_REMEMBERED)(self._possible_regions)

    def regions(self, piece: str) -> frozenset[str]:
        """Return the regions in which a piece of a text, as a whole, may be a valid number."""
        if not piece.isascii():
            piece = "".join(str(decimal(sign, sign)) for sign in piece)
        groups = _GROUPS.findall(piece)
        if _PLUS.search(piece):
            return self._all if self._may_be_abroad(piece, groups) else frozenset()
        if _PLAIN.fullmatch(piece):
            return self._possible("".join(groups))
        # What comes last may be an extension.
        found = (self._possible(digits) for digits in accumulate(groups))
        return frozenset().union(*found)

    @staticmethod
    def _may_be_abroad(piece: str, groups: list[str]) -> bool:
        """Say whether a piece with a plus may be a number; it is the same in each region."""
        if not _WITH_PLUS.fullmatch(piece):
            return True  # the plus stands elsewhere, or there may be an extension
        return _is_abroad("".join(groups)) is not False

    def _possible_regions(self, digits: str) -> frozenset[str]:
        if len(digits) < _FEWEST:
            return frozenset()
        return frozenset(region for region, shape in self._shapes.items() if shape.may_be(digits))


class _Shape:
    """The numbers of one region."""

    def __init__(self, region: str) -> None:
        own = _metadata_of(region)
        rule = own and own.national_prefix_transform_rule
        # Otherwise numbers are rewritten before they are looked at.
        self._is_known = own is not None and (not rule or rule in _SUFFIXES)
        if not self._is_known:
            return
        number = _number(own.country_code)
        self._number = re.compile(number)
        self._with_prefix = re.compile(rf"[0-9]*{number}" if rule else f"{_before(own)}{number}")
        self._abroad = re.compile(own.international_prefix or "(?!)")
        self._country_code = own.country_code

    def may_be(self, digits: str) -> bool:
        """Say whether these digits may be a number, with all that is dialled before it."""
        if not self._is_known:
            return True
        abroad = self._abroad.match(digits)
        if abroad and digits[abroad.end() : abroad.end() + 1] != "0":
            return bool(_is_abroad(digits[abroad.end() :]))
        if self._with_prefix.fullmatch(digits):
            return True
        return bool(self._number.fullmatch(digits)) and not self._needs_prefix(digits)

    def _needs_prefix(self, digits: str) -> bool:
        """Say whether a number without any prefix would be valid only with it."""
        main = _metadata_of(phonenumbers.region_code_for_country_code(self._country_code))
        if main is None:
            return False
        chosen = _library._choose_formatting_pattern_for_number(main.number_format, digits)
        if chosen is None or not chosen.national_prefix_formatting_rule:
            return False
        if chosen.national_prefix_optional_when_formatting:
            return False
        if _library._formatting_rule_has_first_group_only(chosen.national_prefix_formatting_rule):
            return False
        return not re.match(main.national_prefix_for_parsing or "", digits)


def _is_abroad(digits: str) -> bool | None:
    """Say whether digits are a country's code and a number of it; `None` if the code is of none."""
    for length in range(1, min(_LONGEST_COUNTRY_CODE, len(digits)) + 1):
        number = _number_abroad(int(digits[:length]))
        if number is not None:
            return number.fullmatch(digits, length) is not None
    return None


@cache
def _number_abroad(country_code: int) -> re.Pattern[str] | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code)
    if regions is None:
        return None
    main = _metadata_of_code(country_code, regions[0])
    if main is None or main.national_prefix_transform_rule:
        return _ANY
    prefix = main.national_prefix_for_parsing
    before = f"(?:{prefix}){{0,2}}" if prefix else ""
    return re.compile(before + _number(country_code))


def _number(country_code: int) -> str:
    """Return the expression of the numbers of all regions that share a country's code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[country_code]
    told = (_patterns(_metadata_of_code(country_code, region)) for region in regions)
    return f"(?:{'|'.join(dict.fromkeys(chain.from_iterable(told)))})"


def _before(metadata: Any) -> str:
    """Return what may stand before a number; the library takes a national prefix away twice."""
    prefix = metadata.national_prefix_for_parsing
    if not prefix:
        return f"{metadata.country_code}"
    return f"(?:{metadata.country_code}(?:{prefix}){{0,2}}|(?:{prefix}){{1,2}})"


def _patterns(metadata: Any) -> list[str]:
    if metadata is None:
        return ["[0-9]+"]
    kinds = (getattr(metadata, name) for name in _TYPES)
    found = [kind.national_number_pattern for kind in kinds if kind is not None]
    return [f"(?:{pattern})" for pattern in found if pattern and pattern != "NA"]
