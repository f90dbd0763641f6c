"""What an agent hands over, as plain JSON values: read without running code of the agent's.

Read is what holds its items already: the built-in containers, data classes, models of pydantic,
arrays of numpy. Anything else (an iterator, a stream, an open file, a lazy proxy) is told by its
type, `{"$type": "generator"}`: reading it would use it up, or run code that may block or never end.
So is what is too large or a member of itself, with its size and, if there is room, its beginning:
`{"$type": "str", "characters": 90000000, "beginning": "…"}`.

Code of the agent's runs in two places, since nothing else knows what its author wants told: the
text of an exception, and serializers that a model of pydantic defines. What they raise ends here.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from types import MemberDescriptorType, NoneType
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from locard.ingest.bounded import MOST_LEVELS, json_text
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.recorder.harmless import is_of_the_agent, type_name
from locard.ingest.recorder.plain_flat import (
    CHARACTERS_OF_ITEM,
    UNCHANGED,
    are_numbers,
    flat_copy,
)
from locard.ingest.recorder.plain_leaves import LEAVES, LEAVES_OF_DERIVED

TYPE: Final = "$type"
MOST_CHARACTERS: Final = LARGEST_RECORD
MOST_ITEMS: Final = 250_000  # a tenth of a second
_BEGINNING: Final = 1024 * 1024  # characters of a text that there is no room for
_LONGEST_KEY: Final = 10_000
_TRIES: Final = 5  # to copy a collection that another thread changes

_mro: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__

Reading: TypeAlias = Callable[["Reader", Any, int], Any]


class Reader:
    """Reads what belongs to one event, as far as there is room for it.

    Args:
        characters: of all texts together.
    """

    __slots__ = ("_around", "_items", "_most", "characters", "cut")

    def __init__(self, characters: int = MOST_CHARACTERS) -> None:
        self._most = self.characters = characters
        self.cut = 0
        """How many values were cut for their size."""
        self._items = MOST_ITEMS
        self._around: set[int] = set()  # the containers that are being read

    @property
    def size(self) -> int:
        """Roughly how many characters the JSON of what was read has."""
        return self._most - self.characters + CHARACTERS_OF_ITEM * (MOST_ITEMS - self._items)

    def value(self, value: Any, level: int = 0) -> Any:
        """Return a value as plain JSON values, which have nothing in common with it."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind in UNCHANGED:
            return value
        if kind is dict:
            flat = flat_copy(value, self.characters, levels=0)
            if flat is not None:
                self.characters -= flat[1]
                return flat[0]
        try:
            told = _reading(kind)(self, value, level)
            if level == MOST_LEVELS and isinstance(told, dict | list):
                return self.text(json_text(told))
            return told
        except MemoryError:
            raise
        except BaseException as error:
            if is_of_the_agent(error):
                raise
            return {TYPE: type_name(kind), "error": type_name(type(error))}

    def text(self, value: str, kind: str = "str") -> Any:
        """Return a text, or its beginning where there is no room for all of it."""
        length = len(value)
        if length <= self.characters:
            self.characters -= length
            return value
        self.cut += 1
        beginning = value[: max(min(_BEGINNING, self.characters), 0)]
        self.characters -= len(beginning)
        return {TYPE: kind, "characters": length, "beginning": beginning}

    def members(
        self,
        value: Any,
        level: int,
        items: Callable[[Any], Iterable[tuple[Any, Any]]] = dict.items,
        length: Callable[[Any], int] = dict.__len__,
    ) -> Any:
        """Return an object; keys that are no texts come last, under names that no other has."""
        if self._is_closed(value, level):
            return self.too_large(value, length(value), None)
        copied, count = self._copied(value, items, length)
        found: dict[str, Any] = {}
        odd: list[tuple[Any, Any]] = []
        self._around.add(id(value))
        try:
            for key, item in copied:
                if self.characters <= 0:
                    break
                if type(key) is not str or len(key) > _LONGEST_KEY:
                    odd.append((key, item))
                else:
                    self.characters -= len(key)
                    found[key] = self.value(item, level + 1)
            for key, item in odd:
                if self.characters <= 0:
                    break
                found[_free(self._key(key, level), found)] = self.value(item, level + 1)
        finally:
            self._around.discard(id(value))
        return found if len(found) == count else self.too_large(value, count, found)

    def entries(
        self,
        value: Any,
        level: int,
        items: Callable[[Any], Iterable[Any]] = list.__iter__,
        length: Callable[[Any], int] = list.__len__,
    ) -> Any:
        """Return a list."""
        if self._is_closed(value, level):
            return self.too_large(value, length(value), None)
        copied, count = self._copied(value, items, length)
        found: list[Any] = []
        if are_numbers(copied):
            found = copied
        else:
            self._around.add(id(value))
            try:
                for item in copied:
                    if self.characters <= 0:
                        break
                    found.append(self.value(item, level + 1))
            finally:
                self._around.discard(id(value))
        return found if len(found) == count else self.too_large(value, count, found)

    def data_class(self, value: Any, level: int) -> Any:
        """Return the fields as they are stored, whatever the class does when they are asked for."""
        kind: Any = type(value)
        fields = kind.__dataclass_fields__
        try:
            own = object.__getattribute__(value, "__dict__")
        except AttributeError:  # it has slots
            own = {}
        stored = {name: own[name] for name in fields if name in own}
        for base in _mro(kind):
            for name, member in vars(base).items():
                if type(member) is MemberDescriptorType and name in fields.keys() - stored.keys():
                    stored[name] = member.__get__(value)
        return self.members(value, level, lambda _: stored.items(), lambda _: len(stored))

    def model(self, value: Any, level: int) -> Any:
        """Return what a model of pydantic says of itself; an iterator in it stays one."""
        told = type(value).__pydantic_serializer__.to_python(value, warnings=False)
        return self.value(told, level)

    def too_large(self, value: Any, length: int, beginning: Any) -> dict[str, Any]:
        """Return a container of which not all items are told."""
        self.cut += 1
        told = {TYPE: type_name(type(value)), "items": length}
        return {**told, "beginning": beginning} if beginning else told

    def has_room_for(self, items: int) -> bool:
        """Say whether so many items of one container can be read."""
        return items <= self._items

    def unread(self, value: Any, _: int) -> Any:
        """Return the type of what is not read."""
        return {TYPE: type_name(type(value))}

    def _is_closed(self, container: Any, level: int) -> bool:
        """Say whether a container is not read: it is its own member, or too deep."""
        return id(container) in self._around or level >= 2 * MOST_LEVELS

    def _copied(
        self,
        value: Any,
        items: Callable[[Any], Iterable[Any]],
        length: Callable[[Any], int],
    ) -> tuple[list[Any], int]:
        """Return the items that there is room for, all of one moment, and how many there are.

        Raises:
            RuntimeError: other threads change it all the time.
        """
        for left in reversed(range(_TRIES)):
            count = length(value)
            try:
                if count <= self._items:
                    copied = list(items(value))
                    count = len(copied)
                else:
                    copied = list(islice(items(value), self._items))
            except RuntimeError:
                if not left:
                    raise
            else:
                break
        self._items -= len(copied)
        return copied, count

    def _key(self, key: Any, level: int) -> str:
        told = self.value(key, level + 1)
        if type(told) is list and type(key) is tuple:
            told = ",".join(map(str, told))
        if type(told) in (int, float, bool, NoneType):
            told = str(told)
        if type(told) is not str:
            return type_name(type(key))
        self.cut += len(told) > _LONGEST_KEY
        return told[:_LONGEST_KEY]


