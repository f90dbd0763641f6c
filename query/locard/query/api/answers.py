"""What goes out: JSON that no terminal and no browser acts on, and errors in one line.

What is answered was written by attackers in part. JSON escapes everything beyond ASCII, and the
headers forbid browsers to take it for anything else, to keep it or to load anything for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import StreamingResponse
from starlette.routing import Match, Route

from locard.query.values import distinct, plain

NDJSON: Final = "application/x-ndjson"
FAILED: Final = "the API failed; see its own log"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(content: Mapping[str, Any], status: int = 200) -> Response:
    """Return an answer with this content."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False)
    return Response(text, status, HEADERS, media_type="application/json")


def lines(first: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Response:
    """Return rows as a stream of JSON lines, after a first line with all that is no row."""

    def told() -> Iterator[str]:
        yield json.dumps(first, ensure_ascii=True, allow_nan=False) + "\n"
        for row in rows:
            yield json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n"

    return StreamingResponse(told(), 200, HEADERS, media_type=NDJSON)


def shown(request: Request, rest: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Response:
    """Return rows, and all that is no row, as the caller wants them."""
    return lines(rest, rows) if wants_lines(request) else answer({**rest, "rows": rows})


def objects(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return rows of DuckDB as JSON has them."""
    names = distinct(columns)
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def wants_lines(request: Request) -> bool:
    """Return whether the caller asks for a stream."""
    return NDJSON in request.headers.get("accept", "")


async def refused(request: Request, error: Exception) -> Response:
    """Answer an error of ours, or a page that is not there."""
    if not isinstance(error, AnyHTTPException):
        raise TypeError("not an HTTP error")
    if isinstance(error, HTTPException):
        told = error.detail
    elif error.status_code == HTTPStatus.BAD_REQUEST:
        told = "the body cannot be read; send JSON in UTF-8"
    else:
        told = "there is no such page, or not with this method"
    response = answer({"error": told}, error.status_code)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """Return what can be done with a page; Starlette tells only what its first route takes."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


async def misunderstood(_: Request, error: Exception) -> Response:
    """Answer a parameter that is none; it is not repeated."""
    if not isinstance(error, RequestValidationError):
        raise TypeError("not an error of a parameter")
    first = error.errors()[0]
    where = first["loc"][-1] if first["loc"] else "body"
    return answer({"error": f"parameter `{where}`: {first['msg']}; correct it"}, 422)


async def failed(_: Request, __: Exception) -> Response:
    """Answer what nobody foresaw; the error's text is not told, since it may quote the record."""
    return answer({"error": FAILED}, 500)
