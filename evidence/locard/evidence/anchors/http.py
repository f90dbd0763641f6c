"""The one way in which anchors reach the network: a POST, bounded in time and in what is read."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from locard.schema import CannotContinue

Post = Callable[[str, bytes, str], tuple[int, bytes]]
"""Sends a body of a media type to a URL; returns the status and the answer's body."""

_SECONDS: Final = 10.0
_MOST_BYTES: Final = 64 * 1024


def post(url: str, body: bytes, media_type: str) -> tuple[int, bytes]:
    """Send a body and return the status and what was answered.

    Raises:
        CannotContinue: nobody answers there, or it is no address of HTTP.
    """
    if not url.startswith(("https://", "http://")):
        raise CannotContinue(f"{url} is no address of HTTP; correct the configuration")
    request = urllib.request.Request(url, body, {"Content-Type": media_type})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise CannotContinue(
            f"{url} does not answer: {getattr(error, 'reason', error)}; it is asked again later"
        ) from error
