"""`docs/views.md`: every view with its columns, made from the views themselves.

    python -m locard.query.reference > docs/views.md

A test keeps the page equal to the code.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
from pydantic import BaseModel

from locard.query.lake import connect
from locard.query.macros import MACROS
from locard.query.views import VIEWS, View
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    LAKE_FORMAT,
    LAKE_FORMAT_KEY,
    EventCore,
    content_fields,
)

EXAMPLES: Final = {
    "How often was each tool called, and how did it end?": """
SELECT tool_name, outcome, count(*) AS calls
FROM tool_calls GROUP BY ALL ORDER BY calls DESC
""",
    "Which sessions called `send_money`?": """
SELECT DISTINCT session_id FROM tool_calls WHERE tool_name = 'send_money'
""",
    "In which sessions does this account occur?": """
SELECT DISTINCT session_id FROM pseudonyms WHERE token = '‹IBAN_CODE:k1:9f2c71d0a4b85e16›'
""",
    "Who else read this sentence, and where did it stand?": """
SELECT session_id, occurred_at, kind, trust, field
FROM texts WHERE contains(text, 'our bank has changed') ORDER BY occurred_at
""",
    "Which calls were made although the last decision was to refuse them?": """
SELECT session_id, occurred_at, tool_name, arguments
FROM tool_calls WHERE verdict = 'deny' AND outcome = 'ok'
""",
    "Which agents lost events, and when were they last heard of?": """
SELECT collector_id, incarnation, agent_name, last_at, state, missing, dropped
FROM streams WHERE missing > 0 OR dropped > 0 ORDER BY last_at
""",
    "What did a session read that nobody vouches for, before its first payment?": """
SELECT r.occurred_at, r.tool_name, r.trust, r.result
FROM tool_results AS r
WHERE r.session_id = 'S' AND r.trust IN ('external', 'unknown') AND r.occurred_at < (
    SELECT min(c.occurred_at) FROM tool_calls AS c
    WHERE c.session_id = 'S' AND c.tool_name = 'send_money'
)
""",
}
"""Questions and the statements that answer them; a test runs them all."""

_INTRODUCTION: Final = """\
# The views

<!-- Made by `python -m locard.query.reference`; change the views, not this page. -->

`locard sql "…"` and `locard.query.connect(lake)` answer over these views. They hide how the lake's
files lie, what arrived twice, and what older versions did not write. `SELECT * FROM views` lists
them, `DESCRIBE events` the columns of one.

Times are UTC. Columns marked *JSON* hold JSON text: `arguments ->> '$.recipient'` takes a value
out. Columns marked *content* are redacted: in the place of personal data stand tokens such as
`‹IBAN_CODE:k1:9f2c71d0a4b85e16›`, the same for the same value. `NULL` means that nothing was said;
`absent` says which content is missing and why. A filter on `session_id` reaches the files in every
view but `duplicates`, `gaps` and `streams`, so it is what makes a question fast; in the last two a
filter on `collector_id` does.

With `connect` any statement is yours to make. `locard sql` only reads: `SELECT`, `FROM`, `WITH`,
`VALUES`, `PIVOT` with named values, `DESCRIBE`, `SUMMARIZE`, `SHOW` and `EXPLAIN`. In CSV a text
that a spreadsheet could take for a formula has an apostrophe before it, and characters that act on
a terminal are shown as `<U+001B>`; JSON has every text exactly.
"""


def page() -> str:
    """Return the reference of the views as Markdown."""
    with tempfile.TemporaryDirectory() as directory:
        lake = Path(directory) / "lake"
        _make_empty_lake(lake)
        with connect(lake) as connection:
            parts = [_section(view, connection) for view in VIEWS]
    return "\n".join([_INTRODUCTION, _examples(), _macros(), *parts])


def _make_empty_lake(path: Path) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable

    DeltaTable.create(
        path,
        pa.schema([pa.field("kind", pa.string())]),
        configuration={LAKE_FORMAT_KEY: LAKE_FORMAT},
        raise_if_key_not_exists=False,  # the key is ours, not Delta's
    )


def _examples() -> str:
    told = (f"{question}\n\n```sql{statement}```\n" for question, statement in EXAMPLES.items())
    return "\n".join(["## Questions to begin with\n", *told])


def _macros() -> str:
    lines = ["## Macros", "", "Functions that make rows: `FROM mentions('invoice')`.", ""]
    lines += ["| macro | what it gives |", "|---|---|"]
    lines += [f"| `{macro.signature}` | {macro.row} |" for macro in MACROS]
    return "\n".join([*lines, ""])


def _section(view: View, connection: duckdb.DuckDBPyConnection) -> str:
    columns = connection.execute(f"DESCRIBE {view.name}").fetchall()
    lines = [f"## `{view.name}`", "", view.row, "", "| column | type | |", "|---|---|---|"]
    for name, column_type, *_ in columns:
        lines.append(f"| `{name}` | {column_type} | {'; '.join(_notes(view, name))} |")
    return "\n".join([*lines, ""])


def _notes(view: View, column: str) -> Iterator[str]:
    from locard.schema.arrow import EVENT_COLUMNS, STORED_COLUMNS

    bodies = [event_type.body_type() for event_type in EVENT_TYPE_OF_KIND.values()]
    models: list[type[BaseModel]] = [EventCore, *bodies]
    content = {name for model in models for name in content_fields(model)}
    known = {field.name: field for field in [*EVENT_COLUMNS, *STORED_COLUMNS]}
    if column in content:
        yield "content"
    if column in known and (known[column].metadata or {}).get(b"form") == b"json":
        yield "JSON"
    if note := view.notes.get(column) or VIEWS[0].notes.get(column):
        yield note


if __name__ == "__main__":
    sys.stdout.write(page())
