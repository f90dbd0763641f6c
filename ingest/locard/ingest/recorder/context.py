"""What is going on in a task or thread at this moment, and how it is entered and left.

What is going on (the session, the prompt that was asked last, the tool call that is running) is
held by a context variable. So it follows `async` code by itself; a thread that is started by hand
begins with nothing, and is given the session or run in a copy of the context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from locard.ingest.recorder.harmless import Failures, harmless

if TYPE_CHECKING:
    from locard.ingest.recorder.session import Session

_MOST_NESTED: Final = 100  # of what a task is in, that are remembered


class Here(NamedTuple):
    """What is going on in this task or thread."""

    session: Session | None = None
    prompt: tuple[str, str] | None = None  # the session's id and the event's
    cause: str | None = None  # the tool call inside which all of this happens
    entered: Entered | None = None  # what was entered last
    outside: Here | None = None  # what was going on before that
    depth: int = 0


here: ContextVar[Here] = ContextVar("locard_here", default=Here())  # noqa: B039 - nothing changes it


class Entered(ABC):
    """What `with` and `async with` enter and leave: events in between belong to it.

    What was going on before is remembered by the task or thread, not by the object: several of them
    may be in the same session.
    """

    @property
    @abstractmethod
    def failures(self) -> Failures:
        """What could not be recorded."""

    @abstractmethod
    def _within(self, outside: Here) -> Here:
        """Return what goes on inside."""

    @abstractmethod
    def _left(self, error: BaseException | None) -> None:
        """Record that it is left, and by which exception."""

    @harmless(lambda self: self)
    def __enter__(self) -> Self:
        outside = here.get()
        if outside.depth >= _MOST_NESTED:
            outside = outside._replace(entered=None, outside=None, depth=0)
        here.set(self._within(outside))
        return self

    @harmless(lambda *_: None)
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        level: Here | None = here.get()
        while level is not None and level.entered is not self:
            level = level.outside
        if level is not None and level.outside is not None:
            here.set(level.outside)  # else it is left in another task than it was entered in
        self._left(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)
