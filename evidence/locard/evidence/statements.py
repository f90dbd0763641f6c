"""Accounting statements: a collector's signed word about what it numbered and what it sent.

The bytes that are signed are the RFC 8785 form of an object with `format`, the fields of the event
that say whose statement it is (`collector_id`, `incarnation`, `seq`, `occurred_at`) and its `body`
without the signature. They hold no content, so redaction and erasure leave them whole.

A newer version may sign fields of the body that this one does not know. Reading an event moves
them to `extensions`; here they count as what they were, so that the signature holds. There they may
be redacted, though, and then it does not: such fields have to be numbers or names. A field that
this version does know counts only where it stands in the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from locard.evidence.signing import SigningKey, is_signature
from locard.schema import (
    AccountingBody,
    AccountingEvent,
    DeclaredDrop,
    JsonValue,
    canonical_bytes,
    event_object,
    validate_event,
)

STATEMENT_FORMAT: Final = "locard-accounting/1"
_SIGNED_FIELDS: Final = ("collector_id", "incarnation", "seq", "occurred_at")


def statement_bytes(event: AccountingEvent) -> bytes:
    """Return the bytes that a signature of this statement is about."""
    dumped = event_object(event)
    body = _with_newer_fields(dumped["body"], event.extensions)
    body.pop("signature", None)
    told: dict[str, Any] = {name: dumped.get(name) for name in _SIGNED_FIELDS}
    return canonical_bytes({"format": STATEMENT_FORMAT, **told, "body": body})


def statement_digest(event: AccountingEvent) -> str:
    """Return the SHA-256 of the signed bytes, in hex: what the next statement calls `previous`."""
    return hashlib.sha256(statement_bytes(event)).hexdigest()


def signed(event: AccountingEvent, key: SigningKey) -> AccountingEvent:
    """Return the statement with the key's id and signature."""
    named = _with_body(event, signing_key_id=key.key_id)
    return _with_body(named, signature=key.sign(statement_bytes(named)))


def is_signed(event: AccountingEvent) -> bool:
    """Say whether the signature is that of the key which the statement names.

    Whose key it is has to be known from elsewhere.
    """
    key_id, signature = event.body.signing_key_id, event.body.signature
    return bool(key_id and signature and is_signature(key_id, signature, statement_bytes(event)))


def _with_newer_fields(body: dict[str, Any], extensions: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return the body with the fields that this version does not know back in their places."""
    whole = {**body, **({"drops": [dict(d) for d in body["drops"]]} if "drops" in body else {})}
    for pointer, value in extensions.items():
        match [_unescaped(step) for step in pointer.split("/")]:
            case ["", "body", name] if name not in AccountingBody.model_fields:
                whole[name] = value
            case ["", "body", "drops", number, name] if name not in DeclaredDrop.model_fields:
                drops = whole.get("drops", [])
                if number.isdecimal() and int(number) < len(drops):
                    drops[int(number)][name] = value
    return whole


def _unescaped(step: str) -> str:
    """Return a step of a JSON Pointer (RFC 6901) as the name that it stands for."""
    return step.replace("~1", "/").replace("~0", "~")


def _with_body(event: AccountingEvent, **fields: str) -> AccountingEvent:
    dumped = event_object(event)
    dumped["body"] |= fields
    changed = validate_event(dumped)
    if not isinstance(changed, AccountingEvent):
        raise TypeError("a statement stays one")
    return changed
