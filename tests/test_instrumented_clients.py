"""However an agent is instrumented, the same conversation gives the same record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from importing import events_in_log
from instrumented_agent import MESSAGES, SESSION, read_mail, send_money
from lakes import publish
from locard.ingest.collector import collector_app
from locard.ingest.eventlog.embedded import EmbeddedWriter
from locard.query import connect
from locard.schema import Event, canonical_bytes
from servers import TOKEN, serving

AGENT = Path(__file__).with_name("instrumented_agent.py")
WAYS = ("recorder", "span", "event", "both", "openinference")
RECIPIENT = "DE89370400440532013000"
STEPS: list[dict[str, Any]] = [
    {"tool": ("call_1", "read_mail", {"query": "Keller"}), "tokens": (60, 11)},
    {
        "tool": ("call_2", "send_money", {"recipient": RECIPIENT, "amount": 4820}),
        "tokens": (95, 17),
    },
    {"text": "Paid 4820 EUR to Keller Paper.", "tokens": (130, 9)},
]


class Model(BaseHTTPRequestHandler):
    """A model that pays an invoice: what it says depends on how many answers it sees."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = sum(message["role"] == "assistant" for message in asked["messages"])
        body = json.dumps(completion(number)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def completion(number: int) -> dict[str, Any]:
    """Return the model's answer of this turn."""
    step = STEPS[number]
    message: dict[str, Any] = {"role": "assistant", "content": step.get("text")}
    if "tool" in step:
        call_id, name, arguments = step["tool"]
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": call_id, "type": "function", "function": function}]
    reason = "tool_calls" if "tool" in step else "stop"
    read, wrote = step["tokens"]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": "some-model-2026",
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": wrote,
            "total_tokens": read + wrote,
        },
    }


@dataclass
class Seen:
    """What one way of instrumenting recorded."""

    events: list[Event]
    lake: Path

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the lake."""
        with connect(self.lake) as lake:
            return lake.execute(statement).fetchall()

    @property
    def texts(self) -> Counter[tuple[str, str]]:
        """Who said what, each message once."""
        found = self.query("SELECT role, text FROM texts WHERE field LIKE 'messages%.content'")
        return Counter(found)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Iterator[dict[str, Seen]]:
    """What the agent's run gives in each way, through a real collector."""
    model = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=model.serve_forever)
    thread.start()
    found = {}
    try:
        for way in WAYS:
            home = tmp_path_factory.mktemp(way)
            log = EmbeddedWriter(home / "log.sqlite")
            with serving(collector_app(log, TOKEN)) as client:
                run_agent(way, model.server_address[1], str(client.base_url), home)
            log.close()
            events = events_in_log(home / "log.sqlite")
            found[way] = Seen(events, publish(home / "lake", *events))
        yield found
    finally:
        model.shutdown()
        model.server_close()
        thread.join()


def run_agent(way: str, model_port: int, collector: str, home: Path) -> None:
    """Run the agent in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    arguments = [way, f"http://127.0.0.1:{model_port}", collector.rstrip("/"), TOKEN]
    done = subprocess.run(
        [sys.executable, AGENT, *arguments, home / "spool"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Failed to export" not in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_the_tool_calls_are_the_same(seen, way):
    """Each call once, with its id, arguments and result, seen asked for and seen done."""
    calls = seen[way].query(
        "SELECT call_id, tool_name, arguments, outcome, list_contains(sightings, 'executed'),"
        " list_contains(sightings, 'requested') FROM tool_calls ORDER BY call_id"
    )
    wanted = [step["tool"] for step in STEPS if "tool" in step]
    assert calls == [
        (call_id, name, canonical_bytes(arguments).decode(), "ok", True, True)
        for call_id, name, arguments in wanted
    ]
    results = seen[way].query("SELECT DISTINCT call_id, result ->> '$' FROM tool_results")
    assert {c: json.loads(r) if r.startswith("{") else r for c, r in results} == {
        "call_1": read_mail("Keller"),
        "call_2": json.loads(send_money(RECIPIENT, 4820)),
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_texts_are_the_same_and_each_is_stored_once(seen, way):
    """What was said, by whom; no turn repeats what came before it."""
    said = Counter({(message["role"], message["content"]): 1 for message in MESSAGES})
    said["assistant", STEPS[-1]["text"]] = 1
    if way == "both":  # the instrumentation itself sends all of it twice, as span and as event
        assert set(seen[way].texts) == set(said)
    else:
        assert seen[way].texts == said


@pytest.mark.parametrize("way", WAYS)
def test_the_kinds_are_the_same(seen, way):
    """Prompts, outputs, calls, results, and the session's own life."""
    recorded = [event for event in seen[way].events if event.kind != "accounting"]
    assert {event.kind for event in recorded} == {
        "prompt",
        "model_output",
        "tool_call",
        "tool_result",
        "lifecycle",
    }
    (session,) = {event.session_id for event in recorded}
    has_name = way in ("recorder", "span", "openinference")
    assert session == SESSION if has_name else str(session).startswith("trace:")


@pytest.mark.parametrize("way", WAYS)
def test_the_tokens_are_the_same(seen, way):
    """Tokens are counted once, with the model that counted them."""
    rows = seen[way].query(
        "SELECT DISTINCT response_id, response_model, input_tokens, output_tokens"
        " FROM events WHERE kind = 'model_output' AND input_tokens IS NOT NULL ORDER BY 1"
    )
    assert rows == [
        (f"chatcmpl-{number}", "some-model-2026", *step["tokens"])
        for number, step in enumerate(STEPS)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_each_prompt_can_be_put_together_again(seen, way):
    """The last prompt holds, by reference, all that the model was shown."""
    from locard.query import conversation

    with connect(seen[way].lake) as lake:
        prompts = lake.execute(
            "SELECT event_id FROM prompts WHERE NOT coalesce(json_contains(absent,"
            " '\"not_captured\"'), false) ORDER BY occurred_at DESC, event_id"
        ).fetchall()
        longest = max((conversation(lake, row[0]) for row in prompts), key=len)
    roles = [message["role"] for message in longest]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool"]
