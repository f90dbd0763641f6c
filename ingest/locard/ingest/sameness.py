"""When two messages say the same: the digests by which a conversation is recognised again. Pure.

Everything counts but who is trusted: role, name, parts, extensions, the reason to finish. Three
things are the same although they are written differently, since sources write both: JSON text in
the arguments of a call, or in the answer to one, and the value that it holds; the numbers `1` and
`1.0`, which are one in JSON; and an empty text beside other parts, and none.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as _quote  # the escapes of RFC 8785
from typing import Any, Final, NamedTuple

from locard.schema import CanonicalError, JsonError, JsonValue, canonical_bytes, parse_json

Message = Mapping[str, Any]
"""A message in the form of the schema: `role`, `parts`, perhaps `name` and `extensions`."""

_DIGEST_BYTES: Final = 16
START: Final = bytes(_DIGEST_BYTES)
"""The chain of a conversation in which nothing was said yet."""

_OPTIONAL: Final = ("extensions", "finish_reason")
_JSON_TEXT: Final = ("arguments", "response")
# Fifteen digits are kept by every double (IEEE 754-2019, 5.12.2), unless it is very large or small.
_PERHAPS_ROUNDED: Final = re.compile(r"[0-9][0-9.]{15}|[0-9][eE]")
_UNWRITABLE: Final = "\ud800"  # half of a surrogate pair, which makes a whole message unwritable


class Mark(NamedTuple):
    """What a message is recognised by, and how many bytes it has as JSON."""

    digest: bytes
    size: int


class MarkedMessage(dict[str, Any]):
    """A message that is told again and again, with its mark. It must not be changed."""

    __slots__ = ("mark",)

    mark: Mark


def marked(message: Message) -> MarkedMessage:
    """Return a message with its mark."""
    with_mark = MarkedMessage(message)
    with_mark.mark = mark_of(message)
    return with_mark


def mark_of(message: Message) -> Mark:
    """Return what a message is recognised by; what has no canonical form is like nothing else."""
    if type(message) is MarkedMessage:
        return message.mark
    return _mark(message, _OPTIONAL, [_written_part(part) for part in _parts(message)])


def message_digest(message: Message) -> bytes:
    """Return a digest of what a message says."""
    return mark_of(message).digest


def repeated_digests(message: Message) -> Iterator[bytes]:
    """Yield the digests of what a prompt may repeat of an output: all of it first, then less.

    Sources leave out the reasoning, the provider's own fields and the reason to finish when they
    send it back. A prompt that says more, or something else, has none of these digests.
    """
    parts = _parts(message)
    texts = [_written_part(part) for part in parts]
    pairs = zip(parts, texts, strict=True)
    spoken = [text for part, text in pairs if part.get("type") != "reasoning"]
    for kept in _subsets([name for name in _OPTIONAL if message.get(name)]):
        yield _mark(message, kept, texts).digest
        if len(spoken) < len(texts):
            yield _mark(message, kept, spoken).digest


def chains(digests: Sequence[bytes]) -> list[bytes]:
    """Return a digest of each beginning of a conversation, from one message to all of them."""
    chain, found = START, []
    for digest in digests:
        chain = link(chain, digest)
        found.append(chain)
    return found


def link(chain: bytes, digest: bytes) -> bytes:
    """Return the chain of a conversation and one more message."""
    return _digest(chain + digest)


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield all of these names first, then every selection with fewer."""
    for bits in reversed(range(2 ** len(names))):
        yield tuple(name for place, name in enumerate(names) if bits >> place & 1)


def _mark(message: Message, optional: Sequence[str], parts: Sequence[str]) -> Mark:
    """Return the mark of what a message says with these parts and, of `_OPTIONAL`, these fields."""
    members = [f'"parts":[{",".join(parts)}]']
    try:
        members += [
            f"{_quote(name)}:{_written(message[name])}"
            for name in sorted(message)
            if name != "parts" and (name not in _OPTIONAL or (name in optional and message[name]))
        ]
        data = f"{{{','.join(members)}}}".encode()
    except (UnicodeEncodeError, TypeError):  # it is refused later, as an event
        return Mark(secrets.token_bytes(_DIGEST_BYTES), 0)
    return Mark(_digest(data), len(data))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _written(value: JsonValue) -> str:
    """Return the canonical form of a value, `_UNWRITABLE` where it has none."""
    if type(value) is str:
        return _quote(value)
    try:
        return canonical_bytes(value).decode()
    except CanonicalError:
        return _UNWRITABLE


def _parts(message: Message) -> list[Mapping[str, Any]]:
    """Return the parts of a message, without empty texts beside others."""
    parts = message.get("parts") or ()
    return [part for part in parts if not _is_empty(part)] or list(parts)


def _is_empty(part: Mapping[str, Any]) -> bool:
    is_text = part.get("content") == "" and part.get("type") == "text"
    return is_text and len(part) == 2 + ("trust" in part)


def _written_part(part: Mapping[str, Any]) -> str:
    """Return a part in canonical form, without who is trusted; `_UNWRITABLE` where it has none."""
    try:
        members = [
            f"{_quote(name)}:{_written(_value(part[name]) if name in _JSON_TEXT else part[name])}"
            for name in sorted(part)
            if name != "trust"
        ]
    except TypeError:  # a name that is no text
        return _UNWRITABLE
    return f"{{{','.join(members)}}}"


def _value(value: JsonValue) -> JsonValue:
    """Return what JSON text in a call or an answer holds; text whose numbers a double rounds stays.

    Two such texts can hold one value here and still say different things to a reader.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        held = parse_json(value.encode())
        if _PERHAPS_ROUNDED.search(value):
            json.loads(value, parse_int=_exact, parse_float=_exact)
    except (JsonError, UnicodeEncodeError, _RoundedError):
        return value
    return held


class _RoundedError(Exception):
    """A number in JSON text is not the double that it is read as."""


def _exact(number: str) -> None:
    if Decimal(number) != Decimal(repr(float(number))):
        raise _RoundedError
