"""`locard explain` and `locard incidents`: which text made an action happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from locard.cli.questions import asked, format_options, inert_stdout
from locard.cli.settings import Settings
from locard.cli.trail import note_read, tell_unsealed
from locard.schema import utc_now

if TYPE_CHECKING:
    import duckdb

    from locard.query import Format

_INCIDENT_COLUMNS: Final = (
    "session_id",
    "verdict",
    "points",
    "tools",
    "origin_event_id",
    "origin_source",
    "reasons",
    "obeying_event_ids",
)


@click.command()
@click.argument("event_id")
@click.option("--session", "session_id", help="Whose event it is, where several have this id.")
@click.option("--forward", is_flag=True, help="Show what the text of this event reached instead.")
@format_options
@click.pass_obj
def explain(
    settings: Settings,
    event_id: str,
    session_id: str | None,
    forward: bool,
    format_name: Format,
    width: int | None,
) -> int:
    """Show what made an action happen: where its values come from, and which text it obeys.

    EVENT_ID is a tool call, its result or a decision about it: its id, the first 8 characters of
    that or, with --session, the number of its row in the timeline. Ends with 1 where the record
    says that a text from outside decided, and not the person served.
    """
    from locard.query import connect, find_session, terminal_width, write_rows
    from locard.query.output import plain
    from locard.query.provenance import REACH_COLUMNS, reach
    from locard.query.provenance import explain as explained
    from locard.query.values import json_text

    stream = inert_stdout()
    with connect(settings.lake_place) as connection:
        whose = find_session(connection, session_id) if session_id else None
        event_id = _event_of_row(connection, event_id, whose)
        if forward:
            found = reach(connection, event_id, whose)
        else:
            told = explained(connection, event_id, whose)
    query = asked("explain", event=event_id, session=session_id, forward=forward or None)
    note_read(settings, query, len(found) if forward else 1)
    if forward:
        rows = ([plain(getattr(row, name)) for name in REACH_COLUMNS] for row in found)
        width = width or terminal_width(stream)
        write_rows(REACH_COLUMNS, rows, format_name, stream, width=width)
    elif format_name == "table":
        stream.writelines(f"{line}\n" for line in _lines(told))
    elif format_name == "json":
        stream.write(json_text(told, indent=2) + "\n")
    else:
        write_rows(list(told), [list(told.values())], format_name, stream)
    tell_unsealed(settings)
    return int(not forward and told["verdict"] == "taken_over")


def _event_of_row(connection: duckdb.DuckDBPyConnection, given: str, session_id: str | None) -> str:
    """Return the event that is meant by the number of a row in the timeline, or what was given."""
    from locard.query import timeline
    from locard.query.timeline import ROW_NUMBER, position_of

    if session_id is None or not ROW_NUMBER.fullmatch(given):
        return given
    rows = timeline(connection, session_id)
    return rows[position_of(rows, given)].event_id


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield an explanation for eyes, every line inert."""
    from locard.query.inert import one_line

    headline = {
        "taken_over": "a text from outside decided this action, and not the person served",
        "refused": "a text from outside asked for this action; it did not come about",
        "nothing_found": "nothing in the record says that a text from outside decided this action",
    }[told["verdict"]]
    yield one_line(f"{told['tool'] or 'a tool'} ({told['outcome'] or 'no result'}): {headline}")
    yield "the person asked for such an action: " + ("yes" if told["was_asked_for"] else "no")
    yield ""
    yield "where its values first appeared"
    for value in told["values"]:
        seen = value["first_seen"]
        where = "nowhere before: the agent's own"
        if seen is not None:
            part = "" if seen["how"] == "whole" else ", in part"
            where = f"{seen['voice']} ({seen['trust']}), {seen['source']}{part}"
            where += f", {seen['path']} of {seen['event_id']}"
        yield one_line(f"  {value['path']} = {value['value'][:80]}: {where}")
    yield ""
    yield "what may have made it happen" if told["origins"] else "no text may have made it happen"
    for number, origin in enumerate(told["origins"], 1):
        yield one_line(
            f"  {number}. {origin['points']:g} points: {origin['source']} ({origin['trust']}), "
            f"{origin['path']} of {origin['event_id']}"
        )
        for reason in origin["reasons"]:
            yield one_line(f"     {reason['points']:+g} {reason['words']}")
    for cause in told["causes"]:
        yield one_line(f"  caused by {cause['kind'] or 'an event not here'} {cause['event_id']}")


@click.command()
@click.option("--since", help="Only sessions with an event since: 2026-05-04 or 2h. UTC.")
@click.option("--until", help="Only sessions with an event before; a day counts whole.")
@click.option("--workflow", help="Only sessions of this workflow.")
@click.option("--all", "is_all", is_flag=True, help="With sessions in which nothing was found.")
@format_options
@click.pass_obj
def incidents(
    settings: Settings,
    since: str | None,
    until: str | None,
    workflow: str | None,
    is_all: bool,
    format_name: Format,
    width: int | None,
) -> int:
    """Rank sessions by how much the record says that content from outside took control.

    `taken_over`: an action obeyed a text from outside and not the person. `tried`: a text gave the
    agent orders, and none was carried out. Ends with 1 where a session was taken over.
    """
    from locard.query import connect, terminal_width, write_rows
    from locard.query.moments import moment
    from locard.query.provenance import find_incidents

    now = utc_now()
    with connect(settings.lake_place) as connection:
        found = find_incidents(
            connection,
            moment(since, now) if since else None,
            moment(until, now, is_end=True) if until else None,
            workflow,
            is_all=is_all,
        )
    query = asked("incidents", since=since, until=until, workflow=workflow, all=is_all or None)
    note_read(settings, query, len(found))
    stream = inert_stdout()
    rows: list[list[Any]] = [
        [
            one.session_id,
            one.verdict,
            one.points,
            list(dict.fromkeys(judged.deed.tool for judged in one.obeying)),
            one.origin.passage.event_id if one.origin else None,
            one.origin.passage.source if one.origin else None,
            [reason.words for reason in one.origin.reasons] if one.origin else [],
            [judged.deed.event_id for judged in one.obeying],
        ]
        for one in found
    ]
    columns = list(_INCIDENT_COLUMNS)
    if format_name == "table":
        columns = ["session_id", "verdict", "points", "tools", "explain", "origin", "reasons"]
        rows = [
            [*row[:4], " ".join(one[:8] for one in row[7]), row[5], "; ".join(row[6])]
            for row in rows
        ]
    write_rows(columns, rows, format_name, stream, width=width or terminal_width(stream))
    tell_unsealed(settings)
    return int(any(one.verdict == "taken_over" for one in found))
