"""The collector API: events come in over HTTP and are durable in the event log before the answer.

A 200 says of each event that it is in the log or why it never can be. Anything else says that none
of the request may be taken for stored: the sender keeps the events and sends them again, which
does no harm, since events are told apart by their id.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from locard.ingest.eventlog import EventLogWriter
from locard.ingest.intake import (
    BODY_TOO_LARGE,
    DEFAULT_INTAKE_LIMITS,
    TOO_MANY_EVENTS,
    Form,
    Intake,
    IntakeLimits,
    decompress,
    take_in,
)
from locard.ingest.observability import CollectorMetrics
from locard.schema import CannotContinue, LocardError, RejectedRecord

log = logging.getLogger(__name__)

_FORM_OF_MEDIA_TYPE: Final[dict[str, Form]] = {
    "application/json": "array",
    "application/x-ndjson": "lines",
}
_TOO_LARGE: Final = frozenset({BODY_TOO_LARGE, TOO_MANY_EVENTS})
_RETRY_SOON: Final = {"Retry-After": "1"}
_RETRY: Final = {"Retry-After": "5"}
_RETRY_AFTER_REPAIR: Final = {"Retry-After": "60"}
_UNREAD_BODY: Final = {"Connection": "close"}  # the rest of it is not worth waiting for


@dataclass(frozen=True)
class CollectorLimits:
    """What the collector takes on.

    Args:
        intake: of one request.
        requests: worked on at once; together with `intake` it bounds the memory.
        appends: to the log at once; the embedded writer is one connection and takes one.
        seconds: that a sender may take for its body.
    """

    intake: IntakeLimits = DEFAULT_INTAKE_LIMITS
    requests: int = 8
    appends: int = 1
    seconds: float = 60.0


DEFAULT_LIMITS: Final = CollectorLimits()


def collector_app(
    writer: EventLogWriter,
    token: str,
    *,
    check_log: Callable[[], None] | None = None,
    limits: CollectorLimits = DEFAULT_LIMITS,
) -> FastAPI:
    """Return the application that appends what it is sent to an event log.

    Args:
        writer: the log; it stays the caller's to close.
        token: what senders have to present as `Authorization: Bearer …`.
        check_log: returns where the log can be reached and raises a `LocardError` where not;
            appending nothing by default.
    """
    if not token:
        raise ValueError("the collector needs a token")
    collector = _Collector(writer, check_log, limits)
    app = FastAPI(
        title="Locard collector",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={AnyHTTPException: _refused, Exception: _failed},
    )
    app.add_api_route(
        "/v1/events",
        collector.receive,
        methods=["POST"],
        dependencies=[Depends(_bearer(token))],
        response_model=None,
    )
    app.add_api_route("/healthz", _alive, response_model=None)
    app.add_api_route("/readyz", collector.ready, response_model=None)
    app.add_api_route("/metrics", collector.show_metrics, response_model=None)
    return app


class _Collector:
    """The handlers and what they share."""

    def __init__(
        self,
        writer: EventLogWriter,
        check_log: Callable[[], None] | None,
        limits: CollectorLimits,
    ) -> None:
        self._writer = writer
        self._check_log = check_log or self._append_nothing
        self._limits = limits
        self._appending = threading.BoundedSemaphore(limits.appends)
        self._under_way = 0
        self._metrics = CollectorMetrics()

    async def receive(self, request: Request) -> Response:
        """Answer `POST /v1/events`."""
        status = 500
        try:
            response = await self._receive(request)
            status = response.status_code
        except AnyHTTPException as error:
            status = error.status_code
            raise
        finally:
            self._metrics.requests.labels(str(status)).inc()
        return response

    async def _receive(self, request: Request) -> Response:
        form, is_compressed = _encoding(request.headers)
        if self._under_way >= self._limits.requests:
            raise HTTPException(
                503, "the collector is busy; send again", _RETRY_SOON | _UNREAD_BODY
            )
        self._under_way += 1
        try:
            body = await _read_body(request, self._limits)
            intake = await run_in_threadpool(self._store, body, form, is_compressed)
        except RejectedRecord as error:
            raise HTTPException(
                413 if error.error_class in _TOO_LARGE else 400, str(error)
            ) from None
        except LocardError as error:
            log.warning("events were turned away: %s", error)
            hint = _RETRY_AFTER_REPAIR if isinstance(error, CannotContinue) else _RETRY
            raise HTTPException(503, str(error), hint) from None
        finally:
            self._under_way -= 1
        self._metrics.accepted.inc(len(intake.records))
        for error_class, count in Counter(r.error_class for r in intake.rejected).items():
            self._metrics.rejected.labels(error_class).inc(count)
        return JSONResponse(
            {"accepted": len(intake.records), "rejected": [asdict(r) for r in intake.rejected]}
        )

    def _store(self, body: bytes, form: Form, is_compressed: bool) -> Intake:
        """Return when the body's acceptable events are durable."""
        limits = self._limits.intake
        data = decompress(body, limits.decompressed_bytes) if is_compressed else body
        intake = take_in(data, form, limits)
        if intake.records:
            with self._appending, self._metrics.append_seconds.time():
                self._writer.append(intake.records)
        return intake

    async def ready(self) -> Response:
        """Answer `GET /readyz`: whether events could be stored now."""
        try:
            await run_in_threadpool(self._check_log)
        except LocardError as error:
            log.warning("not ready: %s", error)
            raise HTTPException(
                503, "the event log cannot be used; see the collector's own log", _RETRY
            ) from None
        return JSONResponse({"status": "ready"})

    def _append_nothing(self) -> None:
        with self._appending:
            self._writer.append([])

    async def show_metrics(self) -> Response:
        """Answer `GET /metrics`."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _encoding(headers: Mapping[str, str]) -> tuple[Form, bool]:
    """Return how the events of a body are laid out, and whether it is compressed."""
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if media_type not in _FORM_OF_MEDIA_TYPE:
        raise HTTPException(
            415, f"send one of the media types {', '.join(_FORM_OF_MEDIA_TYPE)}", _UNREAD_BODY
        )
    if encoding not in ("gzip", "identity"):
        raise HTTPException(415, "send the body as it is or as gzip", _UNREAD_BODY)
    return _FORM_OF_MEDIA_TYPE[media_type], encoding == "gzip"


async def _read_body(request: Request, limits: CollectorLimits) -> bytes:
    """Return the body, holding no more of it than the limit and waiting no longer than allowed."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.intake.body_bytes:
                    raise HTTPException(
                        413,
                        f"the body is over the limit of {limits.intake.body_bytes:,} bytes; "
                        "send fewer events at once",
                        _UNREAD_BODY,
                    )
                chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(408, "the body took too long; send it again", _UNREAD_BODY) from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away before its body had ended") from None
    return b"".join(chunks)


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
                {"WWW-Authenticate": "Bearer"} | _UNREAD_BODY,
            )

    return check


async def _alive() -> Response:
    return JSONResponse({"status": "alive"})


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, AnyHTTPException):
        raise TypeError("not an HTTP error")
    is_ours = isinstance(error, HTTPException)
    told = error.detail if is_ours else "there is no such page, or not with this method"
    return JSONResponse({"error": told}, error.status_code, error.headers)


async def _failed(_: Request, __: Exception) -> Response:
    # The error's text is not told: it may quote what was sent.
    return JSONResponse({"error": "the collector failed; see its own log"}, 500)
