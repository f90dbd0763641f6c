"""Which columns of the lake a leaf covers, and how; `docs/format.md`, section 3."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from locard.schema import EVENT_TYPE_OF_KIND, EventCore, content_fields
from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS

RECORDED: Final = frozenset({"ingested_at", "principal", "principal_verified"}).union(
    STORED_COLUMNS.names
)
"""What the consumer's record covers, or is evidence itself."""

CONTENT: Final = frozenset(content_fields(EventCore)).union(
    *(content_fields(event_type.body_type()) for event_type in EVENT_TYPE_OF_KIND.values())
)
"""What is covered through commitments."""

CORE: Final = {
    field.name: field.type
    for field in EVENT_COLUMNS
    if field.name not in CONTENT and field.name not in RECORDED
}
"""What the event's digest covers as it is, by name with its Arrow type."""

JSON_FORM: Final = frozenset(
    field.name
    for field in (*EVENT_COLUMNS, *STORED_COLUMNS)
    if (field.metadata or {}).get(b"form") == b"json"
)
"""What holds RFC 8785 text already."""

UNKNOWN_TO_LEAVES: Final = frozenset({"ingest_date"})
"""The partition, which is part of a file's path and not of its rows."""

FEW_VALUES: Final = frozenset(
    name for name, kind in CORE.items() if kind == "string" and name not in JSON_FORM
) - {"event_id", "call_id", "span_id", "response_id"}
"""Texts of the core that many rows share."""

_TYPES: Final = {field.name: field.type for field in (*EVENT_COLUMNS, *STORED_COLUMNS)}


def foreign_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that a reader would take for something else than what was sealed.

    How wide a number is, how a text is encoded and what UTC is called may differ, as writers do.
    """
    return [
        field.name
        for field in schema
        if field.name in _TYPES and _kind(field.type) != _kind(_TYPES[field.name])
    ]


def _kind(found: pa.DataType) -> str:
    if pa.types.is_dictionary(found):
        return _kind(found.value_type)
    if pa.types.is_string(found) or pa.types.is_large_string(found):
        return "text"
    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return f"list of {_kind(found.value_type)}"
    if pa.types.is_integer(found):
        return "integer"
    if pa.types.is_timestamp(found):
        return f"moment in {found.unit}" if found.tz else "time of day and date"
    return str(found)
