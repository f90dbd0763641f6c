"""Keys that say by themselves what their value is, whatever the value looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from locard.redaction.names.dates import BIRTH_WORDS
from locard.redaction.names.decoding import Entity

_SCORE: Final = 0.85
_LONGEST: Final = 80  # characters; what is longer is not the one value that the key names
_MOST_WORDS: Final = 6
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "PER": (
        *("first name", "last name", "full name", "given name", "family name", "middle name"),
        *("surname", "forename", "firstname", "lastname", "fullname", "maiden name"),
        *("customer name", "passenger name", "patient name", "contact name", "guest name"),
        *("employee name", "recipient name", "sender name", "holder name", "account holder"),
        *("card holder", "cardholder", "cardholder name"),
    ),
    "LOC": ("city", "town", "hometown", "birthplace", "place of birth"),
    "ADDR": (
        *("address1", "address2", "address 1", "address 2", "line1", "line2"),
        *("address line1", "address line2", "address line 1", "address line 2"),
        *("street", "street address", "home address", "billing address", "shipping address"),
        *("postal address", "mailing address", "delivery address"),
    ),
    "ZIP": ("zip", "zip code", "zipcode", "postcode", "post code", "postal code"),
}
_KIND_OF_KEY: Final = {tuple(key.split()): kind for kind, keys in _KEYS.items() for key in keys}
_LONGEST_KEY: Final = max(map(len, _KIND_OF_KEY))
KEY_WORDS: Final = frozenset(word for key in _KIND_OF_KEY for word in key) | BIRTH_WORDS
"""A key without any of these does not say by itself what its value is."""

_NEEDS: Final = {"PER": str.isalpha, "LOC": str.isalpha, "ADDR": str.isalnum, "ZIP": str.isdigit}


def value_of_key(text: str, context: Sequence[str]) -> Entity | None:
    """Return the whole text as an entity, where its key says what it is."""
    if not context or len(text) > _LONGEST or len(text.split()) > _MOST_WORDS:
        return None
    kind = kind_of_key(context)
    value = text.strip()
    if kind is None or not any(map(_NEEDS[kind], value)) or _is_code(value):
        return None
    start = text.index(value)
    return Entity(start, start + len(value), kind, _SCORE)


def kind_of_key(context: Sequence[str]) -> str | None:
    """Return what the value of a key with these last words must be, or `None`."""
    for size in range(min(_LONGEST_KEY, len(context)), 0, -1):
        kind = _KIND_OF_KEY.get(tuple(context[-size:]))
        if kind is not None:
            return kind
    return None


def _is_code(value: str) -> bool:
    """Say whether this is a name in a program or an empty value, and nobody's."""
    return "_" in value or value.lower() in (
        "null",
        "none",
        "true",
        "false",
        "unknown",
        "n/a",
        "na",
    )
