"""Which findings count as personal data, and from which score on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class RedactionPolicy:
    """Rules that choose among Presidio's findings.

    Args:
        name: stored with every event, so that a reader knows which rules applied.
        entity_types: Presidio entity types that are replaced.
        threshold: findings with a lower score (0 to 1, after context words were considered) stay.
    """

    name: str
    entity_types: frozenset[str]
    threshold: float


# URL and DATE_TIME are left out on purpose: an address that an agent was sent to and the day on
# which it acted are what an investigation is about. Person and place names need a language model,
# which the default engine does not have.
DEFAULT_POLICY: Final = RedactionPolicy(
    name="default/1",
    entity_types=frozenset(
        {
            "CREDIT_CARD",
            "CRYPTO",
            "EMAIL_ADDRESS",
            "IBAN_CODE",
            "IP_ADDRESS",
            "MAC_ADDRESS",
            "MEDICAL_LICENSE",
            "PHONE_NUMBER",
            "UK_NHS",
            "US_BANK_NUMBER",
            "US_DRIVER_LICENSE",
            "US_ITIN",
            "US_PASSPORT",
            "US_SSN",
        }
    ),
    threshold=0.4,
)
