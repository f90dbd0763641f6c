"""One event in full, for reading: a line for each field, structures as outlines. Pure, and inert.

Nothing is left out and nothing cut. Text that could be mistaken for something else (a number, an
empty value) stands in quotes; every line of a longer text has a bar before it, so that none can
pass for a field or for another event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from locard.query.inert import lines, one_line
from locard.query.layout import padded, width_of
from locard.query.values import plain

JSON_COLUMNS: Final = frozenset(
    {"absent", "arguments", "attributes", "content", "drops", "extensions", "history", "messages"}
    | {"evidence", "parameters", "redaction", "result", "targets", "tool_definitions"}
)
"""Columns that hold JSON text; what others hold is text as it came."""

_STEP: Final = "  "
_BAR: Final = "│ "
_NAME: Final = re.compile(r"[\w$./@+-]{1,80}")


def details(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that tell an event's fields.

    Args:
        fields: columns of the view `events` by name, those of a newer version included.
    """
    widest = max(map(width_of, map(one_line, fields)), default=0)
    for name, value in fields.items():
        value = _parsed(name, value)
        told = list(_outline(value))
        if len(told) == 1 and not _is_structure(value):
            yield f"{padded(one_line(name), widest)}{_STEP}{told[0]}"
        else:
            yield one_line(name)
            yield from (_STEP + line for line in told)


def _parsed(name: str, value: Any) -> Any:
    if name in JSON_COLUMNS and isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return plain(value)


def _outline(value: Any) -> Iterator[str]:
    """Yield a JSON value line by line, what lies deeper indented."""
    match value:
        case str():
            yield from _text(value)
        case dict() if value:
            for key, item in value.items():
                name = str(key)
                shown = name if _NAME.fullmatch(name) else one_line(_quoted(name))
                yield from _member(f"{shown}:", item)
        case list() if value:
            for item in value:
                yield from _member("-", item)
        case _:
            yield one_line(json.dumps(value, ensure_ascii=False))


def _member(title: str, value: Any) -> Iterator[str]:
    told = list(_outline(value))
    if len(told) == 1 and not _is_structure(value):
        yield f"{title} {told[0]}"
        return
    yield title
    yield from (_STEP + line for line in told)


def _text(text: str) -> Iterator[str]:
    told = lines(text)
    if len(told) > 1:
        yield from (_BAR + line for line in told)
    elif _is_plain(text):
        yield told[0]
    else:
        yield one_line(_quoted(text))


def _is_structure(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    """Tell whether nobody could take the text for another value, or for part of an outline."""
    if not text or text != text.strip() or text[0] in '"[{-│' or text.endswith(":"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False
