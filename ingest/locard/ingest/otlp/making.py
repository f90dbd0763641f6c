"""Events from their JSON objects: validated, and mended where an event cannot hold a value."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.otlp.holdable import holdable
from locard.schema import Event, RejectedRecord, event_json, parse_event, rfc3339

_validator: Final = TypeAdapter[Event](Event).validator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_EVENT: Final = LARGEST_RECORD - 1024 * 1024  # what stamping and redacting may add
_LONGEST_TEXT: Final = 64 * 1024  # of a text in an event that would be too large
_LEVELS_OF_BODY: Final = 120
_UNHOLDABLE: Final = "unholdable"
_IDS: Final = ("event_id", "caused_by")  # of ours, as UUIDs


def moment(nanoseconds: int) -> str | None:
    """Return a time of OTLP in the form of an event, `None` where there is none."""
    if nanoseconds <= 0:
        return None
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_second(seconds)}{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Return a time up to the point: the records of a request share few seconds."""
    return rfc3339(_EPOCH + timedelta(seconds=seconds)).removesuffix("000000Z")


class Made(NamedTuple):
    """An event that was made of a draft.

    Args:
        data: the event as JSON; fields at their default may stand in it.
        is_whole: it says all that the draft does.
    """

    event: Event
    data: bytes
    is_whole: bool = True


def made_event(draft: dict[str, Any]) -> Made:
    """Return the event of a JSON object whose members are fields of an event.

    A value that an event cannot hold is replaced as `holdable` says, and texts of an event that is
    larger than a record may be are cut; `extensions.replaced` and `extensions.cut` tell it. What is
    no event of its kind even so becomes one that says that something was there.

    Raises:
        RejectedRecord: nothing helped.
    """
    try:
        data = to_json(draft)
        if len(data) <= _LARGEST_EVENT:
            # What `parse_event` looks for beside this, decoding has seen to: keys are unique and
            # numbers and depth within the limits.
            return Made(_validator.validate_json(data), data)
    except (ValidationError, PydanticSerializationError, ValueError):
        pass
    mended = _mended(draft)
    try:
        event = parse_event(to_json(mended))
    except RejectedRecord:
        event = parse_event(to_json(_unholdable(mended)))
    return Made(event, event_json(event), is_whole=False)


def _mended(draft: dict[str, Any]) -> dict[str, Any]:
    mended: dict[str, Any] = {}
    replaced = []
    for name, value in draft.items():
        if name in _IDS:
            mended[name] = value
            continue
        mended[name], is_replaced = holdable(value, _LEVELS_OF_BODY)
        if is_replaced:
            replaced.append(name)
    notes: dict[str, Any] = {"replaced": replaced} if replaced else {}
    if len(to_json(mended)) > _LARGEST_EVENT:
        cutting = _Cutting()
        for name in ("body", "extensions", "parameters"):
            if name in mended:
                mended[name] = cutting.cut(mended[name])
        notes["cut"] = cutting.texts
    if notes:
        mended["extensions"] = {**mended.get("extensions", {}), **notes}
    return mended


class _Cutting:
    """Cuts long texts, and notes the length and digest of each that it cut."""

    def __init__(self) -> None:
        self.texts: list[dict[str, Any]] = []

    def cut(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.cut(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.cut(item) for item in value]
        if not isinstance(value, str) or len(value) <= _LONGEST_TEXT:
            return value
        digest = hashlib.sha256(value.encode()).hexdigest()
        self.texts.append({"characters": len(value), "sha256": digest})
        return value[:_LONGEST_TEXT]


def _unholdable(draft: dict[str, Any]) -> dict[str, Any]:
    """Return an event that holds as attributes what its own kind could not hold."""
    core = ("event_id", "schema_version", "occurred_at", "observed_at", "lane", "time_source")
    ids = ("workflow_id", "session_id", "trace_id", "span_id", "parent_span_id")
    kept = {name: draft[name] for name in (*core, *ids) if name in draft}
    rest = {name: value for name, value in draft.items() if name not in kept}
    text = to_json(rest).decode()[: 16 * _LONGEST_TEXT]
    body = {"change": _UNHOLDABLE, "attributes": {"event": text}}
    return {**kept, "kind": "lifecycle", "body": body}
