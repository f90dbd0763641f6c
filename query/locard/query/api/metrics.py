"""What the API tells of itself. Labels are of closed sets: no name that anybody sent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.routing import Match

from locard.query.api.answers import HEADERS


class QueryMetrics:
    """Requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "locard_api_requests",
            "Requests, by the route and the status of the answer.",
            ["route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "locard_api_seconds",
            "How long an answer took until its first byte, by its route.",
            ["route"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
            registry=self.registry,
        )

    async def watch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Count a request; a middleware."""
        began = time.perf_counter()
        response = await call_next(request)
        route = _route(request)
        self._requests.labels(route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(time.perf_counter() - began)
        return response

    async def show(self) -> Response:
        """Answer `GET /metrics`."""
        return Response(generate_latest(self.registry), 200, HEADERS, media_type="text/plain")


def _route(request: Request) -> str:
    for route in request.app.routes:
        if route.matches(request.scope)[0] is Match.FULL:
            return str(route.path)
    return "none"
