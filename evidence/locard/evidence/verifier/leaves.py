"""The leaves of rows, computed anew from the columns of the lake.

This follows `docs/format.md` and shares nothing with what writes rows: it assembles the bytes of
many rows at once from their columns, and hashes them row by row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import IntFlag
from hashlib import sha256
from typing import Final

import jiter
import pyarrow as pa
import pyarrow.compute as pc

from locard.evidence.merkle import HASH_BYTES
from locard.evidence.verifier.column_text import as_bytes, joined, json_of, member, values_of_rows
from locard.evidence.verifier.columns import (
    CONTENT,
    CORE,
    RECORDED,
    UNKNOWN_TO_LEAVES,
)
from locard.schema import canonical_bytes

_COMMITMENT: Final = b"locard-commitment/1\x00"
_HASH: Final = "[0-9a-f]{64}"
_ENTRY: Final = (
    r'"[a-z_]{1,40}":\{(?:"salt":"[0-9a-f]{32}"(?:,"source":"HASH")?'
    r'|(?:"redacted":"HASH",)?"source":"HASH")\}'
).replace("HASH", _HASH)
_EVIDENCE: Final = (
    rf'^\{{"fields":\{{(?:{_ENTRY}(?:,{_ENTRY})*)?\}}(?:,"sealed_by":"consumer")?'
    r'(?:,"stamped":\["[a-z_]{1,40}"(?:,"[a-z_]{1,40}")*\])?\}$'
)
"""RFC 8785 text of the column `evidence`, but for the order of its fields."""

_MOST_DAYS_TO_PUBLISH: Final = 2  # from taking a record to the day under which its row lies
NO_LEAF: Final = bytes(HASH_BYTES)
"""Stands for the leaf of a row that can have none."""


class State(IntFlag):
    """What else is to know of a row.

    `ERASED`, `EXPIRED`, `QUARANTINED`: content is gone, and the row says that for this reason.
    `UNSAID`: content is gone and the row does not say why. `INCONSISTENT`: what no leaf covers
    does not fit the rest of the row. `WITHHELD`: a bundle leaves content out.
    """

    ERASED = 1
    EXPIRED = 2
    QUARANTINED = 4
    UNSAID = 8
    INCONSISTENT = 16
    WITHHELD = 32


_REASONS: Final[dict[str, State]] = {
    "erased": State.ERASED,
    "expired": State.EXPIRED,
    "quarantined": State.QUARANTINED,
}


class Unprovable(ValueError):
    """A row's evidence is not what it has to be, so the row has no leaf."""


def row_leaves(
    table: pa.Table, day: str | None = None, withheld: frozenset[str] = frozenset()
) -> tuple[list[bytes], list[int]]:
    """Return the leaf hash and the `State` of each row.

    The hash is `NO_LEAF` where the columns cannot be those of any row.

    Args:
        table: rows with all columns of the lake.
        day: the partition under which their file lies, where that is known.
        withheld: content fields that may be gone without a word.
    """
    columns = _Columns(table, withheld)
    if columns.has_unknown:
        return [NO_LEAF] * table.num_rows, [0] * table.num_rows
    leaves, states = columns.leaves()
    if day is not None:
        for number in columns.strangers(day):
            states[number] |= State.INCONSISTENT
    return leaves, states


def leaf_at(row: pa.Table, offset: int) -> bytes:
    """Return the leaf that one row would have at another place of its partition."""
    number = row.schema.get_field_index("log_offset")
    moved = row.set_column(number, row.schema.field(number), pa.array([offset], pa.int64()))
    return row_leaves(moved)[0][0]


