"""The seal that an event carries from its first hop to the consumer; see `docs/format.md`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from locard.schema.content import Record

STAMPED_LATER: Final = frozenset({"ingested_at", "principal", "principal_verified", "seal"})
"""Fields that hops after the first one write: the seal does not cover them."""


class Seal(Record):
    """What the first Locard process that held an event says of it, before it was redacted.

    Args:
        seed: 16 random bytes, from which the salts of its content fields are derived; in hex, as
            `digest` is. It never reaches the lake.
        digest: SHA-256 over the core of the event and the commitments to its content.
        stamped: further fields that a collector has added since.
    """

    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", repr=False)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    stamped: tuple[str, ...] = ()
