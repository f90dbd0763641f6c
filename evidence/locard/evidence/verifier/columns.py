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


def type_of(name: str) -> str | None:
    """Return what a column holds, as `parquet_footer` names it; `None` for one nobody knows."""
    return _named(_TYPES[name]) if name in _TYPES else None


def _named(found: pa.DataType) -> str:
    if pa.types.is_list(found):
        return f"list of {_named(found.value_type)}"
    if pa.types.is_timestamp(found):
        return "moment"
    return {"string": "text", "bool": "truth", "double": "fraction"}.get(str(found), "integer")
