"""Taking protobuf apart without knowing what it is: fields and their bytes, one level at a time.

For requests that do not parse as a whole, so that one broken string costs no more than itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from locard.ingest.elements import Elements
from locard.schema import RejectedRecord

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5
_FIXED_SIZES: Final = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT: Final = 10
_LARGEST_FIELD: Final = 2**29 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Args:
        value: its bytes; of a length-delimited one, what is inside.
        raw: the same with tag and length, as it stands in the message.
    """

    number: int
    wire_type: int
    value: bytes = field(repr=False)
    raw: bytes = field(repr=False)


def fields(data: bytes, elements: Elements) -> Iterator[Field]:
    """Yield the fields of a message in their order.

    Args:
        elements: what the request may still hold.

    Raises:
        RejectedRecord: the bytes are no protobuf message, or hold too much. Groups, which OTLP does
            not use, count as none.
    """
    position = 0
    while position < len(data):
        start = position
        elements.take()
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= _LARGEST_FIELD:
            raise broken()
        if wire_type == VARINT:
            begin, (_, position) = position, _varint(data, position)
        elif wire_type == LENGTH_DELIMITED:
            size, begin = _varint(data, position)
            position = begin + size
        elif wire_type in _FIXED_SIZES:
            begin, position = position, position + _FIXED_SIZES[wire_type]
        else:
            raise broken()
        if position > len(data):
            raise broken()
        yield Field(number, wire_type, data[begin:position], data[start:position])


def broken() -> RejectedRecord:
    """Return the error for bytes that are no protobuf message."""
    return RejectedRecord(
        "the bytes are no protobuf message of OTLP, or were cut off; send the message again",
        "bad_protobuf",
    )


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position
    raise broken()
