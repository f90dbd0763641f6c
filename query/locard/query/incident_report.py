"""A report of sessions to read or to print: what happened, in order, and what is missing. Inert.

Everything that an agent said is shown as text: in HTML it is escaped, and characters that act are
shown as what they are. The page has no script, loads nothing, and forbids both to the browser.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

import duckdb

from locard.query.gaps import GAP_COLUMNS, find_gaps
from locard.query.inert import lines, one_line
from locard.query.timeline import TimelineRow, timeline
from locard.query.values import json_text, plain
from locard.schema import rfc3339

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; color: #1a1a1a }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid #ddd }
td.what { white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace }
tr.external td { background: #fdeeee } .note { color: #555 }
@media print { body { margin: 0 } }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_COLUMNS: Final = ("#", "UTC", "kind", "who", "trust", "what")


@dataclass(frozen=True)
class IncidentReport:
    """What there is to report.

    Args:
        title: what it is about.
        facts: further lines above it, such as the verdict of verification, by their names.
        sessions: the timeline of each.
        gaps: rows of the view `gaps`.
    """

    title: str
    facts: Mapping[str, str]
    sessions: Mapping[str, Sequence[TimelineRow]] = field(repr=False)
    gaps: Sequence[Sequence[Any]] = field(repr=False)

    def html(self) -> bytes:
        """Return it as a page that stands by itself."""
        return "".join(self._html()).encode()

    def text(self) -> bytes:
        """Return it as plain text."""
        return ("\n".join(self._text()) + "\n").encode()

    def gap_lines(self) -> bytes:
        """Return the gaps as JSON lines."""
        told = (dict(zip(GAP_COLUMNS, map(plain, row), strict=True)) for row in self.gaps)
        return b"".join(json_text(one).encode() + b"\n" for one in told)

    def _html(self) -> Iterator[str]:
        yield (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f"<title>{_shown(self.title)}</title><style>{_STYLE}</style></head><body>\n"
            f"<h1>{_shown(self.title)}</h1>\n<table>"
        )
        for name, value in self.facts.items():
            yield f"<tr><th>{_shown(name)}</th><td>{_shown(value)}</td></tr>\n"
        yield "</table>\n"
        for session_id, rows in self.sessions.items():
            yield f"<h2>Session {_shown(session_id)}</h2>\n<table><tr>"
            yield "".join(f"<th>{name}</th>" for name in _COLUMNS) + "</tr>\n"
            for number, row in enumerate(rows, 1):
                style = ' class="external"' if row.trust == "external" else ""
                cells = self._cells(number, row)
                told = "".join(f"<td>{_shown(cell)}</td>" for cell in cells[:-1])
                what = "\n".join(map(escape, lines(cells[-1])))
                yield f'<tr{style}>{told}<td class="what">{what}</td></tr>\n'
            yield "</table>\n"
        yield f"<h2>What is missing</h2>\n{self._html_gaps()}</body></html>\n"

    def _html_gaps(self) -> str:
        if not self.gaps:
            return '<p class="note">No number of a collector is missing.</p>\n'
        head = "".join(f"<th>{name}</th>" for name in GAP_COLUMNS)
        rows = (
            "".join(f"<td>{_shown(str(plain(cell)))}</td>" for cell in row) for row in self.gaps
        )
        body = "".join(f"<tr>{row}</tr>\n" for row in rows)
        return f"<table><tr>{head}</tr>\n{body}</table>\n"

    def _text(self) -> Iterator[str]:
        yield one_line(self.title)
        for name, value in self.facts.items():
            yield f"  {one_line(name)}: {one_line(value)}"
        for session_id, rows in self.sessions.items():
            yield f"\nSession {one_line(session_id)}"
            for number, row in enumerate(rows, 1):
                cells = self._cells(number, row)
                first, *more = lines(cells[-1])
                yield "  ".join([*map(one_line, cells[:-1]), first]).rstrip()
                yield from (f"      {line}" for line in more)
        yield "\nWhat is missing"
        if not self.gaps:
            yield "  No number of a collector is missing."
        for gap in self.gaps:
            yield "  " + ", ".join(
                f"{name} {one_line(str(plain(value)))}"
                for name, value in zip(GAP_COLUMNS, gap, strict=True)
                if value is not None
            )

    def _cells(self, number: int, row: TimelineRow) -> tuple[str, ...]:
        moment = rfc3339(row.occurred_at) + (" (made up)" if row.time_made_up else "")
        return str(number), moment, row.kind, row.who, row.trust or "", row.what


def incident_report(
    connection: duckdb.DuckDBPyConnection,
    sessions: Iterable[str],
    title: str,
    facts: Mapping[str, str],
    without: Collection[str] = (),
) -> IncidentReport:
    """Return the report of some sessions.

    Args:
        connection: to a lake; see `connect`.
        without: columns that are not to be shown.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    timelines = {session: timeline(connection, session, without) for session in sessions}
    _, gaps = find_gaps(connection)
    return IncidentReport(title, facts, timelines, list(gaps))


def _shown(text: str) -> str:
    return escape(one_line(text))
