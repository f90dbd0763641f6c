"""The questions that can be asked over HTTP, one method for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import HTTPException, Path, Query, Request, Response

from locard.query.api.answers import answer, objects, wants_lines
from locard.query.api.callers import AUDITED, Caller, Permission
from locard.query.api.failures import not_found, understood
from locard.query.api.models import Ask, Statement
from locard.query.api.pages import Page, page
from locard.query.api.trail import Noting
from locard.query.api.turns import Lake, Turns
from locard.query.catalogue import ask, catalogue
from locard.query.gaps import GAP_COLUMNS, find_gaps
from locard.query.inventory import INVENTORY_COLUMNS, inventory
from locard.query.moments import moment
from locard.query.provenance import (
    EXPLANATION_VERSION,
    REACH_COLUMNS,
    explain,
    find_incidents,
    origin_told,
    reach,
)
from locard.query.selection import Selection
from locard.query.standing import Standing, seal_state, standing
from locard.query.statements import run
from locard.query.timeline import TIMELINE_COLUMNS, TIMELINE_VERSION, timeline
from locard.schema import CannotContinue, utc_now

ROW_COLUMNS: Final = (*TIMELINE_COLUMNS, "fields")
_SESSIONS: Final = "SELECT * FROM sessions ORDER BY started_at DESC, session_id"
_INCIDENT_COLUMNS: Final = ("session_id", "verdict", "points", "tools", "origin", "obeying")

Limit = Annotated[int, Query(ge=1, le=10_000, description="How many rows a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`cursor` of the page before.")]
Text = Annotated[str | None, Query(max_length=10_000)]
EventId = Annotated[str, Path(min_length=8, max_length=200)]


class Routes:
    """The handlers. Each question opens the lake anew, so it sees what was published last."""

    def __init__(self, turns: Turns, noting: Noting) -> None:
        self._noting = noting
        self._turns = turns

    async def sessions(
        self, request: Request, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """List sessions, the newest first."""
        wanted = page(request, cursor, limit)

        def question(lake: Lake) -> Response:
            found = lake.connection.execute(_SESSIONS)
            columns = [column[0] for column in found.description or ()]
            rows = objects(columns, found.fetchall())
            return self._page(request, lake, wanted, rows, self._of_all(lake))

        return await self._ask(request, question, wanted)

    async def session_timeline(self, request: Request, session_id: str) -> Response:
        """Tell what happened in a session, in order."""

        def question(lake: Lake) -> Response:
            selection = Selection(session_id=session_id)
            stands = standing(lake.connection, selection, lake.place)
            rows = timeline(lake.connection, selection, gaps=stands.gaps)
            if not rows:
                raise HTTPException(
                    404, "the lake has no session of this name; GET /v1/sessions lists those it has"
                )
            told = objects(ROW_COLUMNS, ([getattr(r, n) for n in ROW_COLUMNS] for r in rows))
            rest = {"session_id": session_id, **_versioned(TIMELINE_VERSION, stands)}
            return self._noting.answer(request, rest, told)

        return await self._ask(request, question)

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
        wanted = page(request, cursor, limit)
        now = utc_now()
        with understood():
            selection = Selection(
                session, trace, agent, workflow, person, tool, value, document,
                moment(since, now) if since else None,
                moment(until, now, is_end=True) if until else None,
            )  # fmt: skip
            selection.condition()

        def question(lake: Lake) -> Response:
            stands = standing(lake.connection, selection, lake.place)
            rows = timeline(lake.connection, selection, gaps=stands.gaps)
            told = objects(ROW_COLUMNS, ([getattr(r, n) for n in ROW_COLUMNS] for r in rows))
            rest = _versioned(TIMELINE_VERSION, stands)
            return self._page(request, lake, wanted, told, rest)

        return await self._ask(request, question, wanted)

    async def explanation(
        self, request: Request, event_id: EventId, session: Text = None
    ) -> Response:
        """Tell what made an action happen."""

        def question(lake: Lake) -> Response:
            with not_found():
                told = explain(lake.connection, event_id, session)
            stands = standing(lake.connection, Selection(session_id=told["session_id"]), lake.place)
            rest = {"version": EXPLANATION_VERSION, "standing": stands.object()}
            return self._noting.answer(request, rest, [told])

        return await self._ask(request, question)

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

        def question(lake: Lake) -> Response:
            with not_found():
                found = reach(lake.connection, event_id, session)
            told = objects(REACH_COLUMNS, ([getattr(r, n) for n in REACH_COLUMNS] for r in found))
            return self._page(request, lake, wanted, told, self._of_all(lake))

        return await self._ask(request, question, wanted)

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
        wanted = page(request, cursor, limit)
        now = utc_now()
        with understood():
            begin = moment(since, now) if since else None
            end = moment(until, now, is_end=True) if until else None

        def question(lake: Lake) -> Response:
            found = find_incidents(lake.connection, begin, end, workflow)
            rows = (
                (
                    one.session_id, one.verdict, one.points,
                    list(dict.fromkeys(judged.deed.tool for judged in one.obeying)),
                    origin_told(one.origin) if one.origin else None,
                    [judged.deed.event_id for judged in one.obeying],
                )
                for one in found
            )  # fmt: skip
            told = objects(_INCIDENT_COLUMNS, rows)
            return self._page(request, lake, wanted, told, self._of_all(lake))

        return await self._ask(request, question, wanted)

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
        with understood():
            found.bound(given.parameters, utc_now())
        wanted = page(request, cursor, limit, given.model_dump_json().encode())

        def question(lake: Lake) -> Response:
            with not_found():
                told = ask(lake.connection, found, given.parameters, utc_now(), lake.place)
            rows = objects(told.columns, told.rows)
            rest = {"question": name, "standing": told.standing.object()}
            return self._page(request, lake, wanted, rows, rest)

        return await self._ask(request, question, wanted)

    async def inventory(
        self, request: Request, limit: Limit = 1000, cursor: Cursor = None
    ) -> Response:
        """List what is in use."""
        wanted = page(request, cursor, limit)

        def question(lake: Lake) -> Response:
            items = inventory(lake.connection)
            rows = ([getattr(item, name) for name in INVENTORY_COLUMNS] for item in items)
            told = objects(INVENTORY_COLUMNS, rows)
            return self._page(request, lake, wanted, told, self._of_all(lake))

        return await self._ask(request, question, wanted)

    async def gaps(self, request: Request, limit: Limit = 1000, cursor: Cursor = None) -> Response:
        """List what was recorded and is missing."""
        wanted = page(request, cursor, limit)

        def question(lake: Lake) -> Response:
            _, rows = find_gaps(lake.connection)
            told = objects(GAP_COLUMNS, rows)
            return self._page(request, lake, wanted, told, self._of_all(lake))

        return await self._ask(request, question, wanted)

    async def sql(self, request: Request, given: Statement, limit: Limit = 1000) -> Response:
        """Run a statement that only reads the lake's views; at most `limit` rows come back."""

        def question(lake: Lake) -> Response:
            try:
                told = next(run(lake.connection, given.statement, only_one=True, only_views=True))
                rows = objects(told.columns, islice(told.rows, limit + 1))
            except CannotContinue as error:
                if "interrupted" in str(error):  # by whoever waited too long
                    raise
                raise HTTPException(422, str(error)) from None
            rest = {"is_cut": len(rows) > limit, **self._of_all(lake)}
            return self._noting.answer(request, rest, rows[:limit], given.statement)

        return await self._ask(request, question)

    async def ready(self, request: Request) -> Response:
        """Tell whether the lake can be read."""
        try:
            return await self._turns.ask(request, lambda _: answer({"status": "ready"}), None)
        except HTTPException:
            raise HTTPException(503, "the lake cannot be read; see the API's own log") from None

    async def _ask(self, request: Request, question: Any, wanted: Page | None = None) -> Response:
        caller: Caller = request.state.caller
        version = wanted.version if wanted else None
        return await self._turns.ask(request, question, caller.workflows, version)

    def _page(
        self,
        request: Request,
        lake: Lake,
        wanted: Page,
        rows: Sequence[Mapping[str, Any]],
        rest: Mapping[str, Any],
    ) -> Response:
        if wants_lines(request):
            return self._noting.answer(request, rest, rows[wanted.offset :])
        told = rows[wanted.offset : wanted.offset + wanted.limit]
        cursor = wanted.after(lake.version, len(rows))
        return self._noting.answer(request, {**rest, "cursor": cursor}, told)

    def _of_all(self, lake: Lake) -> dict[str, Any]:
        return {"standing": seal_state(lake.place).object()}


def _versioned(version: str, stands: Standing) -> dict[str, Any]:
    return {"version": version, "standing": stands.object()}
