"""What is recorded of each answer before it goes out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from fastapi import HTTPException, Request

from locard.schema import LocardError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What somebody is about to read.

    Args:
        query: what was asked.
        row_count: of the answer.
        case_id: the case that it is for, as the caller says (`Locard-Case`).
        purpose: why, likewise (`Locard-Purpose`).
        principal: who asks.
    """

    query: str = field(repr=False)
    row_count: int
    case_id: str | None = field(repr=False)
    purpose: str | None = field(repr=False)
    principal: str = "api-token"

    @classmethod
    def of(cls, request: Request, row_count: int, statement: str | None = None) -> Reading:
        """Return what a request is about to be given."""
        query = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        told = f"{request.method} {query}" + (f": {statement}" if statement else "")
        case_id, purpose = (request.headers.get(n) for n in ("locard-case", "locard-purpose"))
        return cls(told, row_count, case_id, purpose, request.state.caller.name)


Trail: TypeAlias = Callable[[Reading], None]
"""Records that somebody reads, durably; if it raises a `LocardError`, nobody sees the answer."""


class Noting:
    """Records each answer before it goes out.

    Args:
        trail: is told of them, one at a time.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._lock = Lock()

    def note(self, request: Request, row_count: int, statement: str | None = None) -> None:
        """Record that this many rows are about to be read.

        Raises:
            HTTPException: 503, it could not be recorded, so nothing may go out.
        """
        try:
            with self._lock:
                self._trail(Reading.of(request, row_count, statement))
        except LocardError as error:
            log.warning("an answer was not given: %s", error)
            raise HTTPException(503, str(error)) from None
