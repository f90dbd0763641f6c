"""Random changes: a few hundred here, and as many as one likes with `script/fuzz`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from attacks.fuzzing import Fuzz, differing_leaves
from attacks.installation import made


def test_every_random_change_is_found_or_changes_nothing(tmp_path):
    outcome = Fuzz(tmp_path / "home", seed=6).run(500)
    assert not outcome.missed
    assert outcome.counts.total() == 500


def test_both_implementations_come_to_the_same_leaf_or_to_none(tmp_path):
    """Of the rows as they are, and with any one cell changed."""
    one = made(tmp_path / "home")
    rows = pa.concat_tables(pq.ParquetFile(path).read() for path in one.files())
    assert not differing_leaves(rows, 3_000, seed=6)
