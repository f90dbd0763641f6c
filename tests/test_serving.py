"""`locard collect`, `serve`, `consume` and `up` as processes: they answer, and end as told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from collecting import shared
from eventlogs import LogUnderTest, read_all
from locard.cli.serving import listen
from locard.ingest.eventlog.embedded import EmbeddedReader
from locard.ingest.identities import IdentityRegistry
from locard.schema import event_json, parse_event
from making import event, said, without_seal

IBAN = "DE89370400440532013000"
TOKEN = "a-token-for-the-tests-9c1f"
DEADLINE = 90.0  # seconds; for a machine that does much else at the same time
QUICK = {"LOCARD_BATCH_SECONDS": "0.2", "LOCARD_REDACTION_WORKERS": "1"}
ANY_PORT = ("--collect-port", "0", "--serve-port", "0", "--health-port", "0")
T = TypeVar("T")


def environment(**changes: str) -> dict[str, str]:
    """Return the environment without any configuration of Locard but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCARD_")}
    return kept | changes


class Service:
    """A `locard` process whose standard error goes to a file."""

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        self.told_in = home / f"{arguments[0]}.err"
        home.mkdir(exist_ok=True)
        with self.told_in.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "locard.cli", "--home", str(home), *arguments],
                env=environment(**variables),
                stdout=errors,
                stderr=errors,
                process_group=0,
            )

    @property
    def told(self) -> str:
        """What it has printed so far."""
        return self.told_in.read_text()

    def address(self, announced: str) -> str:
        """Return the address that follows these words, once they are printed."""
        pattern = re.compile(rf"^{announced} (?:http://)?(127\.0\.0\.1:[0-9]+)", re.MULTILINE)
        return "http://" + self.eventually(lambda: pattern.search(self.told))[1]

    def eventually(self, look: Callable[[], T | None]) -> T:
        """Return what `look` finds, once it finds something."""
        give_up = time.monotonic() + DEADLINE
        while time.monotonic() < give_up:
            found = look()
            if found:
                return found
            assert self.process.poll() is None, self.told
            time.sleep(0.05)
        raise AssertionError(f"nothing came of it in {DEADLINE:.0f} s:\n{self.told}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@contextmanager
def running(home: Path, *arguments: str, **variables: str) -> Iterator[Service]:
    """Run a command of `locard` while the block runs."""
    service = Service(home, *arguments, **variables)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.end()


def client(address: str, token: str = "") -> httpx.Client:
    """Return a client that presents the token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False)


def post(address: str, token: str, *values: bytes) -> httpx.Response:
    """Send events to a collector."""
    with client(address, token) as collector:
        body = b"\n".join(values)
        headers = {"Content-Type": "application/x-ndjson"}
        return collector.post("/v1/events", content=body, headers=headers)


def is_listening(address: str) -> bool:
    """Say whether anything answers there."""
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_an_event_goes_all_the_way(tmp_path):
    """With `locard up` an event that was posted is in the timeline, redacted; then all ends."""
    with running(tmp_path, "up", *ANY_PORT, **QUICK) as up:
        addresses = [
            up.address(w) for w in ("collecting on", "answering on", "health and metrics on")
        ]
        collector, api, health = addresses
        tokens = {
            name: (tmp_path / "keys" / f"{name}-token").read_text().strip()
            for name in ("collector", "api")
        }
        reading = client(api, tokens["api"])
        with client(collector) as c, client(health) as h, reading as questions:
            assert c.get("/healthz").status_code == 200
            assert c.get("/readyz").status_code == 200
            assert h.get("/healthz").status_code == 200
            up.eventually(lambda: questions.get("/readyz").status_code == 200)
            sent = event("prompt", {"messages": [said(f"pay {IBAN} today")]}, session_id="a/b")
            assert post(collector, tokens["api"], event_json(sent)).status_code == 401
            sending = tokens["collector"]
            assert post(collector, sending, event_json(sent)).json()["accepted"] == 1

            def rows() -> list[dict] | None:
                return questions.get("/v1/sessions/a/b/timeline").json().get("rows")

            (row,) = up.eventually(rows)
            assert row["event_id"] == str(sent.event_id)
            assert re.fullmatch("pay ‹IBAN_CODE:k1:[0-9a-f]{16}› today", row["what"])
            counted = "locard_consumer_events_published_total 1.0"  # once the disk has it as well
            up.eventually(lambda: counted in h.get("/metrics").text)
            metrics = h.get("/metrics").text
        assert 'locard_consumer_redactions_total{entity_type="IBAN_CODE"} 1.0' in metrics
        assert up.end() == 0
    assert not any(map(is_listening, addresses))
    assert IBAN not in up.told
    assert not [token for token in tokens.values() if token in up.told]
    assert "Traceback" not in up.told


def test_a_ctrl_c_ends_it_as_well(tmp_path):
    """SIGINT ends `locard up` in good order, also while its services are still starting."""
    with running(tmp_path, "up", *ANY_PORT) as up:
        up.eventually(lambda: (tmp_path / "log.sqlite").exists())
        assert up.end(signal.SIGINT) == 0
    assert "Traceback" not in up.told


def test_when_one_service_dies_all_end(tmp_path):
    """A service that ends by itself takes the others with it; status 2, and one line names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = [*ANY_PORT[:2], "--serve-port", port, *ANY_PORT[4:]]
        with running(tmp_path, "up", *ports) as up:
            assert up.process.wait(DEADLINE) == 2
    assert f"port {port} of 127.0.0.1" in up.told
    *_, last = up.told.splitlines()
    assert last.startswith("locard: `locard serve` ended by itself with status 2")
    for address in re.findall(r"127\.0\.0\.1:([0-9]+)", up.told):
        assert not is_listening(f"http://127.0.0.1:{address}")


def test_up_is_for_the_embedded_log(tmp_path):
    """Where Kafka is configured `locard up` says what to start instead."""
    with running(tmp_path, "up", LOCARD_KAFKA="127.0.0.1:1") as up:
        assert up.process.wait(DEADLINE) == 2
    assert up.told.startswith("locard: ")
    assert up.told.count("\n") == 1
    assert "locard collect" in up.told


@pytest.mark.kafka
def test_an_event_goes_all_the_way_on_kafka(tmp_path, kafka_bootstrap):
    """The three services, started by themselves on a broker, do what `locard up` does."""
    log = {"LOCARD_KAFKA": kafka_bootstrap, "LOCARD_KAFKA_TOPIC": f"test.{uuid4().hex}"}
    token = {"LOCARD_COLLECTOR_TOKEN": TOKEN, "LOCARD_API_TOKEN": TOKEN}
    with (
        running(tmp_path, "collect", "--port", "0", **log, **token) as collect,
        running(tmp_path, "consume", "--health-port", "0", **log, **QUICK) as consume,
        running(tmp_path, "serve", "--port", "0", **token) as serve,
    ):
        collector, api = collect.address("collecting on"), serve.address("answering on")
        with client(collector) as c, client(consume.address("health and metrics on")) as h:
            assert c.get("/readyz").status_code == 200
            assert h.get("/healthz").status_code == 200
        assert post(collector, TOKEN, event_json(event())).json()["accepted"] == 1
        with client(api, TOKEN) as questions:
            path = "/v1/sessions/s1/timeline"
            serve.eventually(lambda: questions.get(path).status_code == 200)
        assert [service.end() for service in (collect, consume, serve)] == [0, 0, 0]


def test_an_accepted_event_outlives_the_collector(tmp_path):
    """What was answered with 200 is in the log after the collector is killed at that moment."""
    values = [event_json(event(seq=number)) for number in range(100)]
    with running(tmp_path, "collect", "--port", "0", LOCARD_COLLECTOR_TOKEN=TOKEN) as collect:
        address = collect.address("collecting on")
        assert post(address, TOKEN, *values).json()["accepted"] == 100
        assert collect.end(signal.SIGKILL) == -signal.SIGKILL
    reader = EmbeddedReader(tmp_path / "log.sqlite")
    reader.start(lambda _: {}, lambda: None)
    found = [without_seal(record.value) for record in reader.poll(1_000, 0)]
    assert found == shared(*values)
    reader.close()


def test_an_identity_is_let_in_until_it_is_revoked(tmp_path):
    """A token that is made, and revoked, beside a running collector counts there at once."""

    def identity(*arguments: str) -> str:
        command = [sys.executable, "-m", "locard.cli", "--home", str(tmp_path), "identity"]
        return subprocess.run(
            [*command, *arguments],
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def listed() -> dict[str, Any]:
        return json.loads(identity("list", "--format", "json"))[0]

    off = {"LOCARD_COLLECTOR_SHARED_TOKEN": "refused"}
    with running(tmp_path, "collect", "--port", "0", **off) as collect:
        address = collect.address("collecting on")
        token = identity("create", "--workflow", "payments").strip()
        sent = event_json(event())
        assert post(address, TOKEN, sent).status_code == 401
        assert post(address, token, sent).json()["accepted"] == 1
        collect.eventually(lambda: listed()["used_at"])
        identity("revoke", listed()["identity"])
        assert post(address, token, sent).status_code == 401
        assert collect.end() == 0
    assert not (tmp_path / "keys").exists()
    assert token not in collect.told
    found = [parse_event(record.value) for record in read_all(LogUnderTest(tmp_path))]
    assert Counter(e.body.action if e.kind == "access" else e.kind for e in found) == {
        "identity_created": 1,
        "tool_call": 1,
        "identity_revoked": 1,
    }


def test_changes_that_wait_are_recorded_when_the_collector_starts(tmp_path):
    """What could not be told while the log was away is in the log once a collector has started."""
    with closing(IdentityRegistry(tmp_path / "identities.sqlite")) as identities:
        identities.create("payments")
    with running(tmp_path, "collect", "--port", "0") as collect:
        collect.address("collecting on")
    (record,) = read_all(LogUnderTest(tmp_path))
    assert parse_event(record.value).body.action == "identity_created"


def test_a_collector_goes_on_while_kafka_is_away(tmp_path):
    """Events wait in the spool of the home; the collector is ready, and says that they wait."""
    away = {"LOCARD_KAFKA": "127.0.0.1:1", "LOCARD_KAFKA_SECONDS": "0.3"}
    token = {"LOCARD_COLLECTOR_TOKEN": TOKEN}
    with running(tmp_path, "collect", "--port", "0", **away, **token) as collect:
        address = collect.address("collecting on")
        assert post(address, TOKEN, event_json(event())).json()["accepted"] == 1
        with client(address) as asking:
            assert asking.get("/readyz").status_code == 200
            metrics = asking.get("/metrics").text
        assert "locard_collector_log_reachable 0.0" in metrics
        assert not re.search(r"^locard_collector_spool_bytes 0\.0$", metrics, re.MULTILINE)
        assert collect.end() == 0
    assert "Traceback" not in collect.told


def test_a_registry_that_cannot_be_used_is_told(tmp_path):
    """A collector that could let nobody in does not start; one line says why."""
    (tmp_path / "identities.sqlite").write_bytes(b"no database at all" * 100)
    with running(tmp_path, "collect", "--port", "0", LOCARD_COLLECTOR_TOKEN=TOKEN) as collect:
        assert collect.process.wait(DEADLINE) == 2
    assert collect.told.startswith("locard: the identity registry ")
    assert collect.told.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "announced"), [("collect", "collecting on"), ("serve", "answering on")]
)
def test_a_service_ends_with_status_0_when_told_to(tmp_path, command, announced):
    """SIGTERM ends a service in good order, and until then it answers to its token alone."""
    variable = f"LOCARD_{'COLLECTOR' if command == 'collect' else 'API'}_TOKEN"
    with running(tmp_path, command, "--port", "0", **{variable: TOKEN}) as service:
        address = service.address(announced)
        with client(address, "another-token-of-length") as stranger:
            assert stranger.get("/healthz").status_code == 200
            path = "/v1/events" if command == "collect" else "/v1/sessions"
            method = "POST" if command == "collect" else "GET"
            assert stranger.request(method, path + "?secret=CANARY").status_code == 401
        assert service.end() == 0
    assert variable in service.told
    assert TOKEN not in service.told
    assert "CANARY" not in service.told
    assert not (tmp_path / "keys").exists()


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path):
    """Without LOCARD_API_TOKEN a random one is made in a file; the next start finds the same."""
    path = tmp_path / "keys" / "api-token"
    tokens = []
    for _ in range(2):
        with running(tmp_path, "serve", "--port", "0") as serve:
            serve.address("answering on")
            tokens.append(path.read_text())
            assert str(path) in serve.told
            assert tokens[0].strip() not in serve.told
    assert tokens[0] == tokens[1]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", tokens[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["api-token"]


