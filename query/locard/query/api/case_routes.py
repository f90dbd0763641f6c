"""Cases over HTTP: opened, read, added to, filled in by runbooks, and exported.

Whoever opens a case gives it their own scope: a case has workflows, and only callers who may see
all of them see it. What is entered about an event is entered only if the event is in that scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal

from fastapi import HTTPException, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from locard.query.api import questions
from locard.query.api.answers import HEADERS, answer, objects, shown
from locard.query.api.callers import Caller
from locard.query.api.failures import not_found, understood
from locard.query.api.models import Following, NewCase, NewEntry
from locard.query.api.trail import Noting
from locard.query.api.turns import Turns
from locard.query.cases import Case, Cases, Entry
from locard.query.cases import export as exports
from locard.query.runbooks import runbook
from locard.schema import LocardError, rfc3339, utc_now

CaseId = Annotated[str, Path(min_length=1, max_length=100)]
Form = Literal["markdown", "html", "jsonl"]
_ENTRY: Final = ("number", "at", "author", "kind", "event_id", "session_id", "text", "data")
_FORMS: Final = {
    "markdown": (exports.markdown, "text/markdown"),
    "html": (exports.html, "text/html"),
    "jsonl": (exports.json_lines, "application/x-ndjson"),
}


class CaseRoutes:
    """The handlers."""

    def __init__(self, cases: Cases, turns: Turns, noting: Noting) -> None:
        self._cases = cases
        self._turns = turns
        self._noting = noting

    async def list_all(self, request: Request) -> Response:
        """List the cases that the caller may see, those that were opened last first."""

        def told() -> Response:
            with _database():
                found = [one for one in self._cases.cases() if _may_see(request, one)]
            self._noting.note(request, len(found))
            return shown(request, {}, [_summary(one) for one in found])

        return await run_in_threadpool(told)

    async def open(self, request: Request, given: NewCase) -> Response:
        """Open a case."""
        caller: Caller = request.state.caller

        def opened() -> Response:
            with _database():
                if self._cases.find(given.case_id) is not None:
                    raise HTTPException(409, "there is a case of this id already; choose another")
            self._noting.note(request, 0)
            with _database(), understood():
                case = self._cases.open(
                    given.case_id, given.title, caller.name, workflows=caller.workflows
                )
            return answer({**_summary(case), "rows": _entries(case.entries)}, 201)

        return await run_in_threadpool(opened)

    async def show(self, request: Request, case_id: CaseId) -> Response:
        """Show everything that was done in a case, in order."""

        def told() -> Response:
            case = self._case(request, case_id)
            self._noting.note(request, len(case.entries))
            return shown(request, _summary(case), _entries(case.entries))

        return await run_in_threadpool(told)

    async def add(self, request: Request, case_id: CaseId, given: NewEntry) -> Response:
        """Add something to a case: a pin, a star, a tag, a comment, a hypothesis, a status."""
        caller: Caller = request.state.caller
        case = await run_in_threadpool(self._case, request, case_id)

        def add(event_id: str | None, session_id: str | None) -> Response:
            self._noting.note(request, 0)
            with _database(), understood():
                entry = self._cases.add(
                    case_id,
                    caller.name,
                    given.kind,
                    event_id=event_id,
                    session_id=session_id,
                    text=given.text,
                    data=given.data,
                )
            return answer({"rows": _entries((entry,))}, 201)

        found: tuple[str | None, str | None] = (None, None)
        if given.event_id is not None:
            found = await self._turns.ask(
                request, questions.find_event, case.workflows, event_id=given.event_id
            )
        return await run_in_threadpool(add, *found)

    async def export(self, request: Request, case_id: CaseId, form: Form = "markdown") -> Response:
        """Write a case with everything in it, comments and pinned events included."""
        case = await run_in_threadpool(self._case, request, case_id)

        events, standing = await self._turns.ask(
            request, questions.pinned, case.workflows, case=case
        )

        def written() -> Response:
            write, media_type = _FORMS[form]
            text = write(case, events, standing)
            self._noting.note(request, len(case.entries) + len(events))
            name = f'attachment; filename="{case_id}.{form}"'
            headers = {**HEADERS, "Content-Disposition": name}  # no browser shows it from here
            return Response(text, 200, headers, media_type=media_type)

        return await run_in_threadpool(written)

    async def follow(
        self, request: Request, name: Annotated[str, Path(max_length=50)], given: Following
    ) -> Response:
        """Take the steps of a runbook about a session, and fill in a case with what they gave."""
        with not_found():
            runbook(name)
        caller: Caller = request.state.caller
        case_id, scope = given.case_id, caller.workflows
        if case_id is not None:
            scope = (await run_in_threadpool(self._case, request, case_id)).workflows
        told = await self._turns.ask(
            request, questions.follow, scope, name=name, session=given.session, now=utc_now()
        )

        def kept() -> Response:
            self._noting.note(request, len(told))
            for row in told:
                if case_id is not None:
                    data = {key: value for key, value in row.items() if key != "why"}
                    name = data["question"]
                    with _database(), understood():
                        self._cases.add(case_id, caller.name, "run", text=name, data=data)
            return answer({"rows": told})

        return await run_in_threadpool(kept)

    def _case(self, request: Request, case_id: str) -> Case:
        with _database():
            found = self._cases.find(case_id)
        if found is None or not _may_see(request, found):
            raise HTTPException(404, "there is no such case; GET /v1/cases lists those there are")
        return found


def _may_see(request: Request, case: Case) -> bool:
    scope = request.state.caller.workflows
    return scope is None or (case.workflows is not None and case.workflows <= scope)


def _summary(case: Case) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "title": case.title,
        "status": case.status,
        "opened_at": rfc3339(case.opened_at),
        "opened_by": case.opened_by,
        "authors": case.authors,
        "sessions": case.sessions,
        "pins": list(case.pins),
        "stars": sorted(case.stars),
        "tags": {event: list(names) for event, names in case.tags.items()},
        "workflows": None if case.workflows is None else sorted(case.workflows),
        "entries": len(case.entries),
    }


def _entries(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    return objects(_ENTRY, ([getattr(entry, name) for name in _ENTRY] for entry in entries))


@contextmanager
def _database() -> Iterator[None]:
    """Turn what the database of cases raises into a 503; its own log says more."""
    try:
        yield
    except LocardError as error:
        raise HTTPException(503, "cases cannot be reached now; try again") from error
