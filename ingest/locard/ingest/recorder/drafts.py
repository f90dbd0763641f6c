"""From what an agent handed over to an event: the work that the agent does not wait for.

`draft_bytes.py` says what a draft is. Whatever was handed over becomes an event. A field that does
not fit the schema is left out and named; where that does not help, the draft is kept as text. Where
it is too large its texts are cut; where that does not help, or it was lost, its content is
`not_captured`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from locard.ingest.answers import read_answer
from locard.ingest.chat import chat_messages
from locard.ingest.conversations import Conversations
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.recorder.draft_bytes import clocks, read_draft
from locard.ingest.recorder.plain import Reader
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    SCHEMA_VERSION,
    Event,
    EventCore,
    RejectedRecord,
    content_fields,
    event_json,
    rfc3339,
    utc_now,
    validate_event,
)

__all__ = ["UNFIT", "Drafts", "clocks", "moment", "read_draft"]

Object: TypeAlias = dict[str, Any]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNFIT: Final = "unfit_event"
_NOTES: Final = "recorder"  # the key of what the recorder itself says, in `extensions`
_LEAST_STEP: Final = 1_000_000  # microseconds by which a clock was set, to be worth telling
_LONGEST_FIELD: Final = 1_000  # characters of a field that did not fit
_LONGEST_TEXT: Final = 1024 * 1024  # of a draft that is kept as text
_CUT_CHARACTERS: Final = 2 * 1024 * 1024  # of all texts of an event that is too large whole


class Drafts:
    """Makes the events of one incarnation.

    Args:
        collector_id: who numbers the events.
        incarnation: in which run.
        core: core fields that all events have.
        conversations: what was said before.
    """

    def __init__(
        self,
        collector_id: str,
        incarnation: str,
        core: Mapping[str, Any],
        conversations: Conversations,
    ) -> None:
        self._source = {"collector_id": collector_id, "incarnation": incarnation}
        self._core = core
        self._telling = conversations.tell()
        self._clocks: tuple[int, int] | None = None

    def event(self, seq: int, draft: Object) -> Event:
        """Return the event of a draft, as it is to be sent."""
        event = self._event(seq, draft)
        if len(event_json(event)) > LARGEST_RECORD:
            self._withdraw(draft)
            reader = Reader(_CUT_CHARACTERS)
            shorter = {**draft, "b": reader.value(draft.get("b")), "x": reader.cut}
            event = self._event(seq, shorter)
        if len(event_json(event)) > LARGEST_RECORD:
            self._withdraw(draft)
            return self.without_content(seq, draft, "event_too_large")
        return event

    def _event(self, seq: int, draft: Object) -> Event:
        """Return the event of a draft, however large it is."""
        try:
            return validate_event(self._object(seq, draft))
        except RejectedRecord as error:
            reason = error.error_class
        except Exception as error:  # noqa: BLE001 - what no form foresaw is kept as text
            reason = type(error).__name__
        self._withdraw(draft)
        repaired = None
        with suppress(Exception):
            repaired = self._without_unfit_fields(seq, draft)
        return repaired or self.without_content(seq, draft, reason, keep_text=True)

    def commit(self) -> None:
        """Let later events refer to those made so far: they are durable."""
        self._telling.commit()

    def without_content(
        self, seq: int, draft: Object, reason: str, *, keep_text: bool = False
    ) -> Event:
        """Return the event with its core alone, saying why; if asked, with the draft as text."""
        event = self._envelope(seq, draft, only_text=True)
        if event["kind"] not in EVENT_TYPE_OF_KIND:
            event["kind"] = "lifecycle"
        body = draft.get("b")
        given = body if isinstance(body, dict) else {}
        event["body"] = {n: given[n] for n in _REQUIRED.get(event["kind"], ()) if n in given}
        names = content_fields(EVENT_TYPE_OF_KIND[event["kind"]].body_type())
        event["absent"] = dict.fromkeys(names, "not_captured")
        notes: Object = {"left_out": reason}
        if keep_text:
            handed_over = {key: draft[key] for key in ("k", "s", "c", "b") if key in draft}
            text = json.dumps(handed_over, ensure_ascii=True)
            notes |= {"draft": text[:_LONGEST_TEXT], "draft_characters": len(text)}
        event["extensions"] = {_NOTES: notes}
        try:
            return validate_event(event)
        except RejectedRecord:  # what the kind requires is itself unfit
            notes["kind"] = _described(draft["k"])
            unfit = {"kind": "lifecycle", "body": {"change": UNFIT}, "absent": {}}
            return validate_event({**event, **unfit})

    def clock_step(self, draft: Object) -> float | None:
        """Return by how many seconds the wall clock was set since the last draft, if it was."""
        now = (draft["t"], draft["m"])
        before, self._clocks = self._clocks, now
        if before is None:
            return None
        step = (now[0] - before[0]) - (now[1] - before[1])
        return step / 1e6 if abs(step) > _LEAST_STEP else None

    def _without_unfit_fields(self, seq: int, draft: Object) -> Event | None:
        """Return the event without the optional fields that do not fit, which are kept beside it.

        `None` where it is something else that does not fit.
        """
        optional = [
            (part, name)
            for part in ("s", "c", "b")
            for name in (draft.get(part) or {})
            if part != "b" or name in _OPTIONAL_OF_BODY
        ]
        if not self._fits(seq, _without(draft, optional)):
            return None
        unfit = [
            field
            for field in optional
            if not self._fits(seq, _without(draft, [other for other in optional if other != field]))
        ]
        fitting = _without(draft, unfit)
        causes = [cause for cause in _list((draft.get("c") or {}).get("caused_by")) if _id(cause)]
        if ("c", "caused_by") in unfit and causes:
            fitting["c"]["caused_by"] = causes
        event = self._object(seq, fitting)
        left_out = {name: _described(draft[part][name]) for part, name in unfit}
        _note(event, {"left_out": "invalid_field", "fields": left_out})
        try:
            return validate_event(event)
        except RejectedRecord:
            self._withdraw(draft)
            return None

    def _fits(self, seq: int, draft: Object) -> bool:
        try:
            validate_event(self._object(seq, draft))
        except RejectedRecord:
            return False
        finally:
            self._withdraw(draft)
        return True

    def _withdraw(self, draft: Object) -> None:
        """Let nothing refer to what was told of an event that is stored without it."""
        session_id = {**(draft.get("s") or {}), **(draft.get("c") or {})}.get("session_id")
        if isinstance(session_id, str):
            self._telling.withdraw(session_id, UUID(draft["i"]))

    def _object(self, seq: int, draft: Object) -> Object:
        event = self._envelope(seq, draft)
        if draft.get("x"):
            _note(event, {"cut": draft["x"]})
        told = _BODIES.get(event["kind"], _as_it_is)
        event["body"] = told(self, event, draft.get("b") or {})
        return event

    def _envelope(self, seq: int, draft: Object, *, only_text: bool = False) -> Object:
        given = {**self._core, **(draft.get("s") or {}), **(draft.get("c") or {})}
        if only_text:
            given = {n: v for n, v in given.items() if n in _TEXT_OF_CORE and isinstance(v, str)}
        return {
            **{name: value for name, value in given.items() if value is not None},
            **self._source,
            "seq": seq,
            "kind": draft["k"] if isinstance(draft["k"], str) else UNFIT,
            "event_id": draft["i"],
            "schema_version": SCHEMA_VERSION,
            "occurred_at": rfc3339(moment(draft["t"])),
            "observed_at": rfc3339(moment(draft["t"])),
            "lane": "recorder",
        }

    def _prompt(self, event: Object, body: Object) -> Object:
        messages = [
            *chat_messages(body.get("system"), "system"),
            *chat_messages(body.get("messages"), "user"),
        ]
        told: Object = {"messages": messages, "tool_definitions": body.get("tools")}
        session_id = _text(event.get("session_id"))
        if session_id:
            stored = self._telling.prompt(session_id, UUID(event["event_id"]), messages)
            told |= {"messages": stored.messages, "history": stored.history}
        return {name: value for name, value in told.items() if value is not None}

    def _output(self, event: Object, body: Object) -> Object:
        answer = read_answer(body.get("output"))
        for name, value in answer.core.items():
            event.setdefault(name, value)
        if answer.rest and isinstance(event.setdefault("extensions", {}), dict):
            event["extensions"] = {**event["extensions"], "response": answer.rest}
        session_id = _text(event.get("session_id"))
        if session_id and answer.messages:
            event_id, prompt = UUID(event["event_id"]), _id(body.get("prompt"))
            self._telling.output(session_id, event_id, prompt, answer.messages[0])
        return {"messages": answer.messages}

    def _result(self, event: Object, body: Object) -> Object:
        session_id, call_id = _text(event.get("session_id")), _text(event.get("call_id"))
        if session_id and call_id and "result" in body:
            name = _text(body.get("tool_name"))
            event_id = UUID(event["event_id"])
            self._telling.result(session_id, event_id, call_id, body["result"], name)
        return body


def moment(microseconds: int) -> datetime:
    """Return a wall clock's microseconds since 1970 as a moment; now, where the clock is absurd."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return utc_now()


