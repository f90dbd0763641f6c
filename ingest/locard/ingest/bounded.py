"""Values nested deeper than an event can hold: what is too deep is kept as its JSON text. Pure."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from locard.schema import MAX_DEPTH

_LEVELS_AROUND: Final = 10  # an event, its body, messages, a message, parts, a part, extensions, …
MOST_LEVELS: Final = MAX_DEPTH - _LEVELS_AROUND
"""How many objects and lists may be nested in each other in what becomes part of a message."""

_CONTAINERS: Final = (dict, list)


class _Written(NamedTuple):
    """A piece of JSON text that is finished."""

    text: str


def bounded(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Return a JSON value in which nothing is nested deeper than that.

    What is deeper is replaced by its JSON text; a value that is not is returned as it is.
    """
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(levels + 1):
        if not level:
            return value
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, _CONTAINERS)
        ]
    return _cut(value, levels)


def json_text(value: Any) -> str:
    """Return a JSON value as JSON text, however deep it is."""
    pieces: list[str] = []
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, _Written):
            pieces.append(item.text)
        elif isinstance(item, dict):
            members = [_Written("{")]
            for key, inner in item.items():
                comma = "," if len(members) > 1 else ""
                members += [_Written(f"{comma}{json.dumps(str(key))}:"), inner]
            pending += [_Written("}"), *reversed(members)]
        elif isinstance(item, list):
            entries: list[Any] = []
            for inner in item:
                entries += [_Written(","), inner]
            pending += [_Written("]"), *reversed(entries[1:]), _Written("[")]
        else:
            pieces.append(json.dumps(item, default=repr))
    return "".join(pieces)


def _cut(value: Any, levels: int) -> Any:
    """Return a value with what is below so many levels as text; these levels are few."""
    if isinstance(value, dict):
        if not levels:
            return json_text(value)
        return {key: _cut(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, levels - 1) for item in value] if levels else json_text(value)
    return value
