"""What the footer of a Parquet file tells readers beside its rows: types and statistics.

Readers believe it. A wrong number of nulls makes DuckDB answer NULL for what is there, a wrong
greatest value makes it pass over rows, and neither changes a row. pyarrow ends the process over
some footers that are damaged, and reads types from a note of its own; so the footer is read here,
as the Parquet format has it (`parquet.thrift`, Thrift's compact protocol).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_MAGIC: Final = b"PAR1"
TRAILER_BYTES: Final = 8
"""At the end of a file: the length of its footer, and the magic."""

_TRUE, _FALSE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 7, 8, 9, 10, 12
_INTEGERS: Final = frozenset({3, 4, 5, 6})
_DEEPEST: Final = 32
_INT64, _BYTE_ARRAY = 2, 6
_PLAIN: Final[Mapping[Any, str]] = {0: "truth", 1: "integer", _INT64: "integer", 5: "fraction"}
_TEXTS: Final[tuple[Any, ...]] = ((0, {1: {}}), (0, None), (None, {1: {}}))  # UTF8 and STRING
_IN_UTC: Final = {8: {1: True, 2: {2: {}}}}  # TIMESTAMP, adjusted to UTC, in microseconds
_MOMENTS: Final[tuple[Any, ...]] = ((None, _IN_UTC), (10, _IN_UTC))


class BadFooter(ValueError):
    """The footer is not one."""


@dataclass(frozen=True)
class Chunk:
    """What is told of one column of one row group.

    Args:
        path: its names, from the outside in; one for what is no list.
        nulls: how many values are null; `None` where nothing is told.
        bounds: pairs of least and greatest value, as bytes; either may be `None`.
        has_index: whether there is a Bloom filter or an index of pages.
    """

    path: tuple[str, ...]
    nulls: int | None
    bounds: tuple[tuple[bytes | None, bytes | None], ...] = field(repr=False)
    has_index: bool


@dataclass(frozen=True)
class Footer:
    """A footer.

    Args:
        types: of each outermost column: `text`, `moment`, `truth`, `integer`, `fraction`, `list of`
            one of these, or `other`.
        groups: of each row group its chunks.
        rows: in all of them.
    """

    types: Mapping[str, str]
    groups: tuple[tuple[Chunk, ...], ...]
    rows: int


def footer_length(trailer: bytes) -> int:
    """Return how many bytes before the last eight of a file are its footer.

    Raises:
        BadFooter: the file does not end as one of Parquet does.
    """
    if len(trailer) != TRAILER_BYTES or trailer[4:] != _MAGIC:
        raise BadFooter("it does not end as a Parquet file does")
    (length,) = struct.unpack("<I", trailer[:4])
    return int(length)


def read_footer(file: Any) -> Footer:
    """Return what the footer of an open file (`pyarrow.NativeFile`) tells.

    Raises:
        BadFooter: it is damaged.
        OSError: the file cannot be read.
    """
    end = file.size() - TRAILER_BYTES
    if end < 0:
        raise BadFooter("it is too short for a Parquet file")
    length = footer_length(file.read_at(TRAILER_BYTES, end))
    if length > end:
        raise BadFooter("its footer is longer than it")
    return parse_footer(file.read_at(length, end - length))


def parse_footer(data: bytes) -> Footer:
    """Return what a footer tells.

    Raises:
        BadFooter: it is damaged.
    """
    try:
        told = _Reader(data).struct(0)
        elements = told[2][1:]
        groups = tuple(tuple(map(_chunk, group[1])) for group in told[4])
        types = dict(_types(elements))
        rows = sum(group[3] for group in told[4])
    except (KeyError, IndexError, TypeError, AttributeError, UnicodeDecodeError, struct.error) as e:
        raise BadFooter(f"its footer is damaged ({type(e).__name__})") from None
    if any(chunk.path[0] not in types for group in groups for chunk in group):
        raise BadFooter("its footer tells of a column that it does not have")
    return Footer(types, groups, rows)


def _chunk(told: Mapping[int, Any]) -> Chunk:
    about = told[3]
    statistics = about.get(12, {})
    pairs = tuple(
        (statistics.get(least), statistics.get(most))
        for least, most in ((6, 5), (2, 1))
        if least in statistics or most in statistics
    )
    has_index = bool({4, 6} & told.keys() or 14 in about)
    path = tuple(name.decode() for name in about[3])
    nulls = statistics.get(3)
    is_sound = isinstance(nulls, int | None) and all(
        isinstance(bound, bytes | None) for pair in pairs for bound in pair
    )
    if not (path and is_sound):
        raise BadFooter("its footer has something else in the place of a name or a statistic")
    return Chunk(path, nulls, pairs, has_index)


def _types(elements: Sequence[Mapping[int, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each outermost column with its type; of a list, what it is of."""
    at = 0
    while at < len(elements):
        name, depth = elements[at][4].decode(), 0
        while elements[at].get(5):
            at, depth = at + 1, depth + 1
        yield name, "list of " * bool(depth) + _type(elements[at])
        at += 1


def _type(element: Mapping[int, Any]) -> str:
    physical, told = element.get(1), (element.get(6), element.get(10))
    if physical == _BYTE_ARRAY and told in _TEXTS:
        return "text"
    if physical == _INT64 and told in _MOMENTS:
        return "moment"
    return _PLAIN.get(physical, "other") if told == (None, None) else "other"


class _Reader:
    """Thrift's compact protocol, as far as Parquet's footers use it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Return a struct's fields by number; one that comes twice is damage."""
        if depth > _DEEPEST:
            raise BadFooter("its footer is nested too deeply")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._zigzag()
            if number in found:
                raise BadFooter("its footer tells something twice")
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):  # within a list
            return self._byte() == _TRUE
        if kind in _INTEGERS:
            return self._byte() if kind == 3 else self._zigzag()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _DOUBLE:
            return struct.unpack("<d", self._bytes(8))[0]
        if kind in (_LIST, _SET):
            return self._list(depth + 1)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise BadFooter("its footer has a type that Parquet does not use")

    def _list(self, depth: int) -> list[Any]:
        if depth > _DEEPEST:
            raise BadFooter("its footer is nested too deeply")
        head = self._byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self._varint()
        if count > len(self._data):
            raise BadFooter("its footer has a list that is longer than it")
        return [self._value(kind, depth) for _ in range(count)]

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise BadFooter("its footer has a number that is too long")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise BadFooter("its footer ends too early")
        self._at += count
        return self._data[self._at - count : self._at]
