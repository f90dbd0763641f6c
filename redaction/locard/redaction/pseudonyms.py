"""Keyed pseudonyms: the same value is the same token everywhere, and nobody can guess it back.

A token looks like `‹IBAN_CODE:k1:9f2c71d0a4b85e16›`: entity type, name of the key, and the first
64 bits of HMAC-SHA256 (RFC 2104) over type and normalised value. Without the key a list of all
possible values does not help; with it a responder can follow one account through all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from locard.schema import TOKEN_PATTERN

TOKEN: Final = re.compile(TOKEN_PATTERN)
"""Recognises a token in text; the groups are entity type, key id and digest."""

_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")
_NOT_DIGIT: Final = re.compile(r"\D+")
# Types whose values people write with spaces, dots or dashes that mean nothing.
_WRITTEN_WITH_SEPARATORS: Final = frozenset(
    {
        "CREDIT_CARD",
        "IBAN_CODE",
        "MAC_ADDRESS",
        "MEDICAL_LICENSE",
        "UK_NHS",
        "US_BANK_NUMBER",
        "US_DRIVER_LICENSE",
        "US_ITIN",
        "US_PASSPORT",
        "US_SSN",
    }
)
_CASE_MATTERS: Final = frozenset({"CRYPTO"})  # base58 wallet addresses differ by case


def normalised(entity_type: str, value: str) -> str:
    """Return the form in which two spellings of one value are equal."""
    value = unicodedata.normalize("NFKC", value).strip()
    if entity_type == "PHONE_NUMBER":
        return _NOT_DIGIT.sub("", value)
    if entity_type in _WRITTEN_WITH_SEPARATORS:
        value = _NOT_ALPHANUMERIC.sub("", value)
    return value if entity_type in _CASE_MATTERS else value.casefold()


@dataclass(frozen=True)
class Pseudonymizer:
    """Makes tokens under one key.

    Args:
        key_id: the key's name, `k` and a number; it stands in the token.
        key: at least 32 random bytes. Whoever has it can test guesses against tokens.
    """

    key_id: str
    key: bytes = field(repr=False)

    def token(self, entity_type: str, value: str) -> str:
        """Return the token of a value of this entity type."""
        message = f"{entity_type}\0{normalised(entity_type, value)}".encode(
            "utf-8", "surrogatepass"
        )
        digest = hmac.new(self.key, message, hashlib.sha256).hexdigest()[:16]
        return f"‹{entity_type}:{self.key_id}:{digest}›"
