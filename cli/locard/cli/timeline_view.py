"""The timeline for eyes: when, what kind, who, how far trusted, and what, in a line for each event.

On a terminal a line is cut to its width, and the date stands in a line of its own. Where nothing
is cut, as in a pipe, each line has its date, since such lines are searched and handed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from locard.query import TimelineRow, count_calls, terminal_width
from locard.query.details import details as detail_lines
from locard.query.inert import one_line
from locard.query.layout import cut, cut_middle, head, padded, width_of

_WIDEST_WHO: Final = 20
_WIDEST_KIND: Final = 14
_INDENT: Final = "    "
_TRUST_STYLES: Final = {
    "external": "bold red", "unknown": "yellow", "tool": "yellow", "user": "green",
}  # fmt: skip
_FAILED: Final = frozenset({"error", "denied", "timeout", "deny"})
_MADE_UP: Final = "~ marks times that an importer made up: they only give the order"
_CLOCKS: Final = "< marks events whose clock is behind that of what caused them"

Piece = tuple[str, str]


def print_timeline(
    rows: Sequence[TimelineRow],
    zone: tzinfo | None,
    *,
    details: bool,
    stream: TextIO,
    width: int | None = None,
    only: int | None = None,
) -> None:
    """Print the rows of one session.

    Args:
        zone: whose time to show beside UTC; `None` for this machine's.
        details: whether every field follows each line, nothing cut.
        width: to how many columns lines are cut; by default the terminal's, and without a terminal
            none is cut.
        only: the index of the one row to print.
    """
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    width = width or terminal_width(stream)
    table = _Table(rows, zone, width)

    def show(*pieces: Piece) -> None:
        shown = list(_fitting(pieces, width))
        if console.color_system is None:  # much faster, and a session may have many events
            stream.write("".join(text for text, _ in shown).rstrip() + "\n")
        else:
            console.print(Text.assemble(*shown), soft_wrap=True)

    for line in table.summary():
        show((line, "dim"))
    show((table.heading(), "bold"))
    day = None
    for index, row in enumerate(rows):
        if only not in (None, index):
            continue
        if width is not None and row.occurred_at.astimezone(UTC).date() != day:
            day = row.occurred_at.astimezone(UTC).date()
            show((f"── {day} ──", "dim"))
        show(*table.line(index))
        if details:
            for line in detail_lines({"since_start": table.since_start(row), **row.fields}):
                stream.write(f"{_INDENT}{line}\n")
            stream.write("\n")


class _Table:
    """The columns that these rows need, and how wide they are."""

    def __init__(self, rows: Sequence[TimelineRow], zone: tzinfo | None, width: int | None) -> None:
        self._rows = rows
        self._zone = zone
        self._width = width
        self._start = min(row.occurred_at for row in rows)
        self._marks = [_mark(row, before) for row, before in zip(rows, [None, *rows], strict=False)]
        self._mark = int(any(self._marks))
        self._number = len(str(len(rows)))
        self._locals = self._local_times()
        self._whos = [one_line(row.who) for row in rows]
        self._kind = self._widest([row.kind for row in rows], _WIDEST_KIND)
        self._who = self._widest(["who", *self._whos], _WIDEST_WHO)
        self._trust = self._widest(["trust", *(row.trust or "" for row in rows)], _WIDEST_KIND)
        self._local = max((width_of(text) for text in self._locals), default=0)
        self._references = list(_references(rows))

    def summary(self) -> Iterator[str]:
        """Yield what the session was, and what the marks mean."""
        failed = sum(r.kind == "tool_result" and _has_failed(r) for r in self._rows)
        found = (row.fields.get("session_id") for row in self._rows)
        names = dict.fromkeys(name for name in found if name is not None)
        session = one_line(next(iter(names))) if len(names) == 1 else _count(len(names), "session")
        calls = _count(count_calls(self._rows), "tool call")
        events = sum(row.kind != "gap" for row in self._rows)
        counts = f"{_count(events, 'event')}, {calls}, {failed} failed"
        span = max(row.occurred_at for row in self._rows) - self._start
        lasted = "" if "~" in self._marks else f", {_duration(span)}"
        told = f": {counts}{lasted}"
        room = None if self._width is None else self._width - len(told)
        yield (session if room is None else cut_middle(session, room)) + told
        if "~" in self._marks:
            yield _MADE_UP
        if "<" in self._marks:
            yield _CLOCKS

    def heading(self) -> str:
        """Return the names of the columns."""
        time = len("09:32:00.000") if self._width is not None else len("2026-05-04 09:32:00.000")
        names = [padded("#", self._number, right=True), padded("UTC", time + self._mark)]
        if self._local:
            names.append(padded(cut(self._zone_name(), self._local), self._local))
        names += [padded("kind", self._kind), padded("who", self._who)]
        return " ".join([*names, padded("trust", self._trust), "what"])

    def line(self, index: int) -> Iterator[Piece]:
        """Yield the pieces of one row's line, each with its style."""
        row = self._rows[index]
        clock = row.occurred_at.astimezone(UTC).isoformat(" ", "milliseconds")[:23]
        yield padded(str(index + 1), self._number, right=True) + " ", "dim"
        yield self._marks[index].rjust(self._mark), "dim"
        yield f"{clock[11:] if self._width is not None else clock} ", ""
        if self._local:
            yield padded(self._locals[index], self._local) + " ", "dim"
        yield self._column(one_line(row.kind), self._kind), ""
        yield self._column(self._whos[index], self._who), "cyan"
        yield (
            self._column(one_line(row.trust or ""), self._trust),
            _TRUST_STYLES.get(row.trust or "", ""),
        )
        what = self._references[index] + head(_told(row), self._width)
        yield one_line(what), "red" if _has_failed(row) or row.state != "recorded" else ""

    def since_start(self, row: TimelineRow) -> str:
        """Return how long after the session's first event this one was."""
        return f"+{_duration(row.occurred_at - self._start)}"

    def _widest(self, texts: Sequence[str], most: int) -> int:
        return min(most, max(map(width_of, map(one_line, texts)), default=0))

    def _column(self, text: str, width: int) -> str:
        return padded(cut(text, width) if self._width is not None else text, width) + " "

    def _local_times(self) -> list[str]:
        """Return each row's local time; nothing where it is UTC anyway, or was made up."""
        moments = [_in_zone(row.occurred_at, self._zone) for row in self._rows]
        if "~" in self._marks or not any(moment.utcoffset() for moment in moments):
            return ["" for _ in moments]
        return [
            _local(moment, row.occurred_at) for moment, row in zip(moments, self._rows, strict=True)
        ]

    def _zone_name(self) -> str:
        names = {_in_zone(row.occurred_at, self._zone).tzname() or "local" for row in self._rows}
        return one_line(names.pop()) if len(names) == 1 else "local"


