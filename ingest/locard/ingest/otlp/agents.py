"""Agents, workflows and chains: that they ran, and what they say that their parts did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from locard.ingest.otlp.inference import add_output, add_prompt, model_fields
from locard.ingest.otlp.message_forms import Message
from locard.ingest.otlp.messages import said
from locard.ingest.otlp.reading import Reading


def agent(reading: Reading, operation: str) -> None:
    """Add that an agent ran, and its messages where the session does not hold them already.

    Its usage repeats that of the calls of models below it, and stays among the attributes.
    """
    model = model_fields(reading.reader)
    reading.lifecycle(operation, **model)
    add_new_messages(reading, model)


def add_new_messages(reading: Reading, model: dict[str, Any]) -> None:
    """Add a prompt and an output where the session does not hold their messages already."""
    reader = reading.reader
    given = said(reader, "input", only_messages=True)
    answered = said(reader, "output", only_messages=True)
    prompt_id = None
    if _is_new(reading, given.messages or ()):
        prompt_id = add_prompt(reading, given, model)
    if _is_new(reading, answered.messages or ()):
        add_output(reading, answered, model, prompt_id, is_captured=True, usage=False)


def _is_new(reading: Reading, messages: Sequence[Message]) -> bool:
    """Say whether one of these is held by no event but those of this very record."""
    holders = {reading.telling.holds(reading.session, message) for message in messages}
    if not holders or None in holders:
        return bool(holders)
    slots = ("prompt", "output", *(f"result.{number}" for number in range(len(messages))))
    return any(reading.event_id(slot) in holders for slot in slots)
