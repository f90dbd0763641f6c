"""`locard case` and `locard runbook`: what responders find, suppose and say, with who and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from locard.cli.questions import SELECTORS, asked, format_options, inert_stdout, selection_options
from locard.cli.settings import Settings
from locard.cli.trail import note_access, note_read
from locard.schema import utc_now

if TYPE_CHECKING:
    from locard.query import Format
    from locard.query.cases import Cases, Entry

_LISTED: Final = ("case", "status", "opened_at", "opened_by", "title", "pins", "entries")
_ENTRY: Final = ("number", "at", "author", "kind", "event_id", "text")
_RUNBOOKS: Final = ("exfiltration", "hijack", "identity", "leakage", "model", "tool")


@click.group()
def case() -> None:
    """Keep what is found, supposed and said about an incident."""


@case.command("open")
@click.argument("case_id")
@click.argument("title")
@click.pass_obj
def open_(settings: Settings, case_id: str, title: str) -> int:
    """Open a case."""
    from locard.ingest.operators import operator

    _note(settings, case_id, "open")
    cases_of(settings).open(case_id, title, operator())
    click.echo(f"{case_id} is open", err=True)
    return 0


@case.command("list")
@format_options
@click.pass_obj
def list_(settings: Settings, format_name: Format, width: int | None) -> int:
    """List all cases, those that were opened last first."""
    from locard.query import terminal_width, write_rows

    found = cases_of(settings).cases()
    note_read(settings, "case list", len(found))
    rows = [
        (one.case_id, one.status, one.opened_at, one.opened_by, one.title, len(one.pins),
         len(one.entries))
        for one in found
    ]  # fmt: skip
    stream = inert_stdout()
    write_rows(_LISTED, rows, format_name, stream, width=width or terminal_width(stream))
    return 0


@case.command()
@click.argument("case_id")
@format_options
@click.pass_obj
def show(settings: Settings, case_id: str, format_name: Format, width: int | None) -> int:
    """Show everything that was done in a case, in order."""
    from locard.query import terminal_width, write_rows

    found = cases_of(settings).case(case_id)
    note_read(settings, f"case show {case_id}", len(found.entries))
    stream = inert_stdout()
    rows = [[getattr(entry, name) for name in _ENTRY] for entry in found.entries]
    write_rows(_ENTRY, rows, format_name, stream, width=width or terminal_width(stream))
    return 0


def _on_events(name: str, kind: str, told: str, *, takes_text: bool = False) -> None:
    """Add a command that enters something about an event."""

    @case.command(name, help=told)
    @click.argument("case_id")
    @click.argument("event_id")
    @click.argument("text", nargs=1 if takes_text else -1)
    @click.pass_obj
    def enter(settings: Settings, case_id: str, event_id: str, text: Any) -> int:
        event, session = _found(settings, case_id, event_id)
        said = text if takes_text else " ".join(text) or None
        _enter(settings, case_id, kind, event_id=event, session_id=session, text=said)
        return 0


def _found(settings: Settings, case_id: str, event_id: str) -> tuple[str, str]:
    """Return the whole id of an event that a case may be about, and that of its session."""
    from locard.query import connect
    from locard.query.provenance.explanation import find_event

    workflows = cases_of(settings).case(case_id).workflows
    with connect(settings.lake_place, workflows=workflows) as connection:
        return find_event(connection, event_id)


_on_events("pin", "pinned", "Pin an event to a case.")
_on_events("unpin", "unpinned", "Take an event off a case; that it was pinned stays told.")
_on_events("star", "starred", "Mark an event as important.")
_on_events("unstar", "unstarred", "Mark it no more.")
_on_events("tag", "tagged", "Give an event a tag.", takes_text=True)
_on_events("untag", "untagged", "Take a tag off an event.", takes_text=True)


@case.command()
@click.argument("case_id")
@click.argument("text")
@click.option("--event", "event_id", help="The event that it is about.")
@click.pass_obj
def comment(settings: Settings, case_id: str, text: str, event_id: str | None) -> int:
    """Say something."""
    event, session = _found(settings, case_id, event_id) if event_id else (None, None)
    _enter(settings, case_id, "comment", text=text, event_id=event, session_id=session)
    return 0


@case.command()
@click.argument("case_id")
@click.argument("text")
@click.pass_obj
def hypothesis(settings: Settings, case_id: str, text: str) -> int:
    """Suppose something; `settle` says what became of it."""
    entry = _enter(settings, case_id, "hypothesis", text=text)
    click.echo(f"it is entry {entry.number}; `locard case settle` takes this number", err=True)
    return 0


@case.command()
@click.argument("case_id")
@click.argument("number", type=int)
@click.argument("text")
@click.pass_obj
def settle(settings: Settings, case_id: str, number: int, text: str) -> int:
    """Say what became of a hypothesis, by the number of its entry."""
    _enter(settings, case_id, "settled", text=text, data={"hypothesis": number})
    return 0


@case.command()
@click.argument("case_id")
@click.argument("status", type=click.Choice(("open", "contained", "closed")))
@click.pass_obj
def status(settings: Settings, case_id: str, status: str) -> int:
    """Say how far it is."""
    _enter(settings, case_id, "status", text=status)
    return 0


@case.command()
@click.argument("case_id")
@click.argument("name")
@selection_options
@click.pass_obj
def view(settings: Settings, /, case_id: str, name: str, **given: str | None) -> int:
    """Save under a name what a timeline selects."""
    told = {option: given[option] for option in SELECTORS if given.get(option)}
    _enter(settings, case_id, "view", text=name, data=dict(told))
    return 0


@case.command()
@click.argument("case_id")
@click.option(
    "--as", "form", type=click.Choice(("markdown", "html", "jsonl")), default="markdown",
    show_default=True, help="The form.",
)  # fmt: skip
@click.pass_obj
def export(settings: Settings, case_id: str, form: str) -> int:
    """Write a case with everything in it to standard output."""
    from locard.query import connect
    from locard.query.cases import export as exports
    from locard.query.cases.pinned import NOTHING_PINNED, pinned

    found = cases_of(settings).case(case_id)
    events, standing = NOTHING_PINNED
    if found.sessions:  # a case can be exported where there is no lake
        with connect(settings.lake_place, workflows=found.workflows) as connection:
            events, standing = pinned(connection, found, settings.lake_place)
    note_access(
        settings, "export", row_count=len(found.entries) + len(events), case_id=case_id,
        purpose=None, told={}, query=f"case export {case_id} --as {form}",
    )  # fmt: skip
    write = {"markdown": exports.markdown, "html": exports.html, "jsonl": exports.json_lines}[form]
    inert_stdout().write(write(found, events, standing))
    return 0


@click.command()
@click.argument("name", type=click.Choice(_RUNBOOKS))
@click.option("--session", "given", required=True, help="The session that it is about.")
@click.option("--case", "case_id", help="The case that is filled in with what was found.")
@format_options
@click.pass_obj
def runbook(
    settings: Settings,
    name: str,
    given: str,
    case_id: str | None,
    format_name: Format,
    width: int | None,
) -> int:
    """Ask the questions of a runbook about a session, and fill in a case with the answers."""
    from locard.ingest.operators import operator
    from locard.query import connect, find_session, terminal_width, write_rows
    from locard.query.runbooks import follow
    from locard.query.runbooks import runbook as named

    cases = cases_of(settings)
    if case_id:
        cases.case(case_id)
    with connect(settings.lake_place) as connection:
        session = find_session(connection, given)
        done = list(follow(connection, named(name), session, utc_now(), settings.lake_place))
    query = asked(f"runbook {name}", session=session, case=case_id)
    note_read(settings, query, sum(len(one.answer.rows) for one in done if one.answer))
    rows = []
    for number, one in enumerate(done, 1):
        if case_id:
            cases.add(case_id, operator(), "run", text=one.step.name, data=one.data())
        found = f"{len(one.answer.rows)} rows" if one.answer else f"no {one.lacking} is known"
        command = " ".join([one.step.name, *(f"{k}={v}" for k, v in one.step.given.items())])
        rows.append((number, one.step.why, found, f"locard ask {command}" if one.answer else None))
    stream = inert_stdout()
    columns = ("step", "why", "found", "again")
    write_rows(columns, rows, format_name, stream, width=width or terminal_width(stream))
    for one in done[:1]:
        if one.answer:
            click.echo(one.answer.standing.sentence(), err=True)
    return 0


def _enter(settings: Settings, case_id: str, kind: str, **told: Any) -> Entry:
    from locard.ingest.operators import operator

    _note(settings, case_id, kind)
    return cases_of(settings).add(case_id, operator(), kind, **told)


def _note(settings: Settings, case_id: str, kind: str) -> None:
    """Have in the log that somebody works on a case; what they write stays in the case."""
    note_access(
        settings, "case", row_count=None, case_id=case_id, purpose=None, told={"entry": kind}
    )


def cases_of(settings: Settings) -> Cases:
    """Return the cases of this installation."""
    from locard.query.cases import open_cases

    url = settings.cases_url
    return open_cases(url.get_secret_value() if url else settings.home / "cases.sqlite")
