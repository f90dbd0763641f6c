"""Functions that are tools: each call of one is recorded with its arguments and its result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from locard.ingest.recorder.context import here
from locard.ingest.recorder.harmless import harmless, type_name
from locard.ingest.recorder.recording import Effect
from locard.ingest.recorder.session import ToolCall
from locard.schema import Trust

if TYPE_CHECKING:
    from locard.ingest.recorder.recorder import Recorder

Function = TypeVar("Function", bound=Callable[..., Any])


@harmless(lambda _, function, **__: function)
def recorded_tool(
    recorder: Recorder,
    function: Function,
    *,
    name: str | None,
    server: str | None,
    effect: Effect | None,
    trust: Trust,
) -> Function:
    """Return the function, so that each call is recorded in the session of whoever calls it.

    A call outside of any session is recorded in one of its own. What cannot be called, or wrapped,
    is returned as it is.
    """
    if not callable(function):
        raise TypeError("a tool is a function")
    told = _name(function) if name is None else name
    signature = _signature(function)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
        session = here.get().session or recorder.session()
        arguments = _arguments(recorder, signature, args, kwargs)
        return session.tool_call(told, arguments, server=server, effect=effect, trust=trust)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with begin(args, kwargs) as call:
                return call.result(await function(*args, **kwargs))

        return cast("Function", run_async)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as call:
            return call.result(function(*args, **kwargs))

    return cast("Function", run)


def _name(function: Any) -> str:
    """Return the name of what is called: a function, what it is part of, or an object's type."""
    while type(function) is functools.partial:
        function = function.func
    name = getattr(function, "__name__", None)
    return name if type(name) is str else type_name(type(function))


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except Exception:  # noqa: BLE001 - some functions in C have none; others say what they like
        return None


@harmless(lambda *_: {})
def _arguments(
    _: Recorder,
    signature: inspect.Signature | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """Return the arguments by name; `self` of a method is none."""
    if signature is not None:
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError:  # the call itself is about to fail, and says why
            bound = None
        if bound is not None:
            return {key: value for key, value in bound.items() if key not in ("self", "cls")}
    return {**{f"argument_{n}": value for n, value in enumerate(args)}, **kwargs}
