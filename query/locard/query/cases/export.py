"""A case with everything in it: Markdown, HTML or JSON lines, all of them inert.

What agents and responders wrote is shown as text. In Markdown it stands in code spans and blocks
that are fenced longer than anything in them; HTML has no script, loads nothing and forbids both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from locard.query.cases.records import Case, Entry
from locard.query.inert import lines, one_line
from locard.query.timeline import TimelineRow
from locard.query.values import json_text
from locard.schema import rfc3339

Events = Mapping[str, TimelineRow]
_TICKS: Final = re.compile(r"`+")
_STYLE: Final = (
    "body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem } "
    "pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f5; padding: .6rem }"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def json_lines(case: Case, events: Events, standing: str) -> str:
    """Return a line for the case, one for each entry, and one for each pinned event."""
    head = {
        "type": "case",
        "case_id": case.case_id,
        "title": case.title,
        "status": case.status,
        "opened_at": case.opened_at,
        "opened_by": case.opened_by,
        "authors": case.authors,
        "sessions": case.sessions,
        "standing": standing,
    }
    told = [head]
    told += [{"type": "entry", **vars(entry)} for entry in case.entries]
    told += [
        {"type": "event", "event_id": name, **(vars(events[name]) if name in events else {})}
        for name in case.pins
    ]
    return "".join(json_text(one) + "\n" for one in told)


def markdown(case: Case, events: Events, standing: str) -> str:
    """Return the case as Markdown in which nothing that anybody wrote is markup."""
    return "\n".join(_markdown(case, events, standing)) + "\n"


def html(case: Case, events: Events, standing: str) -> str:
    """Return the case as a page that stands by itself."""
    body = []
    for kind, text in _told(case, events, standing):
        shown = escape("\n".join(lines(text)))
        body.append(f"<pre>{shown}</pre>" if kind == "text" else f"<{kind}>{shown}</{kind}>")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f"<title>{escape(one_line(case.title))}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _markdown(case: Case, events: Events, standing: str) -> Iterator[str]:
    for kind, text in _told(case, events, standing):
        if kind == "text":
            yield from _fenced(text)
        elif kind == "p":
            yield _span(one_line(text))
        else:
            yield f"{'#' * int(kind[1])} {_span(one_line(text))}"
        yield ""


def _told(case: Case, events: Events, standing: str) -> Iterator[tuple[str, str]]:
    """Yield what a case says, in order: `h1`, `h2`, `p` or `text` with the words."""
    yield "h1", f"{case.case_id}: {case.title}"
    yield "p", f"{case.status}; opened {rfc3339(case.opened_at)} by {case.opened_by}"
    yield "p", f"written by {', '.join(case.authors)}"
    yield "p", standing
    yield "h2", "Hypotheses"
    for entry in case.of_kind("hypothesis"):
        yield "p", f"#{entry.number} {_by(entry)}: {case.settled(entry.number) or 'open'}"
        yield "text", entry.text or ""
    yield "h2", "Pinned events"
    for name, session in case.pins.items():
        marks = ["starred"] if name in case.stars else []
        marks += case.tags.get(name, ())
        yield "p", f"{name} in {session or 'no session'}" + (f" ({', '.join(marks)})" * bool(marks))
        row = events.get(name)
        if row is None:
            yield "p", "not in what may be seen of the lake"
        else:
            yield "text", f"{rfc3339(row.occurred_at)} {row.kind} {row.who}\n{row.what}"
        for entry in case.of_kind("comment"):
            if entry.event_id == name:
                yield "p", f"comment {_by(entry)}"
                yield "text", entry.text or ""
    yield "h2", "Everything, in order"
    for entry in case.entries:
        about = f" event {entry.event_id}" if entry.event_id else ""
        yield "p", f"#{entry.number} {_by(entry)}: {entry.kind}{about}"
        if entry.text:
            yield "text", entry.text
        if entry.data:
            yield "text", json_text(entry.data, indent=1)


def _by(entry: Entry) -> str:
    return f"{rfc3339(entry.at)} {entry.author}"


def _span(text: str) -> str:
    """Return a text as a code span, fenced by more backticks than it has (CommonMark 6.1)."""
    ticks = "`" * (max(map(len, _TICKS.findall(text)), default=0) + 1)
    return f"{ticks} {text} {ticks}"


def _fenced(text: str) -> Sequence[str]:
    """Return a text as a fenced block, fenced by more backticks than it has (CommonMark 4.5)."""
    ticks = "`" * max(3, max(map(len, _TICKS.findall(text)), default=0) + 1)
    return [f"{ticks}text", *lines(text), ticks]
