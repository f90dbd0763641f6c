"""Emptying rows in SQL: what takes the place of their content, of `absent` and of `evidence`.

Whatever takes content out of the lake uses these expressions, so that a row says in one way that
something is gone and why, and can be proved as before.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any, Final

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from locard.evidence.emptied import emptied_evidence
from locard.schema import EVENT_TYPE_OF_KIND, EventCore, content_fields
from locard.schema.arrow import EVENT_COLUMNS

CONTENT_COLUMNS: Final = tuple(
    sorted(
        {
            *content_fields(EventCore),
            *(
                name
                for event_type in EVENT_TYPE_OF_KIND.values()
                for name in content_fields(event_type.body_type())
            ),
        }
    )
)
"""The columns that are emptied."""

HAS_CONTENT: Final = f"({' OR '.join(f'{name} IS NOT NULL' for name in CONTENT_COLUMNS)})"
"""The condition of rows that have any content left."""

_FUNCTION: Final = "locard_emptied_evidence"
_TEXT: Final = frozenset(
    name
    for name in CONTENT_COLUMNS
    if (EVENT_COLUMNS.field(name).metadata or {}).get(b"form") != b"json"
)


def emptied(condition: str, absence: str) -> dict[str, str]:
    """Return what each changed column becomes in the rows that fulfil a condition.

    Args:
        absence: the word that says in `absent` why the content is gone.
    """
    changed = {name: f"CASE WHEN {condition} THEN NULL ELSE {name} END" for name in CONTENT_COLUMNS}
    contents = ", ".join(f"{name} := {name}" for name in CONTENT_COLUMNS)
    changed["absent"] = f"CASE WHEN {condition} THEN {_absent_then(absence)} ELSE absent END"
    changed["evidence"] = (
        f"CASE WHEN {condition} THEN {_FUNCTION}(evidence, struct_pack({contents}))"
        " ELSE evidence END"
    )
    return changed


def teach(database: duckdb.DuckDBPyConnection) -> None:
    """Give a database the function that `emptied` calls."""
    content = duckdb.struct_type(dict.fromkeys(CONTENT_COLUMNS, duckdb.sqltype("VARCHAR")))
    database.create_function(
        _FUNCTION,
        _emptied,
        [duckdb.sqltype("VARCHAR"), content],
        duckdb.sqltype("VARCHAR"),
        type=ARROW,
        null_handling=SPECIAL,
    )


def _emptied(evidence: Any, contents: Any) -> pa.Array:
    pairs = zip(evidence.to_pylist(), contents.to_pylist(), strict=True)
    return pa.array([_emptied_row(told, row) for told, row in pairs], pa.string())


def _emptied_row(evidence: str | None, content: dict[str, str | None]) -> str | None:
    if evidence is None:  # a row of before there was any
        return None
    values = {
        name: (encode_basestring(value) if name in _TEXT else value).encode()
        for name, value in content.items()
        if value is not None
    }
    return emptied_evidence(evidence, values)


def _absent_then(absence: str) -> str:
    """Return `absent` with what goes in it, as canonical JSON.

    Its keys are names of fields and its values words of a closed set, so nothing in it is escaped,
    and members sort as their keys do. What is said of a field already stays.
    """
    members = ", ".join(
        f"""CASE WHEN {name} IS NOT NULL AND NOT contains(coalesce(absent, ''), '"{name}":')"""
        f""" THEN '"{name}":"{absence}"' END"""
        for name in CONTENT_COLUMNS
    )
    before = "coalesce(string_split(absent[2:-2], ','), [])"
    all_of_them = f"[member FOR member IN list_concat([{members}], {before}) IF member <> '']"
    return f"'{{' || array_to_string(list_sort({all_of_them}), ',') || '}}'"
