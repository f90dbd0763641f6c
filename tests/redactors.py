"""Redactors that misbehave on demand, for tests; at module level, so that workers can load them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from locard.redaction import DEFAULT_POLICY, EventRedactor, Pseudonymizer
from locard.redaction.findings import TextFinder
from locard.redaction.redactor import Redactor
from locard.redaction.text import TextRedactor
from locard.redaction.worker import MOST_BYTES_OF_WORK
from locard.schema import Finding, RedactionRecord


class FaultyRedactor:
    """Blanks every `result` and `arguments`; events that ask for it raise, hang or crash."""

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Do what the event's `call_id` says, and otherwise blank its content."""
        match event.get("call_id"):
            case "raise":
                raise ValueError(f"cannot redact {event}")
            case "hang":
                threading.Event().wait()
            case "crash":
                os._exit(3)
            case "memory":
                return {"held": bytes(2 * MOST_BYTES_OF_WORK)}, None
            case "leak":
                self.leaked = bytearray(os.urandom(1024)) * (256 * 1024)
            case "process":
                event = {**event, "call_id": str(os.getpid())}
            case "print":
                print(event, flush=True)
        body = {**event["body"]}
        found = {}
        for name in ("result", "arguments"):
            if body.pop(name, None) is not None:
                finding = Finding(entity_type="ALL", count=1, lowest_score=1.0, highest_score=1.0)
                found[name] = (finding,)
        record = RedactionRecord(policy="test/1", engine="test", key_id="k1", fields=found)
        return {**event, "body": body}, record


def broken_factory() -> FaultyRedactor:
    """Fail the way a damaged installation does."""
    raise ImportError("no engine here")


class FaultyAnalyzer:
    """A recognizer that goes wrong on texts that ask for it, and else finds what has an `@`."""

    def analyze(self, text: str, language: str, **_: Any) -> list[Any]:
        """Do what the text says."""
        start, end = text.find("mia@example.com"), text.find(".com") + 4
        if "raise" in text:
            raise ValueError(text)
        if "hang" in text:
            threading.Event().wait()
        if "memory" in text:
            bytes(2 * MOST_BYTES_OF_WORK)
        if "die" in text:
            os._exit(3)
        if "outside" in text:
            start = -start
        return [_Found(start, end)] if start else []


class _Found:
    entity_type, score, recognition_metadata = "EMAIL_ADDRESS", 1.0, None

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end


def faulty_recognizer() -> EventRedactor:
    """Return the redactor in use, with a recognizer that goes wrong."""
    finder = TextFinder(FaultyAnalyzer(), None, entity_types=("EMAIL_ADDRESS",), lowest_score=0.4)
    texts = TextRedactor(finder, Pseudonymizer("k1", b"0" * 32))
    return Redactor(texts, DEFAULT_POLICY, key_id="k1", engine="faulty")
