"""The event as Arrow columns, and back.

One column for each field of the core and one for each field of a body; bodies of all kinds share
a row, so a column name means one thing everywhere. Values with a structure of their own (messages,
arguments, results, extensions) are canonical JSON text: lossless, the same bytes that digests are
computed on, and readable in every engine. A field at its default is NULL.

The columns are derived from the models, so the two cannot drift apart. What only storing adds
(position in the log, the redaction record) is in `STORED_COLUMNS`.
"""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import pyarrow as pa
from pydantic import AwareDatetime, BaseModel

from locard.schema.canonical import canonical_bytes
from locard.schema.events import (
    EVENT_TYPE_OF_KIND,
    Event,
    EventCore,
    event_object,
    validate_event,
    with_unknown_fields_kept,
)
from locard.schema.json_rules import JsonValue
from locard.schema.strict_json import parse_json
from locard.schema.times import rfc3339

_TIME: Final = pa.timestamp("us", tz="UTC")
_JSON: Final = "json"
_SCALARS: Final[dict[Any, pa.DataType]] = {
    str: pa.string(),
    UUID: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    AwareDatetime: _TIME,
}

STORED_COLUMNS: Final = pa.schema(
    [
        pa.field("log_topic_id", pa.string(), nullable=False),
        pa.field("log_partition", pa.int32(), nullable=False),
        pa.field("log_offset", pa.int64(), nullable=False),
        pa.field("redaction", pa.string(), nullable=False, metadata={"form": _JSON}),
        pa.field("evidence", pa.string(), nullable=True, metadata={"form": _JSON}),
    ]
)
"""Where in the event log the event stood, what redaction did to it (a `RedactionRecord`), and what
proves its content (`docs/format.md`, section 3)."""


@dataclass(frozen=True)
class _Column:
    """How one field becomes a column."""

    type: pa.DataType
    is_json: bool


def _column(annotation: Any) -> _Column:
    """Choose the Arrow type of a field from its annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _column(arguments[0])
    if origin is Literal:
        return _Column(pa.string(), is_json=False)
    if origin in (Union, types.UnionType):
        present = [argument for argument in arguments if argument is not type(None)]
        if len(present) == 1:
            return _column(present[0])
    if origin is tuple and arguments[0] in (str, UUID):
        return _Column(pa.list_(pa.string()), is_json=False)
    if annotation in _SCALARS:
        return _Column(_SCALARS[annotation], is_json=False)
    return _Column(pa.string(), is_json=True)


def _columns(model: type[BaseModel], without: frozenset[str]) -> dict[str, _Column]:
    fields = model.model_fields.items()
    return {name: _column(field.annotation) for name, field in fields if name not in without}


_CORE: Final = {
    "kind": _Column(pa.string(), is_json=False),
    **_columns(EventCore, without=frozenset({"seal"})),
}
_BODY_OF_KIND: Final = {
    kind: _columns(event_type.body_type(), without=frozenset())
    for kind, event_type in EVENT_TYPE_OF_KIND.items()
}


def _merge_bodies() -> dict[str, _Column]:
    """Bodies share columns: one name must mean one type, and must not hide a core field."""
    merged: dict[str, _Column] = {}
    for kind, columns in _BODY_OF_KIND.items():
        for name, column in columns.items():
            if name in _CORE or merged.setdefault(name, column) != column:
                raise TypeError(f"field `{name}` of {kind} clashes with another column")
    return merged


_BODY: Final = _merge_bodies()
_REQUIRED: Final = ("kind", "event_id", "schema_version", "occurred_at", "observed_at", "lane")

EVENT_COLUMNS: Final = pa.schema(
    [
        pa.field(
            name,
            column.type,
            nullable=name not in _REQUIRED,
            metadata={"form": _JSON} if column.is_json else None,
        )
        for name, column in {**_CORE, **_BODY}.items()
    ]
)
"""The Arrow schema of events. Fields whose metadata has `form=json` hold canonical JSON text."""


def event_table(events: Sequence[Event]) -> pa.Table:
    """Return the events as a table with `EVENT_COLUMNS`, one row each, in the given order."""
    cells: dict[str, list[Any]] = defaultdict(lambda: [None] * len(events))
    for number, event in enumerate(events):
        for name, value in _row(event).items():
            cells[name][number] = value
    # Most columns are of other kinds than an event's: they are made without a look at any row.
    arrays = [
        pa.array(cells[field.name], type=field.type)
        if field.name in cells
        else pa.nulls(len(events), field.type)
        for field in EVENT_COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=EVENT_COLUMNS)


def events_of_table(table: pa.Table) -> Iterator[Event]:
    """Yield the events of a table that has `EVENT_COLUMNS` (others are passed over).

    Columns that a newer version added, or an older one lacked, are no obstacle.

    Raises:
        RejectedRecord: a row does not hold an event; see `parse_event`.
    """
    known = table.select([name for name in table.column_names if name in EVENT_COLUMNS.names])
    for row in known.to_pylist():
        yield validate_event(_object(row))


def _row(event: Event) -> dict[str, Any]:
    """Return the event's columns that are not at their default."""
    event = with_unknown_fields_kept(event)
    dumped = event_object(event)
    body = dumped.pop("body")
    dumped.pop("seal", None)  # what it says is in the evidence of the row; its seed is not stored
    row = {name: _cell(_CORE[name], value) for name, value in dumped.items()}
    for name in ("occurred_at", "observed_at", "ingested_at"):
        row[name] = getattr(event, name)
    columns = _BODY_OF_KIND[event.kind]
    row.update((name, _cell(columns[name], value)) for name, value in body.items())
    return row


def _cell(column: _Column, value: JsonValue) -> Any:
    return canonical_bytes(value).decode() if column.is_json else value


def _object(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of the event in one row."""
    body_columns = _BODY_OF_KIND.get(row["kind"], {})
    event: dict[str, Any] = {"body": {}}
    for name, value in row.items():
        if value is None:
            continue
        target = event["body"] if name in body_columns else event
        column = body_columns.get(name) or _CORE.get(name)
        if column is None:
            continue  # a column of another kind's body, filled by mistake, is not this event's
        if column.is_json:
            target[name] = parse_json(value.encode())
        else:
            target[name] = rfc3339(value) if isinstance(value, datetime) else value
    return event
