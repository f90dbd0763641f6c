"""Questions: an ordinary DuckDB connection with documented views, and what stands on them."""

from __future__ import annotations

from locard.query.lake import confine, connect
from locard.query.output import Format, terminal, write_rows
from locard.query.timeline import TIMELINE_COLUMNS, TimelineRow, timeline
from locard.query.views import VIEWS, View

__all__ = [
    "TIMELINE_COLUMNS",
    "VIEWS",
    "Format",
    "TimelineRow",
    "View",
    "confine",
    "connect",
    "terminal",
    "timeline",
    "write_rows",
]
