"""Recorder and collector together: what was handed on is in the log, whoever fails in between."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from importing import events_in_log
from locard.evidence import SigningKey, signed
from locard.ingest.collector import CollectorLimits, collector_app
from locard.ingest.eventlog import outgoing
from locard.ingest.eventlog.collector import CollectorAddress, CollectorWriter
from locard.ingest.eventlog.embedded import EmbeddedWriter
from locard.ingest.identities import IdentityRegistry
from locard.ingest.intake import IntakeLimits
from locard.ingest.recorder import Recorder
from locard.schema import RetryableError, event_json
from making import event
from recorders import SECONDS, settings, statements, told, wait_for_empty_spool
from servers import TOKEN, serving


def record(number: int = 0, **core):
    """Return a record."""
    made = event("lifecycle", {"change": "step"}, seq=number, **core)
    return outgoing(made, event_json(made))


@contextmanager
def collector(tmp_path, identities=None, **intake) -> Iterator[str]:
    """A collector on the embedded log; yields its address."""
    log = EmbeddedWriter(tmp_path / "log.sqlite")
    limits = CollectorLimits(IntakeLimits(**intake))
    with serving(collector_app(log, TOKEN, identities=identities, limits=limits)) as client:
        yield str(client.base_url)
    log.close()


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers with the server's answers, in their order, the last of them for ever."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answers = self.server.answers
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked += 1
        if status is None:  # break off
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


GOOD = (200, {}, b'{"accepted": 1, "rejected": []}')


@contextmanager
def scripted(*answers) -> Iterator[tuple[CollectorWriter, http.server.HTTPServer]]:
    """A writer to a server that answers as told."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Scripted)
    server.answers, server.asked = list(answers), 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    writer = CollectorWriter(CollectorAddress(f"http://127.0.0.1:{server.server_address[1]}"))
    try:
        yield writer, server
    finally:
        writer.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_was_appended_is_in_the_log(tmp_path):
    """Small and large batches, compressed or not, arrive whole and in order."""
    records = [record(n, session_id="s") for n in range(3_000)]
    with collector(tmp_path) as address:
        writer = CollectorWriter(CollectorAddress(address, TOKEN))
        writer.append(records[:1])
        writer.append(records[1:])
        writer.close()
    assert [e.seq for e in events_in_log(tmp_path / "log.sqlite")] == list(range(3_000))


def test_a_collector_that_was_started_again_is_found(tmp_path):
    """A connection that the other side has closed since is opened again, without an error."""
    with scripted((200, {"Connection": "close"}, GOOD[2]), GOOD) as (writer, server):
        writer.append([record()])
        writer.append([record()])
        assert server.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b"{}"),
        (404, {}, b"not found"),
        (500, {}, b""),
        (503, {"Retry-After": "7"}, b"{}"),
        (429, {"Retry-After": "7"}, b"{}"),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (200, {}, b"<html>a proxy's own page</html>"),
        (200, {}, b'{"accepted": "all"}'),
        (204, {}, b""),
        (None, {}, b""),
    ],
    ids=lambda answer: str(answer[0]),
)
def test_nothing_but_a_collectors_answer_counts_as_stored(answer):
    """Whatever else answers, the records are kept and sent again."""
    with scripted(answer) as (writer, _), pytest.raises(RetryableError) as error:
        writer.append([record()])
    waits = answer[1].get("Retry-After")
    assert error.value.retry_after == (float(waits) if waits else None)


