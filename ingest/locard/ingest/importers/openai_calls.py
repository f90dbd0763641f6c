"""Tool calls of OpenAI's form, and what a tool message says about the call that it answers.

A call is an entry of `tool_calls` (of type `function` or `custom`) or the older `function_call`.
Ids may be text or numbers; empty ones and anything else count as none. Arguments are kept as a
value where that loses nothing:

    an object, a list, a number, null    as it came
    JSON text                            the value that it holds
    any other text                       as text: no JSON, a key twice, NaN, nested too deep, empty
    absent                               as absent: "not_captured"

Where text stays text, `extensions.arguments_kept_as_text` says why. Free text of a `custom` tool
is what it should be and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.schema import MAX_DEPTH, JsonError, JsonValue

_LEVELS_AROUND: Final = 6  # in an event: itself, its body, messages, a message, parts, a part
ABSENT: Final = object()


@dataclass(frozen=True)
class RequestedCall:
    """A call as an assistant message requests it.

    Args:
        given_id: its id as the source has it, `None` where it has none.
        arguments: `ABSENT` where the source has none.
        extensions: what else the source says, and what was done to keep the arguments.
    """

    name: str
    tool_type: str | None
    given_id: Any = field(repr=False)
    arguments: Any = field(repr=False)
    extensions: dict[str, Any] = field(repr=False)

    @property
    def source_id(self) -> str | None:
        """The id as text, `None` where it is none that a result could refer to."""
        return id_text(self.given_id)


@dataclass(frozen=True)
class AnsweredCall:
    """What a tool message says about the call that it answers; `None` and `ABSENT`: nothing."""

    source_id: str | None
    name: str | None
    arguments: Any = field(repr=False)


def kind_of_call(call: Mapping[str, Any]) -> str | None:
    """Return under which field a call names what it calls, `None` where it is no call."""
    for kind in ("function", "custom"):
        called = call.get(kind)
        if isinstance(called, dict) and isinstance(called.get("name"), str):
            return kind
    return None


def requested_calls(message: Mapping[str, Any]) -> Iterator[RequestedCall]:
    """Yield the calls of an assistant message, in order."""
    for call in message.get("tool_calls") or ():
        yield _requested(call)
    if message.get("function_call") is not None:
        yield _requested({"type": "function_call", "function": message["function_call"]})


def answered_call(message: Mapping[str, Any]) -> AnsweredCall:
    """Return what a `tool` or `function` message says about its call."""
    repeated = message.get("tool_call")
    repeated = repeated if isinstance(repeated, dict) else {}
    names = (message.get("name"), repeated.get("function"))
    return AnsweredCall(
        source_id=id_text(message.get("tool_call_id")) or id_text(repeated.get("id")),
        name=next((name for name in names if isinstance(name, str) and name), None),
        arguments=repeated.get("args", ABSENT),
    )


def _requested(call: Mapping[str, Any]) -> RequestedCall:
    kind = kind_of_call(call) or "function"
    called = dict(call[kind])
    name = called.pop("name")
    given = called.pop("arguments" if kind == "function" else "input", ABSENT)
    arguments, notes = (given, {}) if kind == "custom" else read_arguments(given)
    rest = {k: v for k, v in call.items() if k not in ("id", "type", kind)}
    tool_type = call.get("type")
    if tool_type is not None and not isinstance(tool_type, str):
        rest["type"] = tool_type
        tool_type = None
    return RequestedCall(
        name=name,
        tool_type=tool_type,
        given_id=call.get("id"),
        arguments=arguments,
        extensions={
            **{f"tool_call.{key}": value for key, value in rest.items()},
            **{f"{kind}.{key}": value for key, value in called.items()},
            **notes,
        },
    )


def id_text(value: Any) -> str | None:
    """Return an id as text, `None` where it is empty or of another type than ids have."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def read_arguments(given: Any) -> tuple[Any, dict[str, Any]]:
    """Return the arguments of a call as a value where that loses nothing, and what was done."""
    if not isinstance(given, str):
        return given, {}
    if not given:
        return given, _kept_as_text("empty")
    try:
        value, numbers = parse_json_keeping_numbers(given.encode())
    except JsonError as error:
        return given, _kept_as_text(error.reason)
    if _is_deeper(value, MAX_DEPTH - _LEVELS_AROUND):
        return given, _kept_as_text("too_deep")
    return value, {"argument_numbers_kept_as_text": numbers} if numbers else {}


def _kept_as_text(reason: str) -> dict[str, Any]:
    return {"arguments_kept_as_text": reason}


def _is_deeper(value: JsonValue, levels: int) -> bool:
    """Say whether objects and lists are nested in each other more often than that."""
    level: list[JsonValue] = [value]
    for _ in range(levels + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [
            item
            for container in containers
            for item in (container.values() if isinstance(container, dict) else container)
        ]
    return True
