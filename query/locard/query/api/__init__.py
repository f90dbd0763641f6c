"""The HTTP API of questions, under `/v1`: see `docs/api.md`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException as AnyHTTPException

from locard.query.api.answers import answer, failed, misunderstood, refused
from locard.query.api.callers import Authority, Caller, OneToken, Permission, Role
from locard.query.api.case_routes import CaseRoutes
from locard.query.api.incoming import LimitedBodies, only_known_parameters
from locard.query.api.metrics import QueryMetrics
from locard.query.api.models import Problem, Rows
from locard.query.api.routes import Routes
from locard.query.api.trail import Noting, Reading, Trail
from locard.query.api.turns import Limits, Turns
from locard.query.cases import Cases
from locard.schema import LakePlace, LocardError

__all__ = ["Authority", "Caller", "Limits", "Permission", "Reading", "Role", "Trail", "query_app"]

_READ, _AUDIT, _CASES = Permission.READ, Permission.AUDIT, Permission.CASES
_EXPORT: Final[Mapping[str, Any]] = {
    "content": {
        kind: {"schema": {"type": "string"}}
        for kind in ("text/markdown", "text/html", "application/x-ndjson")
    },
    "description": "The case as a file.",
}
_TOLD: Final = {
    400: "The body is not JSON in UTF-8.",
    401: "The token is missing or wrong.",
    403: "The caller's role may not ask this.",
    404: "There is no such thing in what the caller may see.",
    409: "There is one of this id already.",
    413: "The body is too long.",
    422: "A parameter cannot be one.",
    503: "The lake, or the log that reading is recorded in, cannot be reached.",
    504: "It took too long and was stopped.",
}


class _Anything(Convertor[str]):
    """A session id in a path: slashes and, unlike in Starlette's `path`, line breaks included."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("session_id", _Anything())


def _no_trail(_: Reading) -> None:
    return


def query_app(
    lake: LakePlace,
    authority: Authority | str,
    trail: Trail = _no_trail,
    limits: Limits | None = None,
    cases: Cases | None = None,
) -> FastAPI:
    """Return the application that answers questions about the lake at this place.

    Args:
        authority: tells who presents `Authorization: Bearer …`; a text is the one token there is,
            whose holder may see everything.
        trail: is told of each answer before it goes out, one at a time.
        limits: what one question may take.
        cases: those that can be read and written; without them there are no such routes.

    Raises:
        ValueError: the one token is empty.
    """
    known = OneToken(authority) if isinstance(authority, str) else authority
    turns, noting = Turns(lake, limits or Limits()), Noting(trail)
    routes = Routes(turns, noting)
    metrics = QueryMetrics()
    app = FastAPI(
        title="Locard",
        description="What AI agents were asked, answered, did and decided: questions about it.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        exception_handlers={
            AnyHTTPException: refused,
            RequestValidationError: misunderstood,
            Exception: failed,
        },
    )
    app.add_middleware(LimitedBodies)
    app.middleware("http")(metrics.watch)
    paths: list[tuple[str, str, Callable[..., Awaitable[Response]], tuple[Permission, ...]]] = [
        ("GET", "/v1/sessions", routes.sessions, (_READ,)),
        ("GET", "/v1/sessions/{session_id:session_id}/timeline", routes.session_timeline, (_READ,)),
        ("GET", "/v1/timeline", routes.timeline, (_READ,)),
        ("GET", "/v1/events/{event_id}/explanation", routes.explanation, (Permission.INVESTIGATE,)),
        ("GET", "/v1/events/{event_id}/reach", routes.reach, (Permission.INVESTIGATE,)),
        ("GET", "/v1/incidents", routes.incidents, (Permission.INVESTIGATE,)),
        ("GET", "/v1/questions", routes.questions, (_READ, _AUDIT)),
        ("POST", "/v1/questions/{name}", routes.ask, (_READ, _AUDIT)),
        ("GET", "/v1/inventory", routes.inventory, (_READ, _AUDIT)),
        ("GET", "/v1/gaps", routes.gaps, (_READ, _AUDIT)),
        ("POST", "/v1/sql", routes.sql, (Permission.QUERY,)),
    ]
    if cases is not None:
        kept = CaseRoutes(cases, turns, noting)
        paths += [
            ("GET", "/v1/cases", kept.list_all, (_CASES,)),
            ("POST", "/v1/cases", kept.open, (_CASES,)),
            ("GET", "/v1/cases/{case_id}", kept.show, (_CASES,)),
            ("POST", "/v1/cases/{case_id}/entries", kept.add, (_CASES,)),
            ("GET", "/v1/cases/{case_id}/export", kept.export, (_CASES,)),
            ("POST", "/v1/runbooks/{name}", kept.follow, (Permission.INVESTIGATE,)),
        ]
    for method, path, handler, permissions in paths:
        app.add_api_route(
            path,
            handler,
            methods=[method],
            dependencies=[Depends(_bearer(known, permissions)), Depends(only_known_parameters)],
            response_model=None,
            responses=_responses(_EXPORT if path.endswith("/export") else {}),
            openapi_extra={"security": [{"token": []}]},
        )
    for path, plain_handler in (
        ("/healthz", _alive),
        ("/readyz", routes.ready),
        ("/metrics", metrics.show),
    ):
        app.add_api_route(path, plain_handler, response_model=None, include_in_schema=False)
    return app


def _responses(more: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": words} for status, words in _TOLD.items()
    }
    return {
        200: {"model": Rows, "description": "The answer.", **more},
        201: {"model": Rows, "description": "It is kept."},
        **told,
    }


def _bearer(
    authority: Authority, permissions: tuple[Permission, ...]
) -> Callable[[Request], Awaitable[None]]:
    """Return a check that a request presents a token whose role has one of the permissions."""

    async def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            is_bearer = scheme.lower() == "bearer"
            # In a thread, since looking it up may read a disk or ask a provider for its keys.
            caller = await run_in_threadpool(authority.caller, given.strip()) if is_bearer else None
        except LocardError:
            raise HTTPException(503, "tokens cannot be checked now; ask again") from None
        if caller is None:
            raise HTTPException(
                401,
                "the token is missing or wrong; send `Authorization: Bearer …`",
                {"WWW-Authenticate": "Bearer"},
            )
        if not any(caller.may(permission) for permission in permissions):
            needed = " or ".join(permissions)
            raise HTTPException(
                403, f"the role {caller.role} may not {needed}; ask an administrator for another"
            )
        request.state.caller = caller

    return check


async def _alive() -> Response:
    return answer({"status": "alive"})