def test_nobody_there_is_told_without_a_traceback_of_theirs():
    """A refused connection is an error to try again after."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    writer = CollectorWriter(CollectorAddress(f"http://127.0.0.1:{port}"))
    with pytest.raises(RetryableError, match="did not answer"):
        writer.append([record()])


def test_one_event_that_is_too_large_costs_its_neighbours_nothing(tmp_path):
    """A body that is refused as a whole is divided down to the event at fault."""
    refused = []
    records = [record(n, session_id="s") for n in range(20)]
    large = event("lifecycle", {"change": "x", "attributes": "y" * 60_000}, seq=99)
    records.insert(7, outgoing(large, event_json(large)))
    with collector(tmp_path, body_bytes=20_000, decompressed_bytes=50_000) as address:
        writer = CollectorWriter(
            CollectorAddress(address, TOKEN), on_refused=lambda r, why: refused.append((r, why))
        )
        writer.append(records)
        writer.close()
    assert [e.seq for e in events_in_log(tmp_path / "log.sqlite")] == list(range(20))
    assert [(json.loads(r.value)["seq"], why) for r, why in refused] == [(99, "too_large")]


def test_the_token_and_the_payload_are_in_no_error_and_no_repr(tmp_path):
    """What is secret does not come back in words."""
    address = CollectorAddress("http://127.0.0.1:1", "CANARY-token")
    writer = CollectorWriter(address)
    with pytest.raises(RetryableError) as error:
        writer.append([record(session_id="CANARY-payload")])
    assert "CANARY" not in f"{error.value} {address!r} {writer!r}"


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:4318", "ftp://x", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint):
    """A slip in the address is told when it is made."""
    with pytest.raises(ValueError, match="no address"):
        CollectorAddress(endpoint)


def test_a_recorder_with_an_identity_is_verified_once_its_key_is_registered(tmp_path):
    """Before: kept and unverified. After: principal and workflow are stamped and verified."""
    registry = IdentityRegistry(tmp_path / "identities.sqlite")
    issued = registry.create(workflow_id="payments", agent_id=None, role="collector")
    identity = issued.identity
    with collector(tmp_path, registry) as address:
        first = Recorder(settings(tmp_path, endpoint=address, token=issued.token))
        first.lifecycle("before")
        first.close(SECONDS)
        key = SigningKey.open_or_create(first.settings.directory / "signing-key")
        registry.add_key(identity.identity, key.key_id)
        second = Recorder(settings(tmp_path, endpoint=address, token=issued.token))
        second.lifecycle("after")
        second.close(SECONDS)
    registry.close()
    events = events_in_log(tmp_path / "log.sqlite")
    verified = {e.body.change: e.principal_verified for e in told(events) if e.kind == "lifecycle"}
    assert verified == {"before": False, "after": True}
    assert [s.principal_verified for s in statements(events)] == [False, False, True, True]
    assert {e.principal for e in events if e.lane == "recorder" and e.kind != "access"} == {
        identity.identity
    }


def test_a_statement_counts_only_with_its_own_signature(tmp_path):
    """A good token does not make a statement true: it has to be signed with a registered key."""
    registry = IdentityRegistry(tmp_path / "identities.sqlite")
    issued = registry.create(workflow_id="payments")
    registered, other = SigningKey.generate(), SigningKey.generate()
    registry.add_key(issued.identity.identity, registered.key_id)
    body = {"statement": "close", "first_seq": 0, "last_seq": 3, "count": 4}
    plain = event("accounting", body, session_id=None, collector_id="c", incarnation="i", seq=4)
    changed = signed(plain, registered)
    changed = changed.model_copy(update={"seq": 5})
    sent = [signed(plain, registered), signed(plain, other), plain, changed]
    with collector(tmp_path, registry) as address:
        writer = CollectorWriter(CollectorAddress(address, issued.token), key=registered)
        writer.append([outgoing(one, event_json(one)) for one in sent])
        writer.close()
    registry.close()
    found = [e for e in events_in_log(tmp_path / "log.sqlite") if e.kind == "accounting"]
    assert [e.principal_verified for e in found] == [True, False, False, False]


def test_a_recorder_of_another_workflow_is_refused_and_declares_it(tmp_path):
    """Events that claim a workflow which the token is not for are refused, counted and declared."""
    registry = IdentityRegistry(tmp_path / "identities.sqlite")
    issued = registry.create(workflow_id="support", agent_id=None, role="collector")
    with collector(tmp_path, registry) as address:
        recorder = Recorder(
            settings(tmp_path, endpoint=address, token=issued.token, workflow_id=None)
        )
        recorder.lifecycle("own")
        claimed = recorder.lifecycle("foreign", workflow_id="payments")
        recorder.close(SECONDS)
    registry.close()
    events = events_in_log(tmp_path / "log.sqlite")
    assert "foreign" not in [e.body.change for e in events if e.kind == "lifecycle"]
    assert {e.workflow_id for e in events} == {"support"}
    drops = [drop for s in statements(events) for drop in s.body.drops]
    assert [(d.first_seq, d.reason) for d in drops] == [(claimed.seq, "refused_other_workflow")]
    assert [e.kind for e in events].count("access") >= 1


def test_a_recorder_set_up_for_another_workflow_shows(tmp_path):
    """When everything is refused, its statements still say so, under the sender's own workflow."""
    registry = IdentityRegistry(tmp_path / "identities.sqlite")
    issued = registry.create(workflow_id="support")
    with collector(tmp_path, registry) as address:
        recorder = Recorder(settings(tmp_path, endpoint=address, token=issued.token))
        for _ in range(5):
            recorder.lifecycle("step")
        recorder.close(SECONDS)
    registry.close()
    events = events_in_log(tmp_path / "log.sqlite")
    first, last = statements(events)
    assert (first.workflow_id, first.extensions["claimed_workflow_id"]) == ("support", "payments")
    assert (last.body.statement, last.body.count, last.body.declared_drops) == ("close", 1, 5)
    assert not last.principal_verified
    assert {event.kind for event in events} == {"accounting", "access"}


def test_a_short_agent_sends_what_waited_and_its_own(tmp_path):
    """With the collector back, the next run leaves nothing in the spool, wherever it sends now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    away = f"http://127.0.0.1:{port}"
    first = Recorder(settings(tmp_path, endpoint=away, token=TOKEN))
    for _ in range(50):
        first.lifecycle("early")
    first.close(SECONDS)
    with collector(tmp_path) as address:
        second = Recorder(settings(tmp_path, endpoint=address, token=TOKEN))
        second.lifecycle("late")
        second.close(SECONDS)
    changes = [e.body.change for e in told(events_in_log(tmp_path / "log.sqlite"))]
    assert changes == ["early"] * 50 + ["late"]


def test_a_recorder_waits_for_a_collector_that_comes_later(tmp_path):
    """Events recorded before there is any collector arrive when it is there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    recorder = Recorder(settings(tmp_path, endpoint=address, token=TOKEN))
    recorder.lifecycle("early")
    assert recorder.flush(SECONDS)
    assert recorder.spooled_bytes
    log = EmbeddedWriter(tmp_path / "log.sqlite")
    with serving(collector_app(log, TOKEN), port=port):
        wait_for_empty_spool(recorder)
        recorder.lifecycle("late")
        recorder.close(SECONDS)
    log.close()
    changes = [e.body.change for e in told(events_in_log(tmp_path / "log.sqlite"))]
    assert changes == ["early", "late"]
