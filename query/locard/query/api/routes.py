"""The questions that can be asked over HTTP, one method for each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import HTTPException, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from locard.query.api import questions
from locard.query.api.answers import answer, shown, wants_lines
from locard.query.api.callers import AUDITED, Caller, Permission
from locard.query.api.failures import understood
from locard.query.api.models import Ask, Statement
from locard.query.api.pages import Page, page
from locard.query.api.questions import Question, Told
from locard.query.api.trail import Noting
from locard.query.api.turns import Turns
from locard.query.catalogue import catalogue
from locard.query.moments import moment
from locard.query.selection import Selection
from locard.schema import utc_now

Limit = Annotated[int, Query(ge=1, le=10_000, description="How many rows a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`cursor` of the page before.")]
Text = Annotated[str | None, Query(max_length=10_000)]
EventId = Annotated[str, Path(min_length=8, max_length=200)]


class Routes:
    """The handlers. Each question is about the newest version of the lake, unless a page is not."""

    def __init__(self, turns: Turns, noting: Noting) -> None:
        self._noting = noting
        self._turns = turns

    async def sessions(
        self, request: Request, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """List sessions, the newest first."""
        return await self._page(request, questions.sessions, page(request, cursor, limit))

    async def session_timeline(self, request: Request, session_id: str) -> Response:
        """Tell what happened in a session, in order."""
        return await self._whole(request, questions.session_timeline, session_id=session_id)

    async def timeline(
        self,
        request: Request,
        session: Text = None,
        trace: Text = None,
        agent: Text = None,
        workflow: Text = None,
        person: Text = None,
        tool: Text = None,
        value: Text = None,
        document: Text = None,
        since: Text = None,
        until: Text = None,
        limit: Limit = 1000,
        cursor: Cursor = None,
    ) -> Response:
        """Tell what happened, of all that is selected, in order."""
        with understood():
            begin, end = _window(since, until)
            selection = Selection(
                session, trace, agent, workflow, person, tool, value, document, begin, end
            )
            selection.condition()
        wanted = page(request, cursor, limit)
        return await self._page(request, questions.timeline, wanted, selection=selection)

    async def explanation(
        self, request: Request, event_id: EventId, session: Text = None
    ) -> Response:
        """Tell what made an action happen."""
        return await self._whole(request, questions.explanation, event_id=event_id, session=session)

    async def reach(
        self,
        request: Request,
        event_id: EventId,
        session: Text = None,
        limit: Limit = 1000,
        cursor: Cursor = None,
    ) -> Response:
        """Tell what the text of an event reached."""
        wanted = page(request, cursor, limit)
        return await self._page(
            request, questions.reach, wanted, event_id=event_id, session=session
        )

    async def incidents(
        self,
        request: Request,
        since: Text = None,
        until: Text = None,
        workflow: Text = None,
        limit: Limit = 1000,
        cursor: Cursor = None,
    ) -> Response:
        """Rank sessions by how much the record says that content from outside took control."""
        with understood():
            begin, end = _window(since, until)
        wanted = page(request, cursor, limit)
        return await self._page(
            request, questions.incidents, wanted, since=begin, until=end, workflow=workflow
        )

    async def questions(self) -> Response:
        """List the questions of the catalogue."""
        told = [
            {
                "number": one.number,
                "name": one.name,
                "asks": one.asks,
                "needs": [p.name for p in one.needs],
                "one_of": [p.name for p in one.one_of],
                "optional": [p.name for p in one.optional],
                "sql": one.sql,
            }
            for one in catalogue().values()
        ]
        return answer({"rows": told, "cursor": None})

    async def ask(
        self,
        request: Request,
        name: Annotated[str, Path(max_length=50)],
        given: Ask,
        limit: Limit = 1000,
        cursor: Cursor = None,
    ) -> Response:
        """Ask a question of the catalogue."""
        found = catalogue().get(name)
        if found is None:
            raise HTTPException(404, "there is no such question; GET /v1/questions lists them")
        caller: Caller = request.state.caller
        if not caller.may(Permission.READ) and name not in AUDITED:
            raise HTTPException(403, f"the role {caller.role} may ask {', '.join(sorted(AUDITED))}")
        now = utc_now()
        with understood():
            found.bound(given.parameters, now)
        wanted = page(request, cursor, limit, given.model_dump_json().encode())
        return await self._page(
            request, questions.ask, wanted, name=name, parameters=given.parameters, now=now
        )

    async def inventory(
        self, request: Request, limit: Limit = 1000, cursor: Cursor = None
    ) -> Response:
        """List what is in use."""
        return await self._page(request, questions.inventory, page(request, cursor, limit))

    async def gaps(self, request: Request, limit: Limit = 1000, cursor: Cursor = None) -> Response:
        """List what was recorded and is missing."""
        return await self._page(request, questions.gaps, page(request, cursor, limit))

    async def sql(self, request: Request, given: Statement, limit: Limit = 1000) -> Response:
        """Run a statement that only reads the lake's views; at most `limit` rows come back."""
        caller: Caller = request.state.caller
        try:
            told: Told = await self._turns.ask(
                request,
                questions.sql,
                caller.workflows,
                statement=given.statement,
                limit=limit,
                most_bytes=self._turns.limits.bytes,
            )
        except HTTPException:
            # It may have read, and that it failed tells something too.
            await self._noted(request, 0, given.statement)
            raise
        await self._noted(request, len(told.rows), given.statement)
        return shown(request, told.rest, told.rows)

    async def ready(self, request: Request) -> Response:
        """Tell whether the lake can be read."""
        try:
            await self._turns.ask(request, questions.ready, None)
        except HTTPException:
            raise HTTPException(503, "the lake cannot be read; see the API's own log") from None
        return answer({"status": "ready"})

    async def _whole(
        self, request: Request, question: Question[..., Told], **given: Any
    ) -> Response:
        """Answer with all rows at once."""
        caller: Caller = request.state.caller
        told: Told = await self._turns.ask(request, question, caller.workflows, **given)
        await self._noted(request, len(told.rows))
        return shown(request, told.rest, told.rows)

    async def _page(
        self, request: Request, question: Question[..., Told], wanted: Page, **given: Any
    ) -> Response:
        """Answer with a page of rows, or with all of them from there on as a stream."""
        caller: Caller = request.state.caller
        part = wanted.offset, None if wants_lines(request) else wanted.limit
        told: Told = await self._turns.ask(
            request, question, caller.workflows, wanted.version, part, **given
        )
        await self._noted(request, len(told.rows))
        rest = dict(told.rest)
        if not wants_lines(request):
            rest["cursor"] = wanted.after(told.version, told.count)
        return shown(request, rest, told.rows)

    async def _noted(self, request: Request, count: int, statement: str | None = None) -> None:
        await run_in_threadpool(self._noting.note, request, count, statement)


def _window(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    now = utc_now()
    return (
        moment(since, now) if since else None,
        moment(until, now, is_end=True) if until else None,
    )
