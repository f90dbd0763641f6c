"""The rows of a bundle: as JSON lines and as Parquet, perhaps with content withheld. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from locard.evidence.emptied import emptied_evidence
from locard.evidence.verifier.columns import JSON_FORM
from locard.schema import canonical_bytes, rfc3339


def bundled(rows: pa.Table, withheld: Collection[str]) -> pa.Table:
    """Return rows as a bundle shows them: without the content of some fields, and still provable.

    Args:
        withheld: names of content fields.
    """
    if not withheld:
        return rows
    changed = [_without(row, withheld) for row in rows.to_pylist()]
    return pa.Table.from_pylist(changed, schema=rows.schema)


def json_lines(rows: pa.Table, withheld: Collection[str]) -> bytes:
    """Return each row as one JSON object on a line: its columns that have a value.

    Columns of JSON text are strings here, so that their bytes are what was committed to.
    """
    return b"".join(_line(row, withheld) + b"\n" for row in rows.to_pylist())


def parquet(rows: pa.Table) -> bytes:
    """Return the rows as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata(None), sink, compression="zstd")
    return sink.getvalue()


def ranges_of(rows: pa.Table) -> dict[str, list[list[int]]]:
    """Return the offsets of the rows as ranges, by `<topic-id>/<partition>`."""
    found: dict[str, list[list[int]]] = {}
    for topic_id, partition, offset in _places(rows):
        ranges = found.setdefault(f"{topic_id}/{partition}", [])
        if ranges and ranges[-1][1] == offset:
            ranges[-1][1] = offset + 1
        elif not ranges or offset >= ranges[-1][1]:
            ranges.append([offset, offset + 1])
    return found


def _places(rows: pa.Table) -> Iterator[tuple[str, int, int]]:
    columns = (rows[name].to_pylist() for name in ("log_topic_id", "log_partition", "log_offset"))
    return zip(*columns, strict=True)


def _without(row: dict[str, Any], withheld: Collection[str]) -> dict[str, Any]:
    going = {name: row[name] for name in withheld if row.get(name) is not None}
    values = {
        name: (value if name in JSON_FORM else encode_basestring(value)).encode()
        for name, value in going.items()
    }
    evidence = emptied_evidence(row["evidence"], values) if row["evidence"] else None
    return {**row, **dict.fromkeys(going), "evidence": evidence}


def _line(row: Mapping[str, Any], withheld: Collection[str]) -> bytes:
    told = {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None
    }
    if hidden := _hidden(row, withheld):
        told["withheld"] = hidden
    return canonical_bytes(told)


def _hidden(row: Mapping[str, Any], withheld: Collection[str]) -> list[str]:
    """Return the fields that had content, which is left out."""
    if not withheld or not row["evidence"]:
        return []
    said = json.loads(row["absent"]) if row["absent"] else {}
    return [
        name
        for name in sorted(json.loads(row["evidence"])["fields"])
        if name in withheld and row.get(name) is None and name not in said
    ]
