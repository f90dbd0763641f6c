"""What keeps the recorder's troubles from its agent: whatever goes wrong is counted, not raised."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any, Final, TypeVar, cast

log = logging.getLogger(__name__)

_LONGEST_NAME: Final = 200
_MOST_KINDS: Final = 100
_OTHERS: Final = "others"

_module: Final[Callable[[type], Any]] = type.__dict__["__module__"].__get__
_qualname: Final[Callable[[type], Any]] = type.__dict__["__qualname__"].__get__
_traceback: Final[Callable[[BaseException], TracebackType | None]] = BaseException.__dict__[
    "__traceback__"
].__get__


def type_name(kind: type) -> str:
    """Return the name of a type, with its module unless it is built in."""
    try:
        module = _module(kind)
    except AttributeError:
        module = None  # a class may hold anything in its place
    where = f"{module}." if type(module) is str and module != "builtins" else ""
    return f"{where}{short_type_name(kind)}"[:_LONGEST_NAME]


def short_type_name(kind: type) -> str:
    """Return the name of a type without its module, and without asking the type."""
    return str.__str__(_qualname(kind))[:_LONGEST_NAME]


def is_of_the_agent(error: BaseException) -> bool:
    """Say whether an exception is the agent's own, which passes through the recorder.

    It is when somebody interrupts the process, or when a signal handler of the agent's raised it
    (a limit of time, an orderly end) and happened to find the recorder at work.
    """
    if issubclass(type(error), KeyboardInterrupt):
        return True
    ran = set(_codes(error))
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return any(getattr(handler, "__code__", None) in ran for handler in handlers)


def _codes(error: BaseException) -> Iterator[CodeType]:
    """Yield the code that ran below the place where an exception is caught."""
    step = _traceback(error)
    while step is not None:
        yield step.tb_frame.f_code
        step = step.tb_next


class Failures:
    """Counts what went wrong in the recorder, and tells each kind of it once.

    Only names of methods and types are kept: what an exception says may quote what was recorded.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may fail in the midst of it
        self._counts: dict[str, int] = {}
        self.untold: dict[str, int] = {}
        """What happened since it was last taken."""

    def note(self, what: str, error: BaseException) -> None:
        """Count what failed, and log it if nothing of its kind failed before."""
        kind = f"{what}: {type_name(type(error))}"
        if self.count(kind) != 1:
            return
        try:
            log.error("what an agent did could not be recorded as it was: %s", kind)
        except BaseException as trouble:  # the agent's own log handler may do anything
            if is_of_the_agent(trouble):
                raise

    def count(self, kind: str) -> int:
        """Count what failed, and return how often that happened."""
        with self._lock:
            if kind not in self._counts and len(self._counts) >= _MOST_KINDS:
                kind = _OTHERS
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            self.untold[kind] = self.untold.get(kind, 0) + 1
        return count

    def counted(self, kind: str) -> int:
        """Return how often something happened."""
        return self._counts.get(kind, 0)

    def take(self) -> dict[str, int]:
        """Return what happened since the last time, by kind."""
        with self._lock:
            taken, self.untold = self.untold, {}
        return taken

    @property
    def total(self) -> int:
        """How many times anything failed."""
        with self._lock:
            return sum(self._counts.values())

    def begin_anew(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.RLock()
        self.untold = {}


Method = TypeVar("Method", bound=Callable[..., Any])


def harmless(otherwise: Callable[..., Any]) -> Callable[[Method], Method]:
    """Decorate a method that an agent calls, so that nothing it does is raised into the agent.

    The first argument of the method has `failures`, where what goes wrong is counted.

    Args:
        otherwise: returns what is returned in that case, from what the method was called with.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except BaseException as error:
                if _is_to_pass(args[0], method.__qualname__, error):
                    raise
            return otherwise(*args, **kwargs)

        return cast("Method", run)

    return decorate


def _is_to_pass(fails: Any, what: str, error: BaseException) -> bool:
    """Count a failure unless it is the agent's own; what goes wrong with that is not raised."""
    try:
        if is_of_the_agent(error):
            return True
        fails.failures.note(what, error)
    except RecursionError:  # nothing can be counted where nothing can be called
        pass
    return False
