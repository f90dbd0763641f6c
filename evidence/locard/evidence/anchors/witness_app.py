"""The HTTP side of a witness: one endpoint, `POST /add-checkpoint`."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from locard.evidence.anchors.witness import Answer, Witness
from locard.schema import CannotContinue

_MOST_BYTES = 64 * 1024


def witness_app(witness: Witness) -> FastAPI:
    """Return the application that answers for a witness."""
    app = FastAPI(title="Locard witness", docs_url=None, redoc_url=None, openapi_url=None)

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                return _response(Answer(400, "the request is too long\n"))
        try:
            return _response(await run_in_threadpool(witness.add_checkpoint, body))
        except CannotContinue:
            return _response(Answer(503, "what was seen cannot be kept now; ask again\n"))

    app.add_api_route("/add-checkpoint", add_checkpoint, methods=["POST"])
    return app


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type)