def _reading(kind: type) -> Reading:
    """Return how objects of a type are read; their type alone decides, which none can feign."""
    found = _READINGS.get(kind)
    if found is not None:
        return found
    bases = _mro(kind)
    for base in bases:
        if base in _READINGS_OF_DERIVED:
            return _READINGS_OF_DERIVED[base]
    if any("__dataclass_fields__" in vars(base) for base in bases):
        return Reader.data_class
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and not {numpy.ndarray, numpy.generic}.isdisjoint(bases):
        return partial(_of_numpy, numpy)
    return Reader.unread


def _of_numpy(numpy: Any, reader: Reader, value: Any, level: int) -> Any:
    """Return what an array or a number of numpy holds."""
    if not issubclass(type(value), numpy.ndarray):
        return reader.value(numpy.generic.item(value), level + 1)
    size = numpy.ndarray.size.__get__(value)
    if not reader.has_room_for(size):
        return reader.too_large(value, size, None)
    return reader.value(numpy.ndarray.tolist(value), level)


def _free(name: str, taken: dict[str, Any]) -> str:
    """Return a name that is not taken: two keys of Python can have the same text."""
    if name not in taken:
        return name
    number = len(taken)
    while f"{name}'{number}" in taken:
        number += 1
    return f"{name}'{number}"


_VIEWS: Final[tuple[Any, ...]] = (type({}.keys()), type({}.values()), type({}.items()))
_LISTS: Final[tuple[Any, ...]] = (list, tuple, set, frozenset, deque)
_READINGS: Final[dict[type, Reading]] = {
    dict: Reader.members,
    list: Reader.entries,
    range: partial(Reader.entries, items=range.__iter__, length=range.__len__),
    **{view: partial(Reader.entries, items=view.__iter__, length=view.__len__) for view in _VIEWS},
    **LEAVES,
}
_READINGS_OF_DERIVED: Final[dict[type, Reading]] = {
    BaseModel: Reader.model,
    dict: Reader.members,
    **{base: partial(Reader.entries, items=base.__iter__, length=base.__len__) for base in _LISTS},
    **LEAVES_OF_DERIVED,
}
