"""A made-up workload in the shape of real agent runs: about six messages a session, 1 kB an event.

The proportions (kinds of events, lengths, how often a value repeats) follow public agent runs; the
texts are invented, so that the benchmark needs nothing beside the checkout.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from locard.schema import SCHEMA_VERSION, Event, derived_event_id, rfc3339, validate_event

_TEXT = (
    "please check the invoice of last month and pay what is still open the customer asked about "
    "a refund for the flight that was cancelled on Tuesday we cannot confirm the reservation "
    "until the account has been verified by a colleague in the office thank you for your patience"
)
_WORDS = _TEXT.split()
_ACCOUNTS = ("GB29NWBK60161331926819", "DE89370400440532013000", "CH9300762011623852957")
_START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


def events(count: int, seed: int = 20260504) -> list[Event]:
    """Return that many events; the same ones each time."""
    source = _sessions(random.Random(seed))  # noqa: S311 - a workload, not a secret
    return [next(source) for _ in range(count)]


def _sessions(chance: random.Random) -> Iterator[Event]:
    number = 0
    while True:
        session = f"session-{number}"
        system = _text(chance, 120)
        yield _event(session, 0, "lifecycle", {"change": "session_start"})
        prompt = [_message("system", system), _message("user", _text(chance, 25))]
        yield _event(session, 1, "prompt", {"messages": prompt})
        step = 2
        for turn in range(chance.randint(1, 4)):
            arguments = {"recipient": chance.choice(_ACCOUNTS), "amount": chance.randint(1, 900)}
            call = {
                "type": "tool_call",
                "id": f"c{turn}",
                "name": "send_money",
                "arguments": arguments,
            }
            said = {"role": "assistant", "parts": [call]}
            yield _event(session, step, "model_output", {"messages": [said]})
            body = {"tool_name": "send_money", "sighting": "executed", "arguments": arguments}
            yield _event(session, step + 1, "tool_call", body, call_id=f"c{turn}")
            result = f"{_text(chance, 90)} mail {chance.choice('abcdef')}@example.com"
            body = {"tool_name": "send_money", "outcome": "ok", "result": result}
            yield _event(session, step + 2, "tool_result", body, call_id=f"c{turn}")
            step += 3
        yield _event(
            session, step, "model_output", {"messages": [_message("assistant", _text(chance, 60))]}
        )
        number += 1


def _event(session: str, number: int, kind: str, body: dict[str, Any], **core: str) -> Event:
    moment = rfc3339(_START + timedelta(seconds=number))
    return validate_event(
        {
            "kind": kind,
            "event_id": str(derived_event_id("bench", session, str(number))),
            "schema_version": SCHEMA_VERSION,
            "occurred_at": moment,
            "observed_at": moment,
            "lane": "recorder",
            "collector_id": "bench",
            "incarnation": "1",
            "seq": number,
            "workflow_id": "payments",
            "agent_name": "payer",
            "session_id": session,
            "request_model": "some-model-1",
            "body": body,
            **core,
        }
    )


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "trust": "user", "content": text}]}


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))
