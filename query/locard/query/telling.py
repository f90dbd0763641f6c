"""An event in words: who, what, and how far it is to be trusted. Pure.

The words are for reading; what a program needs is in the event's own fields. They hold hostile
text as it came, so whoever shows them makes them inert.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from locard.schema import EventCore

Event: TypeAlias = Mapping[str, Any]


class Told(NamedTuple):
    """Who did what, and the least trusted of its parts (`None` where nothing is said)."""

    who: str
    what: str
    trust: str | None = None


_LEAST_TRUSTED_FIRST: Final = ("external", "unknown", "tool", "user", "operator", "system")
_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_SIGHTINGS: Final = {
    "requested": "asks for ",
    "executed": "runs ",
    "client": "sends ",
    "server": "serves ",
}
_NOT_BODY: Final = frozenset(
    {*EventCore.model_fields, "kind", "redaction", "evidence", "ingest_date"}
    | {"log_topic_id", "log_partition", "log_offset"}
)


def tell(event: Event, tools: Mapping[str, str]) -> Told:
    """Return an event in words.

    Args:
        event: a row of the view `events`; its kind may be one that this version does not know.
        tools: names of the tools that were called, by call id.
    """
    told = _of_kind(event, tools)
    missing = [f"[{name}: {why}]" for name, why in _object(event.get("absent")).items()]
    return told._replace(what=" ".join([*filter(None, [told.what]), *missing]))


def _of_kind(event: Event, tools: Mapping[str, str]) -> Told:
    match event["kind"]:
        case "prompt" | "model_output":
            return _messages(event)
        case "tool_call":
            return _call(event)
        case "tool_result":
            words = event.get("error_message") or _text(event.get("result"))
            outcome = event.get("outcome") or "unknown"
            name = event.get("tool_name") or tools.get(event.get("call_id") or "") or "tool"
            return Told(name, f"{outcome}: {words}" if words else outcome, event.get("trust"))
        case "decision":
            return _decision(event, tools)
        case "content":
            where = _joined(event.get("title"), event.get("uri")) or event.get("resource_type")
            verb = {"read": "reads", "write": "writes"}.get(event.get("operation") or "", "has")
            words = _colon(_joined(verb, where), _text(event.get("content")))
            return Told(_actor(event), words, event.get("trust"))
    return Told(_actor(event), _other(event))


def _messages(event: Event) -> Told:
    """Tell a prompt or an output.

    Instructions come last: they are long, and always the same. So does what was said before.
    """
    messages = [m for m in _parsed(event.get("messages")) or () if isinstance(m, dict)]
    roles = list(dict.fromkeys(str(message.get("role", "?")) for message in messages))
    messages.sort(key=lambda m: m.get("role") in _INSTRUCTIONS or _reference(m) is not None)
    said = []
    for message in messages:
        words = _reference(message) or "\n".join(_parts(message))
        said.append(f"{message.get('role', '?')}: {words}" if len(roles) > 1 else words)
    what = "\n".join(said)
    if event["kind"] == "model_output":
        return Told(event.get("response_model") or event.get("request_model") or "model", what)
    return Told("+".join(roles) or _actor(event), what, _least_trusted(messages))


def _reference(message: Mapping[str, Any]) -> str | None:
    """Return in a few words where a message stands that says nothing of its own."""
    match message:
        case {"same_as": {"event": str(event_id)}} if not message.get("parts"):
            return f"(as before: event {event_id})"
    return None


def _parts(message: Mapping[str, Any]) -> Iterator[str]:
    for part in message.get("parts") or ():
        match part:
            case {"type": "text", "content": str(words)}:
                yield words
            case {"type": "reasoning", "content": str(words)}:
                yield f"(reasons) {words}"
            case {"type": "tool_call", "name": str(name)}:
                yield f"asks for {name}"
            case {"type": "tool_call_response"}:
                yield f"answer to {part.get('id')}: {_shown(part.get('response'))}"
            case {"type": "blob", "content": str(data)}:
                yield f"({part.get('mime_type') or 'data'}, {len(data)} characters of base64)"
            case {"type": "uri", "uri": str(address)}:
                yield address
            case _:
                yield _shown(part)


def _least_trusted(messages: list[dict[str, Any]]) -> str | None:
    found = {
        part.get("trust", "unknown")
        for message in messages
        for part in message.get("parts") or ()
        if isinstance(part, dict)
    }
    # A trust that this version does not know is none.
    known = next((trust for trust in _LEAST_TRUSTED_FIRST if trust in found), None)
    return known if found <= set(_LEAST_TRUSTED_FIRST) else "unknown"


def _call(event: Event) -> Told:
    name, sighting = event.get("tool_name") or "tool", event.get("sighting") or ""
    given = _parsed(event.get("arguments"))
    if isinstance(given, dict):
        told = ", ".join(f"{key}={json.dumps(v, ensure_ascii=False)}" for key, v in given.items())
    else:
        told = _text(event.get("arguments"))
    who = event.get("tool_server") if sighting == "server" else None
    verb = _SIGHTINGS.get(sighting, f"{sighting} ")
    return Told(who or _actor(event), f"{verb}{name}({told})")


def _decision(event: Event, tools: Mapping[str, str]) -> Told:
    tool = tools.get(event.get("call_id") or "")
    what = _joined(event.get("verdict"), tool)
    why = ", ".join(filter(None, (event.get("rule"), event.get("rationale"))))
    return Told(event.get("decided_by") or _actor(event), _colon(what, why))


def _other(event: Event) -> str:
    """Tell a kind that is about the record itself, or one of a newer version: what it has."""
    title = event.get("change") or event.get("action") or event.get("custody_action")
    title = title or event.get("statement") or ""
    told_already = {"change", "action", "custody_action", "statement"}
    rest = {
        name: _parsed(value)
        for name, value in event.items()
        if name not in _NOT_BODY and name not in told_already and value is not None
    }
    if set(rest) == {"attributes"}:
        return _joined(title, _shown(rest["attributes"]))
    return _joined(title, " ".join(f"{name}={_shown(value)}" for name, value in rest.items()))


def _actor(event: Event) -> str:
    names = (event.get("agent_name"), event.get("agent_id"), event.get("response_model"))
    rest = (event.get("request_model"), event.get("principal"), event.get("collector_id"))
    return next(filter(None, (*names, *rest)), "agent" if event.get("session_id") else "–")


def _parsed(value: Any) -> Any:
    """Return what JSON text says, and anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _object(value: Any) -> dict[str, Any]:
    found = _parsed(value)
    return found if isinstance(found, dict) else {}


def _text(value: str | None) -> str:
    """Return JSON text as it reads best: a string without its quotes, the rest as JSON."""
    found = _parsed(value)
    return found if isinstance(found, str) else value or ""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _joined(*words: str | None) -> str:
    return " ".join(filter(None, words))


def _colon(title: str, words: str) -> str:
    return f"{title}: {words}" if words else title
