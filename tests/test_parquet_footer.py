"""Footers of Parquet files: read as pyarrow reads them, and refused where they are damaged."""

from __future__ import annotations

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from locard.evidence.verifier.footer_check import contradiction
from locard.evidence.verifier.parquet_footer import BadFooter, parse_footer, read_footer

ROWS = pa.table(
    {
        "kind": ["prompt", "tool_call", None],
        "seq": pa.array([3, None, -1], pa.int64()),
        "principal_verified": [True, False, True],
        "latency_ms": [0.5, None, 2.0],
        "finish_reasons": pa.array([["stop"], [], None], pa.list_(pa.string())),
        "occurred_at": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
    }
)


def written() -> bytes:
    """Return a Parquet file of two row groups."""
    sink = io.BytesIO()
    pq.write_table(ROWS, sink, row_group_size=2)
    return sink.getvalue()


def footer_bytes(data: bytes) -> bytes:
    """Return what a file has as its footer."""
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def test_it_says_what_pyarrow_says():
    """Rows, types and counts of nulls are those that the library reads."""
    data = written()
    footer = read_footer(pa.BufferReader(data))
    metadata = pq.read_metadata(io.BytesIO(data))

    assert footer.rows == 3
    assert list(footer.types.values()) == [
        "text",
        "integer",
        "truth",
        "fraction",
        "list of text",
        "moment",
    ]
    for group, chunks in enumerate(footer.groups):
        for column, chunk in enumerate(chunks):
            theirs = metadata.row_group(group).column(column)
            assert ".".join(chunk.path) == theirs.path_in_schema
            assert chunk.nulls == theirs.statistics.null_count


def test_a_true_footer_is_not_contradicted():
    """Nulls, empty lists, negative numbers and moments are counted and compared as written."""
    data = written()
    footer = read_footer(pa.BufferReader(data))
    file = pq.ParquetFile(io.BytesIO(data))

    assert [contradiction(footer, n, file.read_row_group(n)) for n in (0, 1)] == [None, None]


def test_rows_of_another_group_contradict_it():
    """The statistics of one row group are not those of another."""
    data = written()
    footer = read_footer(pa.BufferReader(data))
    other = pq.ParquetFile(io.BytesIO(data)).read_row_group(0)

    assert contradiction(footer, 1, other) == "its statistics of kind are not those of its rows"


def test_damage_is_a_bad_footer_and_nothing_else():
    """Whatever single byte is changed, and wherever it is cut: it parses, or is a bad footer.

    The same holds for what is then held against the rows.
    """
    good = footer_bytes(written())
    rows = pq.ParquetFile(io.BytesIO(written())).read_row_group(0)
    rng = random.Random(5)  # noqa: S311 - to be the same each time
    refused = 0
    for _ in range(4_000):
        at = rng.randrange(len(good))
        changed = good[:at] + rng.randbytes(1) + good[at + 1 :]
        try:
            footer = parse_footer(changed if rng.random() < 0.9 else good[:at])
            if footer.groups:
                contradiction(footer, 0, rows)
        except BadFooter:
            refused += 1

    assert refused > 500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x19" * 50_000,
        b"\x1c" * 50_000,
        b"\x19\xfc\xff\xff\xff\xff\x0f",
        b"\x15" + b"\xff" * 20,
    ],
    ids=["nothing", "lists in lists", "structs in structs", "a long list", "a long number"],
)
def test_what_was_made_to_do_harm_is_refused(data):
    """Neither depth nor length of what a footer claims ends the verifier."""
    with pytest.raises(BadFooter):
        parse_footer(data)


def test_a_file_that_is_too_short_is_refused():
    """A file without room for a footer, or with one longer than it, has none."""
    for data in (b"PAR1", b"\xff\xff\xff\x00PAR1", b"something else"):
        with pytest.raises(BadFooter):
            read_footer(pa.BufferReader(data))
