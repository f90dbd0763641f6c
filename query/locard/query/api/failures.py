"""What an error of the library means to a caller: 404, 422 or, raised further, 503."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from locard.schema import CannotContinue


@contextmanager
def not_found() -> Iterator[None]:
    """Turn what the lake does not have into a 404."""
    try:
        yield
    except CannotContinue as error:
        if _is_of_the_lake(str(error)):
            raise
        raise HTTPException(404, str(error)) from None


@contextmanager
def understood() -> Iterator[None]:
    """Turn a parameter that is none into a 422."""
    try:
        yield
    except CannotContinue as error:
        raise HTTPException(422, str(error)) from None


def _is_of_the_lake(text: str) -> bool:
    return text.startswith(
        ("a file of the lake", "there is no lake", "the lake at", "it took too long")
    )
