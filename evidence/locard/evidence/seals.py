"""The seal of an event: its digest, made by the first Locard process that holds it. Pure.

The digest covers the core of the event as it is, and its content through commitments:

    SHA-256(RFC 8785({"commitments": {field: …}, "core": {field: …}, "format": "locard-event/1"}))

The core is one flat object, the fields of the body among them, without fields at their default and
without what later hops add; its times have six digits of a second. `absent` counts only for fields
that have no value here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from locard.evidence.commitments import commitment, from_hex, new_seed, salt_of
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    STAMPED_LATER,
    CanonicalError,
    Event,
    EventCore,
    JsonValue,
    Seal,
    canonical_bytes,
    content_fields,
    event_object,
)

EVENT_FORMAT: Final = "locard-event/1"
_TIMES: Final = ("occurred_at", "observed_at")
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event taken apart: what its seal is made of.

    Args:
        core: what is not content, as the digest covers it.
        values: RFC 8785 bytes of each content field that has a value.
    """

    core: dict[str, Any] = field(repr=False)
    values: dict[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any], stamped: Collection[str] = ()) -> Sealed:
        """Take apart the JSON object of an event.

        Args:
            event: as `event_object` makes it.
            stamped: fields that a collector added.
        """
        names = content_names(event["kind"])
        whole = {**event, **event["body"]}
        del whole["body"]
        values = {name: canonical_bytes(whole.pop(name)) for name in names & whole.keys()}
        core = {
            name: value
            for name, value in whole.items()
            if name not in STAMPED_LATER and name not in stamped
        }
        for name in _TIMES:
            core[name] = _with_microseconds(core[name])
        if absent := core.get("absent"):
            core["absent"] = {name: why for name, why in absent.items() if name not in values}
            if not core["absent"]:
                del core["absent"]
        return cls(core, values)

    def commitments(self, seed: bytes) -> dict[str, str]:
        """Return the commitment to each value under the salts of a seed."""
        return {
            name: commitment(salt_of(seed, name), name, value).hex()
            for name, value in self.values.items()
        }

    def digest(self, commitments: Mapping[str, str]) -> bytes:
        """Return the digest of the event with these commitments."""
        told: dict[str, JsonValue] = {
            "commitments": dict(commitments),
            "core": self.core,
            "format": EVENT_FORMAT,
        }
        return sha256(canonical_bytes(told)).digest()


def sealed_json(event: Event, value: bytes, added: Mapping[str, str] = _NOTHING) -> bytes:
    """Return the JSON of an event that has no seal with one in it.

    Args:
        value: the event as JSON.
        added: fields of the core that stand in the JSON and not in `event`.
    """
    seal = new_seal({**event_object(event), **added})
    return b'%b,"seal":%b}' % (value[:-1], seal.model_dump_json(exclude_defaults=True).encode())


def new_seal(event: Mapping[str, Any]) -> Seal:
    """Return a seal of the event, a JSON object as `event_object` makes it, with a new seed."""
    seed = new_seed()
    parts = Sealed.of(event)
    return Seal(seed=seed.hex(), digest=parts.digest(parts.commitments(seed)).hex())


def is_intact(seal: Seal, parts: Sealed, commitments: Mapping[str, str]) -> bool:
    """Say whether an event is what its seal says."""
    try:
        return parts.digest(commitments) == from_hex(seal.digest)
    except (CanonicalError, ValueError):
        return False


def _with_microseconds(moment: str) -> str:
    """Return a time as RFC 3339 with the six digits of a second that JSON leaves out."""
    return moment if "." in moment else f"{moment[:-1]}.000000Z"


@lru_cache(maxsize=64)
def content_names(kind: str) -> frozenset[str]:
    """Return the names of the content fields of a kind; they clash with no other field's."""
    body = EVENT_TYPE_OF_KIND[kind].body_type()
    return frozenset((*content_fields(EventCore), *content_fields(body)))
