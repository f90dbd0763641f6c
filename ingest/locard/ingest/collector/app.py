"""The application: its pages, and the way of one request through them."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException as AnyHTTPException

from locard.ingest.collector.bodies import UNREAD_BODY, is_gzip, media_type, read_body
from locard.ingest.collector.credentials import Credential, Doubt, Gate
from locard.ingest.collector.endpoints import Endpoint, EventsEndpoint, error_answer
from locard.ingest.collector.limits import DEFAULT_LIMITS, Allowances, CollectorLimits
from locard.ingest.collector.metrics import CollectorMetrics
from locard.ingest.collector.openapi import openapi_document
from locard.ingest.collector.otlp import LogsEndpoint, TracesEndpoint
from locard.ingest.collector.refusals import refusal_records
from locard.ingest.collector.turns import Turns
from locard.ingest.elements import TOO_MANY_ELEMENTS
from locard.ingest.eventlog import EventLogWriter
from locard.ingest.identities import IdentityRegistry
from locard.ingest.intake import BODY_TOO_LARGE, TOO_MANY_EVENTS, Intake, decompress
from locard.ingest.otlp import Translator
from locard.ingest.spool import SpooledWriter
from locard.schema import CannotContinue, LocardError, RejectedRecord, RetryableError

log = logging.getLogger(__name__)

_TOO_LARGE: Final = frozenset({BODY_TOO_LARGE, TOO_MANY_ELEMENTS, TOO_MANY_EVENTS})
_RETRY: Final = {"Retry-After": "5"}
_RETRY_AFTER_REPAIR: Final = {"Retry-After": "60"}


def collector_app(
    writer: EventLogWriter,
    token: str | None,
    *,
    identities: IdentityRegistry | None = None,
    check_log: Callable[[], None] | None = None,
    limits: CollectorLimits = DEFAULT_LIMITS,
) -> FastAPI:
    """Return the application that appends what it is sent to an event log.

    Args:
        writer: the log; it stays the caller's to close.
        token: the one that any sender may present as `Authorization: Bearer …`, for any workflow;
            `None` where only the tokens of identities are accepted.
        identities: whose tokens are accepted; stays the caller's to close.
        check_log: returns where the log can be reached and raises a `LocardError` where not;
            appending nothing by default.
    """
    if not token and (token is not None or identities is None):
        raise ValueError("the collector needs a token, or identities")
    collector = _Collector(writer, Gate(token, identities), check_log, limits)
    translator = Translator()  # one, since spans and log records of a trace belong together
    endpoints: tuple[Endpoint, ...] = (
        EventsEndpoint(),
        TracesEndpoint(translator),
        LogsEndpoint(translator),
    )
    by_path = {endpoint.path: endpoint for endpoint in endpoints}
    app = FastAPI(
        title="Locard collector",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            AnyHTTPException: partial(_refused, by_path),
            Exception: partial(_failed, by_path),
        },
    )
    for endpoint in endpoints:
        app.add_api_route(
            endpoint.path,
            collector.receiver(endpoint),
            methods=["POST"],
            response_model=None,
        )
    app.add_api_route("/healthz", _alive, response_model=None)
    app.add_api_route("/readyz", collector.ready, response_model=None)
    app.add_api_route("/metrics", collector.show_metrics, response_model=None)
    app.add_api_route("/openapi.json", _describe, response_model=None)
    return app


class _Collector:
    """The handlers and what they share."""

    def __init__(
        self,
        writer: EventLogWriter,
        gate: Gate,
        check_log: Callable[[], None] | None,
        limits: CollectorLimits,
    ) -> None:
        self._writer = writer
        self._gate = gate
        self._check_log = check_log or self._append_nothing
        self._limits = limits
        self._allowances = Allowances(limits.rate)
        self._appending = threading.BoundedSemaphore(limits.appends)
        self._turns = Turns(limits)
        self._metrics = CollectorMetrics()
        if isinstance(writer, SpooledWriter):
            self._metrics.show_spool(writer)

    def receiver(self, endpoint: Endpoint) -> Callable[[Request], object]:
        """Return the handler of an endpoint."""

        async def receive(request: Request) -> Response:
            status = 500
            try:
                response = await self._receive(endpoint, request)
                status = response.status_code
            except AnyHTTPException as error:
                status = error.status_code
                raise
            finally:
                self._metrics.requests.labels(endpoint.lane, str(status)).inc()
            return response

        return receive

    async def _receive(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            credential = await self._gate.credential(request.headers)
            form = media_type(request.headers)
            self._admit(endpoint, form, credential)
            is_compressed = is_gzip(request.headers)
            with self._turns.body(credential.principal) as turn:

                def charge(size: int) -> None:
                    self._allowances.charge(credential.principal, size)
                    turn.hold(size)

                body = await read_body(request, self._limits, endpoint.too_slow, charge)
                async with self._turns.work(credential.principal):
                    data = body
                    if is_compressed:
                        most = self._limits.intake.decompressed_bytes
                        data = await run_in_threadpool(decompress, body, most)
                        self._allowances.charge(credential.principal, len(data) - len(body))
                    intake, doubt = await run_in_threadpool(
                        self._store, endpoint, body, data, form, credential
                    )
        except RejectedRecord as error:
            status = 413 if error.error_class in _TOO_LARGE else 400
            raise HTTPException(status, str(error)) from None
        except LocardError as error:
            log.warning("events were turned away: %s", error)
            raise HTTPException(503, str(error), _when_to_retry(error)) from None
        self._count(endpoint, credential, intake, doubt)
        return endpoint.answer(intake, form)

    def _admit(self, endpoint: Endpoint, form: str, credential: Credential) -> None:
        """Return if a request may be read now."""
        if form not in endpoint.media_types:
            raise HTTPException(
                415, f"send one of the media types {', '.join(endpoint.media_types)}", UNREAD_BODY
            )
        seconds = self._allowances.seconds_to_wait(credential.principal)
        if seconds:
            self._metrics.rate_limited.labels(endpoint.lane).inc()
            raise HTTPException(
                429,
                f"this sender has sent more than it may; send again in {seconds} s",
                {"Retry-After": str(seconds)} | UNREAD_BODY,
            )

    def _store(
        self, endpoint: Endpoint, body: bytes, data: bytes, form: str, credential: Credential
    ) -> tuple[Intake, Doubt | None]:
        """Return when the body's acceptable events are durable.

        Args:
            body: as it was sent, which is what a signature is made of.
            data: what it holds.
        """
        doubt = credential.doubt(body)
        sender = credential.sender(doubt)
        intake = endpoint.take(data, form, self._limits.intake, sender)
        records = intake.records + refusal_records(intake.claims, sender)
        if records:
            with self._appending, self._metrics.append_seconds.time():
                self._writer.append(records)
        for commit in intake.when_durable:
            commit()
        return intake, doubt

    def _count(
        self, endpoint: Endpoint, credential: Credential, intake: Intake, doubt: Doubt | None
    ) -> None:
        metrics, accepted = self._metrics, len(intake.records)
        self._allowances.charge(credential.principal, events=accepted + len(intake.rejected))
        metrics.accepted.labels(endpoint.lane).inc(accepted)
        for error_class, count in Counter(r.error_class for r in intake.rejected).items():
            metrics.rejected.labels(endpoint.lane, error_class).inc(count)
        for claim, count in intake.claims.items():
            metrics.refused_claims.labels(claim.error_class).inc(count)
        if doubt:
            metrics.unverified.labels(doubt).inc(accepted)
            self._gate.tell(credential, doubt)

    async def ready(self) -> Response:
        """Answer `GET /readyz`: whether events could be stored now."""
        try:
            await run_in_threadpool(self._gate.check)
            await run_in_threadpool(self._check_log)
        except LocardError as error:
            log.warning("not ready: %s", error)
            raise HTTPException(
                503, "events cannot be taken now; see the collector's own log", _RETRY
            ) from None
        return JSONResponse({"status": "ready"})

    def _append_nothing(self) -> None:
        with self._appending:
            self._writer.append([])

    async def show_metrics(self) -> Response:
        """Answer `GET /metrics`."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _when_to_retry(error: LocardError) -> dict[str, str]:
    if isinstance(error, RetryableError) and error.retry_after:
        return {"Retry-After": str(math.ceil(error.retry_after))}
    return _RETRY_AFTER_REPAIR if isinstance(error, CannotContinue) else _RETRY


async def _alive() -> Response:
    return JSONResponse({"status": "alive"})


async def _describe() -> Response:
    # Needs no token: it says what any installation's collector takes, and nothing of this one.
    return JSONResponse(openapi_document())


async def _refused(by_path: Mapping[str, Endpoint], request: Request, error: Exception) -> Response:
    if not isinstance(error, AnyHTTPException):
        raise TypeError("not an HTTP error")
    is_ours = isinstance(error, HTTPException)
    told = error.detail if is_ours else "there is no such page, or not with this method"
    return _error(by_path, request, error.status_code, told, error.headers)


async def _failed(by_path: Mapping[str, Endpoint], request: Request, _: Exception) -> Response:
    # The error's text is not told: it may quote what was sent.
    return _error(by_path, request, 500, "the collector failed; see its own log", None)


def _error(
    by_path: Mapping[str, Endpoint],
    request: Request,
    status: int,
    told: str,
    headers: Mapping[str, str] | None,
) -> Response:
    endpoint = by_path.get(request.url.path)
    if endpoint is None:
        return error_answer(status, told, headers)
    return endpoint.refusal(status, told, headers, media_type(request.headers))
