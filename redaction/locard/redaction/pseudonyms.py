"""Keyed pseudonyms: the same value is the same token everywhere, and nobody can guess it back.

A token looks like `‹IBAN_CODE:k1:9f2c71d0a4b85e16›`: entity type, name of the key, and the first
64 bits of HMAC-SHA256 (RFC 2104) over type and normalised value. Without the key a list of all
possible values does not help; with it a responder can follow one account through all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from locard.redaction.normal_forms import normal_form
from locard.schema import MARK_PATTERN, TOKEN_PATTERN

TOKEN: Final = re.compile(TOKEN_PATTERN)
"""Recognises a token in text; the groups are entity type, key id and digest."""

MARK: Final = re.compile(MARK_PATTERN)
"""Recognises the mark of what was masked or dropped; the groups are entity type and which."""


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
        message = f"{entity_type}\0{normal_form(entity_type, value)}".encode(
            "utf-8", "surrogatepass"
        )
        digest = hmac.new(self.key, message, hashlib.sha256).hexdigest()[:16]
        return f"‹{entity_type}:{self.key_id}:{digest}›"


def tokens_of(
    value: str,
    pseudonymizers: Iterable[Pseudonymizer],
    entity_types: Iterable[str],
) -> dict[str, str]:
    """Return every token that a value can have, each with its type and key, as `TYPE under kN`.

    Args:
        value: in any spelling.
        entity_types: those it may have been found as.
    """
    types = list(entity_types)
    return {
        one.token(entity_type, value): f"{entity_type} under {one.key_id}"
        for one in pseudonymizers
        for entity_type in types
    }