@pytest.mark.parametrize("token", ["short", "with spaces in between", "täglich-ein-neues"])
def test_a_token_that_is_none_is_refused(tmp_path, token):
    """A short token, or one that no header can carry, is refused and not told."""
    with running(tmp_path, "collect", "--port", "0", LOCARD_COLLECTOR_TOKEN=token) as collect:
        assert collect.process.wait(DEADLINE) == 2
    assert collect.told.startswith("locard: the token in LOCARD_COLLECTOR_TOKEN ")
    assert collect.told.count("\n") == 1
    assert token not in collect.told


@pytest.mark.parametrize("command", ["collect", "serve"])
def test_a_taken_port_is_told(tmp_path, command):
    """A port that something else holds is one line that names it, and status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        tokens = {"LOCARD_COLLECTOR_TOKEN": TOKEN, "LOCARD_API_TOKEN": TOKEN}
        with running(tmp_path, command, "--port", port, **tokens) as service:
            assert service.process.wait(DEADLINE) == 2
    assert service.told.startswith(f"locard: port {port} of 127.0.0.1 ")
    assert service.told.count("\n") == 1


def test_an_answer_waits_for_no_acknowledgement():
    """Connections send at once: an answer in two parts would wait 40 ms for the first's receipt."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_listening_beyond_this_machine_is_warned_of(tmp_path):
    """An address that others reach is told to need TLS in front of it."""
    options = ("--host", "0.0.0.0", "--port", "0")  # noqa: S104 - that is what it is about
    with running(tmp_path, "serve", *options, LOCARD_API_TOKEN=TOKEN) as serve:
        serve.eventually(lambda: "TLS" in serve.told)
