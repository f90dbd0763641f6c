"""How long a question may go on in Python: whoever asked may stop waiting.

DuckDB is interrupted from outside; Python looks for itself, at places that are reached often.
Evidence is hostile, and a session can be made so that tracing all of it takes hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from locard.schema import CannotContinue

_IS_OVER: Final[ContextVar[Callable[[], bool] | None]] = ContextVar("is_over", default=None)


@contextmanager
def patience(is_over: Callable[[], bool]) -> Iterator[None]:
    """Let `go_on` ask `is_over` within this block."""
    token = _IS_OVER.set(is_over)
    try:
        yield
    finally:
        _IS_OVER.reset(token)


def go_on() -> None:
    """Return if somebody still waits for the answer.

    Raises:
        CannotContinue: nobody does.
    """
    is_over = _IS_OVER.get()
    if is_over is not None and is_over():
        raise CannotContinue("it took too long and was stopped; ask for less, or a shorter time")
