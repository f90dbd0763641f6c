"""The walk through a content field: replace values, keep keys and types.

JSON is walked, also JSON in a string, and never scanned as text, since escapes such as `\\n` would
both hide values and invent some. A key stays unless it is itself a finding, and gives context to
its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from locard.redaction.json_text import json_in, json_parts
from locard.redaction.policy import Rules
from locard.redaction.secret_names import secret_type
from locard.redaction.spans import Span
from locard.redaction.structure import words_of
from locard.redaction.text import RedactedText
from locard.schema import (
    EVENT_TYPE_OF_KIND,
    KNOWN_PART_TYPES,
    MESSAGE_FIELD_NAMES,
    Action,
    EventCore,
    canonical_bytes,
    content_fields,
)

_REFERENCE: Final = "same_as"
_EVENT_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_MESSAGES: Final = 2**53  # above what a number in a reference can be
_PARTS_WITH_CALL_ID: Final = ("tool_call", "tool_call_response")
_FEWEST_DIGITS: Final = 7  # of a number that may be somebody's; shorter ones are amounts and counts


class Texts(Protocol):
    """What becomes of the texts on the way; `TextRedactor` replaces what it finds."""

    def redact(self, text: str, rules: Rules, context: tuple[str, ...] = ()) -> RedactedText:
        """Return what takes the place of a text."""
        ...


class Walk:
    """One pass through a content field; collects what was found on the way.

    Args:
        path: keys and numbers that lead to where the walk is, for whoever wants to tell.
    """

    def __init__(self, texts: Texts, rules: Rules, path: list[str | int] | None = None) -> None:
        self._texts = texts
        self._rules = rules
        self._path = [] if path is None else path
        self.found: list[tuple[Span, Action]] = []

    def content(self, name: str, value: Any) -> Any:
        """Walk a content field of an event by its name."""
        return self.messages(value) if name == "messages" else self.value(value)

    def messages(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Walk messages as the schema defines them; below a part everything is payload."""
        walked = []
        for number, message in enumerate(messages):
            self._path.append(number)
            kept = {k: v for k, v in message.items() if k == _REFERENCE and _is_reference(v)}
            if "parts" in message:
                kept["parts"] = [
                    self._part(number, part) for number, part in enumerate(message["parts"])
                ]
            rest = self._object({k: v for k, v in message.items() if k not in kept})
            walked.append(rest | kept)
            self._path.pop()
        return walked

    def value(self, value: Any, context: tuple[str, ...] = ()) -> Any:
        """Walk any JSON value; `context` are the words of the key that it stands under."""
        if isinstance(value, str):
            return self._text(value, context)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self._at(number, item, context) for number, item in enumerate(value)]
        return self._number(value, context)

    def _at(self, step: str | int, value: Any, context: tuple[str, ...]) -> Any:
        self._path.append(step)
        walked = self.value(value, context)
        self._path.pop()
        return walked

    def _part(self, number: int, part: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in part.items() if _is_structure(name, value, part)}
        self._path += ("parts", number)
        walked = self._object({k: v for k, v in part.items() if k not in kept})
        del self._path[-2:]
        return walked | kept

    def _text(self, text: str, context: tuple[str, ...]) -> str:
        nested = json_in(text)
        if nested is not None:
            walked = self.value(nested)
            return text if walked == nested else canonical_bytes(walked).decode()
        written, position = [], 0
        for start, end, value in json_parts(text):
            walked = self.value(value)
            written.append(self._prose(text[position:start], context))
            written.append(text[start:end] if walked == value else canonical_bytes(walked).decode())
            position = end
        return "".join([*written, self._prose(text[position:], context)])

    def _prose(self, text: str, context: tuple[str, ...]) -> str:
        redacted = self._texts.redact(text, self._rules, context)
        self.found += redacted.findings
        return redacted.text

    def _number(self, value: Any, context: tuple[str, ...]) -> Any:
        """A number can be an account, a telephone or a PIN; as a finding it becomes text."""
        if isinstance(value, bool) or value is None:
            return value
        text = str(value)
        is_short = abs(value) < 10 ** (_FEWEST_DIGITS - 1)
        if is_short and not (context and secret_type(context, text)):
            return value
        redacted = self._text(text, context)
        return value if redacted == text else redacted

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = key if key in MESSAGE_FIELD_NAMES else self._text(key, ())
            while name in result:  # two keys that were two spellings of one value
                name += "'"
            result[name] = self._at(key, item, words_of(key))
        return result


def with_content(event: Mapping[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return an event, a JSON object, with each of its content fields changed.

    Args:
        change: is given the name of a field and its value, and returns what takes its place.
    """
    changed = {**event, "body": dict(event["body"])}
    event_type = EVENT_TYPE_OF_KIND[event["kind"]]
    for holder, model in ((changed, EventCore), (changed["body"], event_type.body_type())):
        for name in content_fields(model):
            if name in holder:
                holder[name] = change(name, holder[name])
    return changed


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
