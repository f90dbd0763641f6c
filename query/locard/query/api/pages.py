"""Pages of a long answer: a cursor names a version of the lake, so no row comes twice or never.

A cursor is opaque to callers and bound to the question: with another question it is refused. It is
no secret and no permission; whoever changes one gets another page of what they may see anyway.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException, Request

_SHOWN: Final = 16  # hexadecimal digits of what a cursor is bound to


@dataclass(frozen=True)
class Page:
    """Which rows of an answer to give.

    Args:
        version: of the lake; `None` is the newest.
    """

    offset: int
    limit: int
    version: int | None
    bound_to: str

    def after(self, version: int, count: int) -> str | None:
        """Return the cursor of the page after this one; `None` where there is none."""
        following = self.offset + self.limit
        if following >= count:
            return None
        told = json.dumps([version, following, self.bound_to]).encode()
        return urlsafe_b64encode(told).decode().rstrip("=")


def page(request: Request, cursor: str | None, limit: int, body: bytes = b"") -> Page:
    """Return which rows a request asks for.

    Raises:
        HTTPException: 422, the cursor is none, or of another question.
    """
    asked = sorted(
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("cursor", "limit")
    )
    told = json.dumps([request.method, request.url.path, asked]).encode() + body
    bound_to = hashlib.sha256(told).hexdigest()[:_SHOWN]
    if cursor is None:
        return Page(0, limit, None, bound_to)
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        version, offset, whose = json.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        version, offset, whose = None, None, None
    if not (isinstance(version, int) and isinstance(offset, int) and whose == bound_to):
        raise HTTPException(422, "the cursor is not of this question; begin without one")
    if version < 0 or offset < 0 or max(version, offset) >= 2**53:
        raise HTTPException(422, "the cursor is not of this question; begin without one")
    return Page(offset, limit, version, bound_to)
