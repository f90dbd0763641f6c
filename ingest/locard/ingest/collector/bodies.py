"""Reading the body of a request: its form, and no more of it than the limits allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from locard.ingest.collector.limits import CollectorLimits

UNREAD_BODY: Final = {"Connection": "close"}  # the rest of it is not worth waiting for


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a body, without parameters and in lower case."""
    return headers.get("content-type", "").split(";")[0].strip().lower()


def is_gzip(headers: Mapping[str, str]) -> bool:
    """Say whether a body is compressed.

    Raises:
        HTTPException: 415, it is encoded in another way.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise HTTPException(415, "send the body as it is or as gzip", UNREAD_BODY)
    return encoding == "gzip"


async def read_body(
    request: Request, limits: CollectorLimits, too_slow: int, charge: Callable[[int], None]
) -> bytes:
    """Return the body, holding no more of it than the limit and waiting no longer than allowed.

    Args:
        too_slow: the status where it does not come in time.
        charge: told how many bytes have come, also of a body that is refused.

    Raises:
        HTTPException: that status; 413, it is too large; 400, it did not end.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                size += len(chunk)
                charge(len(chunk))
                if size > limits.intake.body_bytes:
                    raise HTTPException(
                        413,
                        f"the body is over the limit of {limits.intake.body_bytes:,} bytes; "
                        "send fewer events at once",
                        UNREAD_BODY,
                    )
                chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(
            too_slow, "the body took too long; send it again", {"Retry-After": "1"} | UNREAD_BODY
        ) from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away before its body had ended") from None
    return b"".join(chunks)