class _Columns:
    """Columns as the bytes that they add to what is hashed."""

    def __init__(self, table: pa.Table, withheld: frozenset[str]) -> None:
        self._withheld = withheld
        table = table.combine_chunks()
        names = set(table.column_names)
        self.has_unknown = not names <= UNKNOWN_TO_LEAVES | CORE.keys() | CONTENT | RECORDED
        self._rows = table.num_rows
        self._table = table
        self._core = joined(
            [
                member(name, table[name])
                for name in sorted(CORE)
                if name in names and name != "absent" and table[name].null_count < table.num_rows
            ],
            table.num_rows,
        )
        having = [n for n in sorted(CONTENT & names) if table[n].null_count < table.num_rows]
        self._content = {name: as_bytes(json_of(name, table[name])) for name in having}
        self._values_of_row = values_of_rows([table[name] for name in having], table.num_rows)

    def leaves(self) -> tuple[list[bytes], list[int]]:
        table = self._table
        if "evidence" not in table.column_names:
            return [NO_LEAF] * self._rows, [0] * self._rows
        evidence = as_bytes(table["evidence"])
        absent = self._values("absent")
        redaction = self._values("redaction")
        begin = self._records()
        has_form = pc.match_substring_regex(table["evidence"], _EVIDENCE).to_pylist()
        leaves: list[bytes] = []
        states = [0] * self._rows
        for number in range(self._rows):
            try:
                if not has_form[number]:
                    raise Unprovable("the evidence is not of the form that it has")
                leaf, gone, kept = self._leaf(
                    number, evidence[number], absent[number], begin[number]
                )
                if gone or absent[number] is not None:
                    states[number] = _state(
                        gone, absent[number], redaction[number], kept, self._withheld
                    )
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                leaf = NO_LEAF
            leaves.append(leaf)
        return leaves, states

    def strangers(self, day: str) -> list[int]:
        """Return the rows that do not belong under a day: it is that of a publish after them."""
        if "ingested_at" not in self._table.column_names:
            return []
        taken = self._table["ingested_at"].cast(pa.date32())
        try:
            there = pa.scalar(date.fromisoformat(day), pa.date32())
        except ValueError:
            return list(range(self._rows))
        after = pc.subtract(there.cast(pa.int32()), taken.cast(pa.int32()))
        is_near = pc.and_(pc.greater_equal(after, 0), pc.less_equal(after, _MOST_DAYS_TO_PUBLISH))
        odd = pc.indices_nonzero(pc.invert(pc.fill_null(is_near, True)))
        found: list[int] = odd.to_pylist()
        return found

    def _leaf(
        self, number: int, evidence: bytes, absent: bytes | None, begin: bytes
    ) -> tuple[bytes, list[str], list[str]]:
        """Return a row's leaf, and which of its content fields are gone and which are there."""
        told = jiter.from_json(evidence, cache_mode="keys")
        fields: dict[str, dict[str, str]] = told["fields"]
        sources: list[str] = []
        changed: list[str] = []
        gone: list[str] = []
        kept: list[str] = []
        before = ""
        for name, entry in fields.items():
            if name <= before:
                raise Unprovable("fields are not in their order")
            before = name
            column = self._content.get(name)
            value = column[number] if column is not None else None
            if value is None:
                gone.append(name)
                source = entry["source"]
                now = entry.get("redacted")
            else:
                kept.append(name)
                salt = bytes.fromhex(entry["salt"])
                found = sha256(
                    b"%b%b%b\x00%b" % (_COMMITMENT, salt, name.encode(), value)
                ).hexdigest()
                source = entry.get("source", found)
                now = found if "source" in entry else None
            sources.append(f'"{name}":"{source}"')
            if now is not None:
                changed.append(f'"{name}":"{now}"')
        if len(kept) != self._values_of_row[number]:
            raise Unprovable("a content field has a value that nothing vouches for")
        core = self._core[number]
        if absent is not None:
            core = _with_absent(core, absent, fields)
        end = b""
        if stamped := told.get("stamped"):
            if stamped != sorted(set(stamped)):
                raise Unprovable("what was stamped is not in its order")
            core, stamps = _without(core, stamped)
            end = b',"stamped":' + stamps
        sealed_by = told.get("sealed_by", "source")
        digest = sha256(
            b'{"commitments":{%b},"core":{%b},"format":"locard-event/1"}'
            % (",".join(sources).encode(), core[:-1])
        ).digest()
        leaf = sha256(
            b'\x00%b{"commitments":{%b},"format":"locard-record/1",%b,"sealed_by":"%b"%b}'
            % (digest, ",".join(changed).encode(), begin, sealed_by.encode(), end)
        ).digest()
        return leaf, gone, kept

    def _records(self) -> list[bytes]:
        """Return what each row's record says between its commitments and who sealed it."""
        table = self._table
        offset, partition = (
            table[name].cast(pa.string()) for name in ("log_offset", "log_partition")
        )
        topic = json_of("log_topic_id", table["log_topic_id"])
        log = pc.binary_join_element_wise(
            '"log":{"offset":', offset, ',"partition":', partition, ',"topic_id":', topic, "},", ""
        )
        parts = [member("ingested_at", table["ingested_at"]), log]
        parts += [member(name, table[name]) for name in ("principal", "principal_verified")]
        parts.append(pc.binary_join_element_wise('"redaction":', table["redaction"], ",", ""))
        return [whole[:-1] for whole in joined(parts, self._rows)]

    def _values(self, name: str) -> Sequence[bytes | None]:
        if name not in self._table.column_names:
            return [None] * self._rows
        values: Sequence[bytes | None] = as_bytes(self._table[name])
        return values


def _state(
    gone: Sequence[str],
    absent: bytes | None,
    redaction: bytes | None,
    kept: Sequence[str],
    withheld: frozenset[str],
) -> int:
    """Return the state of a row of which content is gone, or said to be."""
    said: dict[str, str] = json.loads(absent) if absent else {}
    is_core_alone = b'"policy":"no-content/1"' in (redaction or b"")
    state = State.INCONSISTENT if any(name in said for name in kept) else State(0)
    for name in gone:
        if name in withheld and name not in said:
            state |= State.WITHHELD
            continue
        reason = _REASONS.get(said.get(name, ""), State.UNSAID)
        if (reason is State.QUARANTINED) != is_core_alone:
            reason = State.UNSAID
        state |= reason
    return int(state)


def _with_absent(core: bytes, absent: bytes, fields: Mapping[str, object]) -> bytes:
    """Return a core with what was absent already at its source, in its place among the members."""
    members = json.loads(absent)
    kept = {name: why for name, why in members.items() if name not in fields}
    if canonical_bytes(members) != absent:
        raise Unprovable("`absent` is not canonical")
    return _inserted(core, "absent", canonical_bytes(kept)) if kept else core


def _inserted(core: bytes, name: str, value: bytes) -> bytes:
    whole = json.loads(b"{%b}" % core[:-1])
    whole[name] = json.loads(value)
    return canonical_bytes(whole)[1:-1] + b","


def _without(core: bytes, names: Sequence[str]) -> tuple[bytes, bytes]:
    """Return a core without some members, and an object of these."""
    whole = json.loads(b"{%b}" % core[:-1])
    taken = {name: whole.pop(name) for name in names if name in whole}
    return canonical_bytes(whole)[1:-1] + b",", canonical_bytes(taken)
