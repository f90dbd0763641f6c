"""What differs between the ways in: which forms a body has, how it is read, what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, Protocol

from fastapi.responses import JSONResponse
from starlette.responses import Response

from locard.ingest.intake import Form, Intake, IntakeLimits, take_in
from locard.ingest.stamping import Sender
from locard.schema import Lane


class Endpoint(Protocol):
    """One way in."""

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def lane(self) -> Lane:
        """What its metrics are counted under."""
        ...

    @property
    def media_types(self) -> tuple[str, ...]:
        """What a body may be."""
        ...

    @property
    def too_slow(self) -> int:
        """The status of the answer to a body that does not come."""
        ...

    def take(self, body: bytes, media_type: str, limits: IntakeLimits, sender: Sender) -> Intake:
        """Return the records of a body; on a thread, since it takes time.

        Raises:
            RejectedRecord: the body as a whole cannot be taken.
        """
        ...

    def answer(self, intake: Intake, media_type: str) -> Response:
        """Return the 200 for what is durable now."""
        ...

    def refusal(
        self, status: int, told: str, headers: Mapping[str, str] | None, media_type: str
    ) -> Response:
        """Return any other answer, in the form that senders of this endpoint read."""
        ...


class EventsEndpoint:
    """`POST /v1/events`: events in Locard's own form."""

    path: Final = "/v1/events"
    lane: Final = "recorder"
    _forms: Final[dict[str, Form]] = {"application/json": "array", "application/x-ndjson": "lines"}
    media_types: Final = tuple(_forms)
    too_slow: Final = 408

    def take(self, body: bytes, media_type: str, limits: IntakeLimits, sender: Sender) -> Intake:
        """Return the records of a body's events; see `Endpoint`."""
        return take_in(body, self._forms[media_type], limits, sender)

    def answer(self, intake: Intake, media_type: str) -> Response:  # noqa: ARG002
        """Tell how many events are durable, and of each other one why it never can be."""
        return JSONResponse(
            {
                "accepted": len(intake.records),
                "rejected": [asdict(rejected) for rejected in intake.rejected],
            }
        )

    def refusal(
        self,
        status: int,
        told: str,
        headers: Mapping[str, str] | None,
        media_type: str,  # noqa: ARG002
    ) -> Response:
        """Tell in one line; see `Endpoint`."""
        return error_answer(status, told, headers)


def error_answer(status: int, told: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is an error in one line."""
    return JSONResponse({"error": told}, status, headers)
