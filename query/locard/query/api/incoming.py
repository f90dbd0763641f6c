"""What of a request is taken: a body of a few pages, and parameters that the page has."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from locard.query.api.answers import answer

MOST_BYTES: Final = 1 << 20
_TOO_LONG: Final = f"the body has more than {MOST_BYTES:,} bytes; send less"


class LimitedBodies:
    """Reads bodies up to `MOST_BYTES`, whoever sends them; a middleware.

    It stands before the check of the token, which comes after the body was read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > MOST_BYTES:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            await answer({"error": _TOO_LONG}, status)(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LONG)
            return message

        await self._app(scope, limited, send)


async def only_known_parameters(request: Request) -> None:
    """Return if every parameter in the address is one that this page has.

    Raises:
        HTTPException: 422, one is not: a slip would otherwise ask for everything.
    """
    known = sorted(field.alias for field in request.scope["route"].dependant.query_params)
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        there_are = f"it has {', '.join(known)}" if known else "it has none"
        raise HTTPException(
            422, f"this page has no such parameter as one that was sent; {there_are}"
        )
