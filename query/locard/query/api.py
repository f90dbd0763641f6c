"""The HTTP API of questions: sessions and their timelines as JSON.

What it answers was written by attackers in part. JSON escapes everything beyond ASCII, and the
headers forbid browsers to take it for anything else, to keep it or to load anything for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Any, Final

import duckdb
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException as AnyHTTPException

from locard.query.lake import confine, connect
from locard.query.output import plain
from locard.query.timeline import TIMELINE_COLUMNS, timeline
from locard.schema import LakePlace, LocardError

log = logging.getLogger(__name__)

Answer = dict[str, Any]
Question = Callable[[duckdb.DuckDBPyConnection], Answer]

_AT_ONCE: Final = 4  # questions; each may use all cores and much memory
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SESSIONS: Final = "SELECT * FROM sessions ORDER BY started_at DESC, session_id LIMIT $1"
_ROW_COLUMNS: Final = (*TIMELINE_COLUMNS, "fields")


class _Anything(Convertor[str]):
    """A session id in a path: slashes and, unlike in Starlette's `path`, line breaks included."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("session_id", _Anything())


@dataclass(frozen=True)
class Reading:
    """What somebody is about to read.

    Args:
        query: what was asked.
        row_count: of the answer.
        case_id: the case that it is for, as the caller says (`Locard-Case`).
        purpose: why, likewise (`Locard-Purpose`).
    """

    query: str = field(repr=False)
    row_count: int
    case_id: str | None = field(repr=False)
    purpose: str | None = field(repr=False)


Trail = Callable[[Reading], None]
"""Records that somebody reads, durably; if it raises a `LocardError`, nobody sees the answer."""


def _no_trail(_: Reading) -> None:
    return


def query_app(lake: LakePlace, token: str, trail: Trail = _no_trail) -> FastAPI:
    """Return the application that answers questions about the lake at this directory.

    Args:
        token: what callers have to present as `Authorization: Bearer …`.
        trail: is told of each answer before it goes out, one at a time.
    """
    if not token:
        raise ValueError("the API needs a token")
    questions = _Questions(lake, trail)
    app = FastAPI(
        title="Locard",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            AnyHTTPException: _refused,
            RequestValidationError: _misunderstood,
            Exception: _failed,
        },
    )
    known = [Depends(_bearer(token))]
    for path, handler, dependencies in (
        ("/v1/sessions", questions.sessions, known),
        ("/v1/sessions/{session_id:session_id}/timeline", questions.timeline, known),
        ("/healthz", _alive, []),
        ("/readyz", questions.ready, []),
    ):
        app.add_api_route(path, handler, dependencies=dependencies, response_model=None)
    return app


class _Questions:
    """The handlers. Each question opens the lake anew, so it sees what was published last."""

    def __init__(self, lake: LakePlace, trail: Trail) -> None:
        self._lake = lake
        self._trail = trail
        self._noting = Lock()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def sessions(
        self, request: Request, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> Response:
        """Answer `GET /v1/sessions`: the newest first."""
        return await self._ask(lambda lake: _sessions(lake, limit), request)

    async def timeline(self, request: Request, session_id: str) -> Response:
        """Answer `GET /v1/sessions/…/timeline`: the session's events in order."""
        return await self._ask(lambda lake: _timeline(lake, session_id), request)

    async def ready(self) -> Response:
        """Answer `GET /readyz`: whether the lake can be read."""
        try:
            return await self._ask(_ready)
        except HTTPException:
            raise HTTPException(503, "the lake cannot be read; see the API's own log") from None

    async def _ask(self, question: Question, request: Request | None = None) -> Response:
        async with self._turns:
            return await run_in_threadpool(self._answered, question, request)

    def _answered(self, question: Question, request: Request | None) -> Response:
        try:
            with connect(self._lake) as lake:
                confine(lake)
                content = question(lake)
            if request is not None:
                with self._noting:
                    self._trail(_reading(request, content))
            return _answer(content)
        except LocardError as error:
            log.warning("a question was not answered: %s", error)
            raise HTTPException(503, str(error)) from None
        except duckdb.Error as error:  # its text may quote what was read
            log.warning("a question was not answered: %s", type(error).__name__)
            raise HTTPException(503, "the lake could not be read; ask again") from None


def _reading(request: Request, content: Answer) -> Reading:
    rows = next(value for value in content.values() if isinstance(value, list))
    query = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    case_id, purpose = (request.headers.get(name) for name in ("locard-case", "locard-purpose"))
    return Reading(f"{request.method} {query}", len(rows), case_id, purpose)


def _ready(lake: duckdb.DuckDBPyConnection) -> Answer:
    lake.execute("SELECT 1")
    return {"status": "ready"}


def _sessions(lake: duckdb.DuckDBPyConnection, limit: int) -> Answer:
    cursor = lake.execute(_SESSIONS, [limit])
    names = [column[0] for column in cursor.description or ()]
    return {"sessions": [_object(names, row) for row in cursor.fetchall()]}


def _timeline(lake: duckdb.DuckDBPyConnection, session_id: str) -> Answer:
    rows = timeline(lake, session_id)
    if not rows:
        raise HTTPException(
            404, "the lake has no session of this name; GET /v1/sessions lists those it has"
        )
    told = [_object(_ROW_COLUMNS, [getattr(row, name) for name in _ROW_COLUMNS]) for row in rows]
    return {"session_id": session_id, "rows": told}


def _object(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, map(plain, values), strict=True))


def _bearer(token: str) -> Callable[[Request], Awaitable[None]]:
    """Return a check that a request presents the token."""
    expected = token.encode()

    async def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_known = secrets.compare_digest(given.strip().encode("latin-1"), expected)
        if scheme.lower() != "bearer" or not is_known:
            raise HTTPException(
                401,
                "the token is missing or wrong; send `Authorization: Bearer …`",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


def _answer(content: Answer, status: int = 200) -> Response:
    text = json.dumps(content, ensure_ascii=True, allow_nan=False)
    return Response(text, status, _HEADERS, media_type="application/json")


async def _alive() -> Response:
    return _answer({"status": "alive"})


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, AnyHTTPException):
        raise TypeError("not an HTTP error")
    is_ours = isinstance(error, HTTPException)
    told = error.detail if is_ours else "there is no such page, or not with this method"
    response = _answer({"error": told}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _misunderstood(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError("not an error of a parameter")
    first = error.errors()[0]
    return _answer({"error": f"parameter `{first['loc'][-1]}`: {first['msg']}; correct it"}, 422)


async def _failed(_: Request, __: Exception) -> Response:
    # The error's text is not told: it may quote what was read.
    return _answer({"error": "the API failed; see its own log"}, 500)
