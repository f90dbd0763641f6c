"""The collector's OpenAPI document: what it takes and every answer that it gives."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from locard.schema import SCHEMA_VERSION, event_json_schema

_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"
_LINES: Final = "application/x-ndjson"
_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "tool_call",
    "event_id": "01975a3e-7c00-7000-8000-000000000001",
    "schema_version": SCHEMA_VERSION,
    "occurred_at": "2026-05-04T09:32:00Z",
    "observed_at": "2026-05-04T09:32:00Z",
    "lane": "recorder",
    "session_id": "invoices-2026-05-04",
    "agent_name": "payer",
    "call_id": "c2",
    "body": {"tool_name": "send_money", "sighting": "executed", "arguments": {"amount": 4820}},
}
_BINARY: Final = {"type": "string", "format": "binary"}
_HEADERS: Final[list[dict[str, Any]]] = [
    {
        "name": "Content-Encoding",
        "in": "header",
        "description": "`gzip` where the body is compressed.",
        "schema": {"type": "string", "enum": ["gzip", "identity"]},
    },
    {
        "name": "Locard-Key",
        "in": "header",
        "description": "The id of the key that signed the body: `ed25519:` and 43 characters.",
        "schema": {"type": "string"},  # a wrong one refuses nothing: see below
    },
    {
        "name": "Locard-Signature",
        "in": "header",
        "description": (
            "Ed25519 over the body exactly as sent, in base64url without padding. Where it is "
            "missing or wrong the events are kept, and marked as unverified."
        ),
        "schema": {"type": "string"},
    },
]
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds after which the same request may be sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CHALLENGE: Final = {
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}
}
_REFUSALS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "400": ("The body cannot be taken apart, or did not end.", {}),
    "401": ("The token is missing, wrong, expired or revoked.", _CHALLENGE),
    "408": ("The body came too slowly.", {}),
    "413": ("The body is too large, compressed or not, or holds too many events.", {}),
    "415": ("Another media type or encoding is needed.", {}),
    "429": ("This sender has sent more than it may.", _RETRY_AFTER),
    "500": ("The collector failed.", {}),
    "503": ("The event log cannot take the events now, or the collector is busy.", _RETRY_AFTER),
}


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Locard collector",
            "version": SCHEMA_VERSION,
            "description": (
                "A 200 says of each event that it is durable, or why it never can be. After any "
                "other answer none may be taken for stored; sending them again does no harm."
            ),
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/events": {"post": _events()},
            "/v1/traces": {"post": _otlp("traces", "spans", "resourceSpans", "rejectedSpans")},
            "/v1/logs": {
                "post": _otlp("logs", "log records", "resourceLogs", "rejectedLogRecords")
            },
            "/healthz": {"get": _page("Whether the collector is alive.", _JSON)},
            "/readyz": {"get": _ready()},
            "/metrics": {"get": _page("Counts for Prometheus.", "text/plain")},
            "/openapi.json": {"get": _page("This document.", _JSON)},
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Of an identity, or the installation's one.",
                }
            },
            "schemas": _schemas(),
        },
    }


def _events() -> dict[str, Any]:
    # What is no event is told by its index and spoils nothing, so anything may stand there.
    items = {"anyOf": [{"$ref": "#/components/schemas/Event"}, {}]}
    rejected = {
        "type": "object",
        "required": ["index", "error_class", "reason"],
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "error_class": {"type": "string"},
            "reason": {"type": "string"},
        },
    }
    stored = {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0},
            "rejected": {"type": "array", "items": rejected},
        },
    }
    return {
        "summary": "Record events.",
        "operationId": "record_events",
        "parameters": _HEADERS,
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": {"type": "array", "items": items}, "example": [_EXAMPLE]},
                _LINES: {"schema": {"type": "string", "description": "One event on each line."}},
            },
        },
        "responses": {
            "200": _response("What became of each event.", {_JSON: {"schema": stored}}),
            **{status: _error(status) for status in _REFUSALS},
        },
    }


def _otlp(operation: str, records: str, member: str, counter: str) -> dict[str, Any]:
    partial = {
        "type": "object",
        "properties": {counter: {"type": "string"}, "errorMessage": {"type": "string"}},
    }
    answer = {"type": "object", "properties": {"partialSuccess": partial}}
    request = {"type": "object", "properties": {member: {"type": "array"}}}
    return {
        "summary": f"Record {records} as OTLP/HTTP.",
        "operationId": f"record_{operation}",
        "parameters": _HEADERS,
        "requestBody": {
            "required": True,
            "content": {
                _PROTOBUF: {"schema": _BINARY},
                _JSON: {"schema": request, "example": {member: []}},
            },
        },
        "responses": {
            "200": _response(
                f"The {records} are durable but for those that are counted as rejected.",
                {_PROTOBUF: {"schema": _BINARY}, _JSON: {"schema": answer}},
            ),
            # A body that came too slowly is a 503: exporters do not send it again after a 408.
            **{status: _status(status) for status in _REFUSALS if status != "408"},
        },
    }


def _page(summary: str, media_type: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": _response(summary, {media_type: {"schema": {}}})},
    }


def _ready() -> dict[str, Any]:
    page = _page("Whether events could be stored now.", _JSON)
    page["responses"]["503"] = _error("503")
    return page


def _error(status: str) -> dict[str, Any]:
    told, headers = _REFUSALS[status]
    return _response(told, {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}, headers)


def _status(status: str) -> dict[str, Any]:
    told, headers = _REFUSALS[status]
    content = {
        _PROTOBUF: {"schema": _BINARY},
        _JSON: {"schema": {"$ref": "#/components/schemas/Status"}},
    }
    return _response(told, content, headers)


def _response(
    told: str, content: dict[str, Any], headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"description": told, "content": content, **({"headers": headers} if headers else {})}


def _schemas() -> dict[str, Any]:
    event = event_json_schema()
    parts = event.pop("$defs")
    event.pop("$schema")
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "minLength": 1}},
    }
    status = {
        "type": "object",
        "description": "google.rpc.Status",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    }
    schemas: dict[str, Any] = _moved({**parts, "Event": event})
    return {**schemas, "Error": error, "Status": status}


def _moved(value: Any) -> Any:
    """Return a schema whose references lead to where OpenAPI keeps schemas."""
    if isinstance(value, dict):
        return {name: _moved(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item) for item in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return value.replace("#/$defs/", "#/components/schemas/", 1)
    return value
