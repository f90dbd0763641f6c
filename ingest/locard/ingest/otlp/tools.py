"""Tools that ran: a call as one of its places saw it, and what it gave back."""

from __future__ import annotations

from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader, structured
from locard.ingest.otlp.reading import Reading, error_of
from locard.schema import Outcome, Trust

_TIMEOUTS: Final = frozenset(
    {"timeout", "timeouterror", "deadline_exceeded", "asyncio.timeouterror"}
)
_DENIALS: Final = frozenset(
    {"denied", "permission_denied", "permissionerror", "permissiondenied", "rejected", "forbidden"}
)
_EXTERNAL_TYPES: Final = frozenset({"extension", "datastore"})
"""Tools that, by the convention, bring in what systems outside the agent hold."""


def tool(reading: Reading) -> None:
    """Add the call of a tool and its result."""
    reader = reading.reader
    call_id = call_id_of(reader)
    name = reader.text(*names.TOOL_NAME) or _name_of_span(reading)
    tool_type = reader.text(*names.TOOL_TYPE)
    server = reader.text("server.address")
    arguments, no_arguments = _value(reader, names.TOOL_ARGUMENTS, "tool_call", "arguments")
    result, no_result = _value(reader, names.TOOL_RESULT, "tool_call_response", "response")
    error_type, error_message = error_of(reading)
    outcome = outcome_of(reading, error_type, result)
    call_event = reading.add(
        "tool_call",
        "call",
        {
            "tool_name": name,
            "tool_server": server,
            "tool_type": tool_type,
            "sighting": sighting_of(reading),
            "arguments": arguments,
        },
        call_id=call_id,
        absent={"arguments": no_arguments} if no_arguments else None,
    )
    if no_result == "not_captured" and outcome != "ok":
        no_result = None
    result_event = reading.add(
        "tool_result",
        "result",
        {
            "tool_name": name,
            "tool_server": server,
            "outcome": outcome,
            "trust": _trust(tool_type),
            "error_type": error_type,
            "error_message": error_message,
            "result": result,
        },
        at_end=True,
        call_id=call_id,
        caused_by=[call_event],
        absent={"result": no_result} if no_result else None,
    )
    if call_id is not None and result is not None:
        reading.telling.result(reading.session, result_event, call_id, result, name)


def call_id_of(reader: Reader) -> str | None:
    """Take the id by which all sightings of a call are one.

    Where the model's own id is missing, an id of the tool protocol counts: session and request.
    """
    if call_id := reader.text(*names.CALL_ID):
        return call_id
    session, request = reader.look(names.MCP_SESSION), reader.look(names.JSONRPC_ID)
    if not isinstance(session, str) or not session or request in (None, ""):
        return None
    return f"mcp:{session}:{request}" if isinstance(request, str | int) else None


def sighting_of(reading: Reading) -> str:
    """Return from which place a call was seen."""
    is_mcp = reading.reader.has(names.MCP_METHOD)
    return reading.kind if is_mcp and reading.kind in ("client", "server") else "executed"


def outcome_of(reading: Reading, error_type: str | None, result: Any) -> Outcome:
    """Return how a call went, by the type of its error, its status or its result."""
    told = (error_type or "").lower()
    if told in _TIMEOUTS:
        return "timeout"
    if told in _DENIALS:
        return "denied"
    is_error = isinstance(result, dict) and result.get("isError") is True
    code = reading.reader.look("rpc.response.status_code")
    if told or reading.is_failed or is_error or code not in (None, "", 0, "0", "OK"):
        return "error"
    return "ok"


def _value(reader: Reader, aliases: tuple[str, ...], part_type: str, field: str) -> tuple[Any, Any]:
    """Take arguments or a result, and why there are none."""
    found = reader.value(*aliases)
    if found is None:
        return _from_messages(reader, part_type, field)
    if isinstance(found[1], str) and found[1] in names.HIDDEN:
        return None, "redacted_upstream"
    return found[1], None


def _from_messages(reader: Reader, part_type: str, field: str) -> tuple[Any, Any]:
    """Return what some instrumentations tell of a tool in the form of one message."""
    aliases = names.INPUT_MESSAGES if part_type == "tool_call" else names.OUTPUT_MESSAGES
    for name in aliases:
        match structured(reader.look(name))[0]:
            case [{"parts": [{"type": kind, **part}]}] if kind == part_type:
                reader.take(name)
                return structured(part.get(field, part.get("result")))[0], None
    return None, "not_captured"


def _name_of_span(reading: Reading) -> str:
    return reading.name.removeprefix("execute_tool ").removeprefix("tools/call ") or "unknown"


def _trust(tool_type: str | None) -> Trust:
    return "external" if tool_type in _EXTERNAL_TYPES else "tool"
