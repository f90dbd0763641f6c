"""Normal forms: what makes two spellings of one value the same value. Pure.

A token is made of the normal form, so tokens of before and after a change of these rules differ.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Final

_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")
_NOT_DIGIT: Final = re.compile(r"\D+")
_BLANKS: Final = re.compile(r"\s+")
_LONGEST_PHONE: Final = 60  # characters; a longer one is not parsed
# Where a number without a country code may be from: the regions that Presidio looks in, in its
# order. The first in which it is a number decides, so that every spelling is read alike.
_REGIONS: Final = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")


def normal_form(entity_type: str, value: str) -> str:
    """Return the form in which two spellings of one value are equal."""
    value = unicodedata.normalize("NFKC", value).strip()
    return _FORMS.get(entity_type, _as_words)(value)


def _as_words(value: str) -> str:
    return _BLANKS.sub(" ", value).casefold()


def _without_separators(value: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", value).casefold()


def _as_wallet(value: str) -> str:
    """Base58 addresses differ by case; those of bech32 are written in one case or the other."""
    return value.lower() if value[:3].lower() == "bc1" else value


def _as_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.split("%")[0]))
    except ValueError:
        return value.casefold()


def _as_phone_number(value: str) -> str:
    """Return the number as ITU-T E.164 has it, or else its digits."""
    import phonenumbers  # only where there is a number: it takes long to import

    digits = _NOT_DIGIT.sub("", value)
    if len(value) > _LONGEST_PHONE:
        return digits
    for region in (None,) if value.startswith("+") else _REGIONS:
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            without_extension = phonenumbers.format_number(
                number, phonenumbers.PhoneNumberFormat.E164
            )
            extension = f";ext={number.extension}" if number.extension else ""
            return f"{without_extension}{extension}"
    return digits


_FORMS: Final[dict[str, Callable[[str], str]]] = {
    "CREDIT_CARD": _without_separators,
    "CRYPTO": _as_wallet,
    "IBAN_CODE": _without_separators,
    "IP_ADDRESS": _as_address,
    "MAC_ADDRESS": _without_separators,
    "MEDICAL_LICENSE": _without_separators,
    "PHONE_NUMBER": _as_phone_number,
    "UK_NHS": _without_separators,
    "US_BANK_NUMBER": _without_separators,
    "US_DRIVER_LICENSE": _without_separators,
    "US_ITIN": _without_separators,
    "US_PASSPORT": _without_separators,
    "US_SSN": _without_separators,
}