def _told(row: TimelineRow) -> str:
    """Return what a row says, and before it what of it was taken out or who else saw it."""
    if row.state not in ("recorded", "gap"):
        return f"({row.state}) {row.what}"
    if len(row.sightings) > 1:
        places = sorted({str(sighting.get("sighting", "?")) for sighting in row.sightings})
        differ = ", who disagree" if row.sightings[0].get("differs") else ""
        return f"{row.what} (seen {len(row.sightings)} times: {', '.join(places)}{differ})"
    return row.what


def _mark(row: TimelineRow, before: TimelineRow | None) -> str:
    if row.time_made_up:
        return "~"
    return "<" if before and row.occurred_at < before.occurred_at else ""


def _references(rows: Sequence[TimelineRow]) -> Iterator[str]:
    """Yield for each row what leads from a result to its call: a corner where it is right above.

    Sources use the id of a call twice; the nearest call before a result is the one it answers.
    """
    calls: dict[str, int] = {}
    for index, row in enumerate(rows):
        call_id = row.fields.get("call_id")
        if row.kind == "tool_call" and call_id:
            calls[call_id] = index
        call = calls.get(call_id or "") if row.kind == "tool_result" else None
        number = "" if call in (None, index - 1) else f"#{call + 1} "
        yield "" if call is None else f"└ {number}"


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment in that zone; as it is where the calendar there has no such year."""
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return moment


def _local(moment: datetime, utc: datetime) -> str:
    days = (moment.date() - utc.astimezone(UTC).date()).days
    return f"{moment:%H:%M:%S}" + (f"{days:+}d" if days else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _has_failed(row: TimelineRow) -> bool:
    return not _FAILED.isdisjoint((row.fields.get("outcome"), row.fields.get("verdict")))


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"
    hours, rest = divmod(round(seconds), 3600)
    minutes = f"{rest // 60} min {rest % 60} s"
    return f"{hours} h {minutes}" if hours else minutes


def _fitting(pieces: Sequence[Piece], width: int | None) -> Iterator[Piece]:
    """Yield the pieces as far as there is room, the last of them cut."""
    room = width
    for text, style in pieces:
        shown = text if room is None else cut(text, room)
        yield shown, style
        if room is not None:
            room -= width_of(shown)