def _without(draft: Object, fields: Sequence[tuple[str, str]]) -> Object:
    """Return a draft without these fields of its parts."""
    without = dict(draft)
    for part in {part for part, _ in fields}:
        left_out = {name for of, name in fields if of == part}
        without[part] = {n: value for n, value in draft[part].items() if n not in left_out}
    return without


def _described(value: Any) -> Any:
    """Return a value that did not fit, or its beginning as text where it is long."""
    text = json.dumps(value, ensure_ascii=True)
    return value if len(text) <= _LONGEST_FIELD else text[:_LONGEST_FIELD]


def _note(event: Object, notes: Object) -> None:
    """Add what the recorder itself says of an event, beside what was handed over."""
    given = event.get("extensions")
    if given is None or isinstance(given, dict):
        said = (given or {}).get(_NOTES)
        event["extensions"] = {**(given or {}), _NOTES: {**_object(said), **notes}}


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _id(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _as_it_is(_: Drafts, __: Object, body: Object) -> Object:
    return body


_BODIES: Final[dict[str, Callable[[Drafts, Object, Object], Object]]] = {
    "prompt": Drafts._prompt,
    "model_output": Drafts._output,
    "tool_result": Drafts._result,
}
_TEXT_OF_CORE: Final = frozenset(
    name for name, info in EventCore.model_fields.items() if info.annotation == str | None
) - {"on_behalf_of"}
_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "tool_call": ("tool_name", "sighting"),
    "tool_result": ("outcome",),
    "content": ("operation",),
    "decision": ("decided_by", "verdict"),
    "lifecycle": ("change",),
}
_OPTIONAL_OF_BODY: Final = frozenset(
    name
    for event_type in EVENT_TYPE_OF_KIND.values()
    for name in event_type.body_type().model_fields.keys()
    - set(content_fields(event_type.body_type()))
) - {name for names in _REQUIRED.values() for name in names}
