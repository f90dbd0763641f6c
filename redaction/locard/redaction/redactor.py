"""Redaction of one event: walk its content fields, replace values, keep keys and types.

JSON is walked, also JSON in a string, and never scanned as text, since escapes such as `\\n` would
both hide values and invent some. A key stays unless it is itself a finding, and gives context to
its value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from locard.redaction.analyzer import engine_version
from locard.redaction.policy import RedactionPolicy
from locard.redaction.text import Span, TextRedactor
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    KNOWN_PART_TYPES,
    EventCore,
    Finding,
    JsonError,
    RedactionRecord,
    canonical_bytes,
    content_fields,
    parse_json,
)

_REFERENCE: Final = "same_as"
_EVENT_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_MESSAGES: Final = 2**53  # above what a number in a reference can be
_PARTS_WITH_CALL_ID: Final = ("tool_call", "tool_call_response")
_FEWEST_DIGITS: Final = 7  # of a number that may be somebody's; shorter ones are amounts and counts
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


class Redactor:
    """Takes personal data out of events, given as JSON objects."""

    def __init__(self, texts: TextRedactor, policy: RedactionPolicy, key_id: str) -> None:
        self._texts = texts
        self._policy = policy
        self._key_id = key_id
        self._engine = engine_version()

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Return the event with its content redacted, and the record of what was done.

        Args:
            event: the JSON object of a valid event, as `event_object` makes it.
        """
        redacted = {**event, "body": dict(event["body"])}
        found: dict[str, list[Span]] = {}
        event_type = EVENT_TYPE_OF_KIND[event["kind"]]
        for holder, model in ((redacted, EventCore), (redacted["body"], event_type.body_type())):
            for name in content_fields(model):
                if name in holder:
                    walk = _Walk(self._texts)
                    visit = walk.messages if name == "messages" else walk.value
                    holder[name] = visit(holder[name])
                    if walk.found:
                        found[name] = walk.found
        return redacted, self._record(found)

    def _record(self, found: Mapping[str, list[Span]]) -> RedactionRecord:
        return RedactionRecord(
            policy=self._policy.name,
            engine=self._engine,
            key_id=self._key_id if found else None,
            fields={name: _findings(spans) for name, spans in found.items()},
        )


class _Walk:
    """One pass through a content field; collects what was found on the way."""

    def __init__(self, texts: TextRedactor) -> None:
        self._texts = texts
        self.found: list[Span] = []

    def messages(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Walk messages as the schema defines them; below a part everything is payload."""
        walked = []
        for message in messages:
            kept = {k: v for k, v in message.items() if k == _REFERENCE and _is_reference(v)}
            if "parts" in message:
                kept["parts"] = [self._part(part) for part in message["parts"]]
            rest = self._object({k: v for k, v in message.items() if k not in kept})
            walked.append(rest | kept)
        return walked

    def value(self, value: Any, context: tuple[str, ...] = ()) -> Any:
        """Walk any JSON value; `context` are the words of the key that it stands under."""
        if isinstance(value, str):
            return self._text(value, context)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.value(item, context) for item in value]
        return self._number(value, context)

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in part.items() if _is_structure(name, value, part)}
        return self._object({k: v for k, v in part.items() if k not in kept}) | kept

    def _text(self, text: str, context: tuple[str, ...]) -> str:
        nested = _json_in(text)
        if nested is not None:
            before = len(self.found)
            walked = self.value(nested)
            return canonical_bytes(walked).decode() if len(self.found) > before else text
        redacted, spans = self._texts.redact(text, context)
        self.found += spans
        return redacted

    def _number(self, value: Any, context: tuple[str, ...]) -> Any:
        """A number can be an account or a telephone; as a finding it becomes a token."""
        if isinstance(value, bool) or value is None or abs(value) < 10 ** (_FEWEST_DIGITS - 1):
            return value
        text = str(value)
        redacted = self._text(text, context)
        return value if redacted == text else redacted

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = self._text(key, ())
            while name in result:  # two keys that were two spellings of one value
                name += "'"
            result[name] = self.value(item, words_of(key))
        return result


def _is_structure(name: str, value: Any, part: dict[str, Any]) -> bool:
    """Say whether a field of a part is of its structure, and not of what it says.

    The id of a call must stay equal to the one in the core, or the call could not be paired with
    its result. All else that a sender can choose is payload.
    """
    if name == "id":
        return isinstance(value, str) and part.get("type") in _PARTS_WITH_CALL_ID
    return name == "trust" or (name == "type" and value in KNOWN_PART_TYPES)


def _is_reference(value: Any) -> bool:
    """Say whether this names a message of another event and nothing else.

    In any other form it is payload. A reference to the first message has no number.
    """
    if not isinstance(value, dict) or not {"event"} <= value.keys() <= {"event", "message"}:
        return False
    event, number = value["event"], value.get("message", 0)
    is_number = isinstance(number, int) and not isinstance(number, bool)
    is_event = isinstance(event, str) and _EVENT_ID.fullmatch(event) is not None
    return is_event and is_number and 0 <= number < _MOST_MESSAGES


def _json_in(text: str) -> Any:
    """Return the object or array that a text is, or `None` where it is none.

    Scanned as text its escapes would hide values and invent others.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse_json(text.encode())
    except (JsonError, UnicodeEncodeError):
        return None


@lru_cache(4096)
def words_of(key: str) -> tuple[str, ...]:
    """Return the lower-case words of a key: `customerPhone_no` gives customer, phone, no."""
    return tuple(word.lower() for word in _WORD.findall(key[:200]))


def _findings(spans: list[Span]) -> tuple[Finding, ...]:
    scores: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        scores[span.entity_type].append(span.score)
    return tuple(
        Finding(
            entity_type=entity_type,
            count=len(values),
            lowest_score=min(values),
            highest_score=max(values),
        )
        for entity_type, values in sorted(scores.items())
    )
