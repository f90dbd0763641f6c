"""Questions: an ordinary DuckDB connection with documented views, and what stands on them."""

from __future__ import annotations

from locard.query.conversation import conversation
from locard.query.gaps import GAP_COLUMNS, Account, find_gaps
from locard.query.incident_report import IncidentReport, incident_report
from locard.query.lake import confine, connect
from locard.query.occurrences import OCCURRENCE_COLUMNS, find_occurrences
from locard.query.output import Format, terminal_width, write_plan, write_rows
from locard.query.selection import Selection
from locard.query.session_table import print_sessions
from locard.query.sessions import (
    Wanted,
    events_without_session,
    find_session,
    list_sessions,
    sessions_between,
)
from locard.query.standing import Standing, standing
from locard.query.statements import Answer, run
from locard.query.timeline import (
    TIMELINE_COLUMNS,
    TIMELINE_VERSION,
    TimelineRow,
    count_calls,
    position_of,
    rows_of,
    timeline,
)
from locard.query.views import VIEWS, View

__all__ = [
    "GAP_COLUMNS",
    "OCCURRENCE_COLUMNS",
    "TIMELINE_COLUMNS",
    "TIMELINE_VERSION",
    "VIEWS",
    "Account",
    "Answer",
    "Format",
    "IncidentReport",
    "Selection",
    "Standing",
    "TimelineRow",
    "View",
    "Wanted",
    "confine",
    "connect",
    "conversation",
    "count_calls",
    "events_without_session",
    "find_gaps",
    "find_occurrences",
    "find_session",
    "incident_report",
    "list_sessions",
    "position_of",
    "print_sessions",
    "rows_of",
    "run",
    "sessions_between",
    "standing",
    "terminal_width",
    "timeline",
    "write_plan",
    "write_rows",
]
