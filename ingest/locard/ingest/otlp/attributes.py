"""The attributes of one record: taken by the meaning that one of several names has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from locard.ingest.elements import affords_json
from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.ingest.otlp.holdable import DEEPEST, holdable
from locard.ingest.otlp.json_members import whole
from locard.ingest.otlp.records import Attributes
from locard.schema import JsonError
from locard.schema.json_rules import MAX_INT

_MOST_STEPS: Final = 12  # in a name such as `llm.input_messages.0.message.role`
_INDEX: Final = re.compile(r"[0-9]{1,6}")
_NOTHING: Final = object()


class Reader:
    """Attributes of which each is counted as read once it was taken.

    What was not in the form that its convention gives is noted, and stays with what is left.
    """

    def __init__(self, attributes: Mapping[str, Any], nonconformant: Iterable[str] = ()) -> None:
        self._left = dict(attributes)
        self.nonconformant: dict[str, None] = dict.fromkeys(nonconformant)
        self._kept: Attributes = {}
        self._has_lists: bool | None = None  # once it was asked for

    def has(self, *names: str) -> bool:
        """Say whether one of these is still there and has a value."""
        left = self._left
        return not left.keys().isdisjoint(names) and any(left.get(n) is not None for n in names)

    def look(self, name: str) -> Any:
        """Return an attribute without taking it."""
        return self._left.get(name)

    def take(self, *names: str) -> tuple[str, Any] | None:
        """Take the first of these that has a value: its name and its value."""
        left = self._left
        for name in names:
            if name in left and left[name] is not None:
                return name, left.pop(name)
        return None

    def take_all(self, names: Iterable[str]) -> list[tuple[str, Any]]:
        """Take all of these that have a value."""
        left = self._left
        if left.keys().isdisjoint(names):
            return []
        present = [name for name in names if left.get(name) is not None]
        return [(name, left.pop(name)) for name in present]

    def text(self, *names: str) -> str | None:
        """Take a text that is not empty. A number or truth value counts as its text."""
        if self._left.keys().isdisjoint(names):  # as most are
            return None
        for name in names:
            found = self._left.get(name)
            if found is None or found == "":
                continue
            if isinstance(found, str):
                del self._left[name]
                return found
            if isinstance(found, int | float):
                self.flag(name, self._left.pop(name))
                return f"{found}".lower() if isinstance(found, bool) else f"{found}"
            self.nonconformant[name] = None
        return None

    def count(self, *names: str) -> int | None:
        """Take a number of things. One that is written as text or as a float counts as well."""
        if self._left.keys().isdisjoint(names):
            return None
        for name in names:
            found = self._left.get(name, _NOTHING)
            if found is _NOTHING or found is None:
                continue
            value = whole(found)
            if value is None or not 0 <= value <= MAX_INT:
                self.nonconformant[name] = None
                continue
            del self._left[name]
            if type(found) is not int:
                self.flag(name, found)
            return value
        return None

    def value(self, *names: str) -> tuple[str, Any] | None:
        """Take the first of these, an object or a list also where it is JSON text."""
        found = self.take(*names)
        if found is None:
            return None
        return found[0], self.parsed(*found)

    def parsed(self, name: str, value: Any) -> Any:
        """Return what JSON text holds where that is an object or a list, else the value."""
        read, numbers = structured(value)
        if numbers:
            self.flag(name, value)
        return read

    def has_lists(self) -> bool:
        """Say whether there may be something for `indexed`."""
        if self._has_lists is None:
            self._has_lists = any(".0" in name for name in self._left)
        return self._has_lists

    def indexed(self, prefix: str) -> list[Any]:
        """Take `prefix.0.a`, `prefix.0.b.1.c` … as the list of objects that they are."""
        dotted = prefix + "."
        names = [name for name in self._left if name.startswith(dotted)]
        tree: dict[str, Any] = {}
        for name in names:
            steps = name[len(dotted) :].split(".")
            if not _INDEX.fullmatch(steps[0]) or len(steps) > _MOST_STEPS:
                continue
            if _plant(tree, steps, self._left[name]):
                del self._left[name]
        found = _lists(tree)
        return found if isinstance(found, list) else []

    def group(self, prefix: str) -> Attributes:
        """Take every attribute whose name begins so, by the rest of its name."""
        names = [name for name in self._left if name.startswith(prefix)]
        return {name[len(prefix) :]: self._left.pop(name) for name in names}

    def flag(self, name: str, raw: Any = _NOTHING) -> None:
        """Note that an attribute is not in its form, and keep it as it came."""
        self.nonconformant[name] = None
        if raw is not _NOTHING:
            self._kept[name] = raw

    def keep(self, name: str, raw: Any) -> None:
        """Keep an attribute as it came although it was taken."""
        self._kept[name] = raw

    def rest(self) -> Attributes:
        """Return what nobody took, and what is kept as it came."""
        return self._left | self._kept


def structured(value: Any) -> tuple[Any, int]:
    """Return the object or list that JSON text holds, and how many numbers became text; else it.

    It stays text as well where its request may not become as much as it holds.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value, 0
    data = value.encode("utf-8", "surrogatepass")
    if not affords_json(data):
        return value, 0
    try:
        read, numbers = parse_json_keeping_numbers(data)
    except JsonError:
        return value, 0
    if value.count("[") + value.count("{") > DEEPEST:  # else it cannot be nested too deep
        read, is_replaced = holdable(read)
        numbers += is_replaced
    return read, numbers


def first_text(attributes: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of these that is a text and not empty, or a number as text."""
    for name in names:
        found = attributes.get(name)
        if found is None or found == "":
            continue
        if isinstance(found, str):
            return found
        if isinstance(found, int | float) and math.isfinite(found):
            return f"{found}"
    return None


def _plant(tree: dict[str, Any], steps: list[str], value: Any) -> bool:
    """Put a value where the steps lead; false where another value stands in the way."""
    for step in steps[:-1]:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            return False
    if steps[-1] in tree:
        return False
    tree[steps[-1]] = value
    return True


def _lists(tree: Any) -> Any:
    """Return a tree in which objects whose keys are all numbers are lists in their order."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(_INDEX.fullmatch(key) for key in tree):
        return [_lists(tree[key]) for key in sorted(tree, key=int)]
    return {key: _lists(item) for key, item in tree.items()}
