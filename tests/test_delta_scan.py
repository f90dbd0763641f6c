"""The lake as DuckDB's own `delta_scan` reads it, where its extension is installed."""

from __future__ import annotations

import duckdb
import pytest

from lakes import publish
from locard.query import connect
from making import event


def test_delta_scan_reads_the_same_rows(tmp_path):
    """As many events, of the same ids."""
    lake = publish(tmp_path / "lake", *(event(session_id=f"s{n % 3}") for n in range(9)))
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as plain:
        try:
            plain.execute("LOAD delta")
        except duckdb.Error:
            pytest.skip("DuckDB's delta extension is not installed")
        found = plain.execute(
            "SELECT event_id FROM delta_scan($1) ORDER BY 1", [str(lake)]
        ).fetchall()
    with connect(lake) as connection:
        assert found == connection.execute("SELECT event_id FROM events ORDER BY 1").fetchall()
