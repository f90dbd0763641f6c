"""What the collector takes on: each limit has its status, and says when to come again."""

from __future__ import annotations

import gzip
import json
import socket
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collecting import ARRAY, LINES, BrokenWriter, array, is_one_line, some, values
from eventlogs import LogUnderTest
from locard.ingest.collector import CollectorLimits, Rate, collector_app
from locard.ingest.collector.limits import Allowances
from locard.ingest.collector.openapi import openapi_document
from locard.ingest.elements import check_json
from locard.ingest.identities import IdentityRegistry
from locard.ingest.intake import IntakeLimits
from locard.schema import (
    CannotContinue,
    EvidenceGap,
    Fenced,
    RejectedRecord,
    RetryableError,
    StateUnknown,
)
from servers import TOKEN, serving

GZIP = {**ARRAY, "Content-Encoding": "gzip"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(tmp_path) -> LogUnderTest:
    """An empty embedded log."""
    return LogUnderTest(tmp_path)


@contextmanager
def limited(log, **limits):
    """A client of a collector with other limits."""
    with (
        log.writer() as writer,
        serving(collector_app(writer, TOKEN, limits=CollectorLimits(**limits))) as client,
    ):
        yield client


def bomb(size: int) -> bytes:
    """Return a small body that inflates to that size."""
    return gzip.compress(array(*some(1)).ljust(size))


STATUSES = [
    (200, b"[]", ARRAY, {}),
    (200, b"", LINES, {}),
    (400, b"{}", ARRAY, {}),
    (400, b"[" * 500_000, ARRAY, {}),
    (413, b"[" * 1_000_000, ARRAY, {}),
    (400, b"no gzip", GZIP, {}),
    (401, b"[]", {**ARRAY, "Authorization": "Bearer wrong"}, {}),
    (413, b"[1, 2, 3]", ARRAY, {"intake": IntakeLimits(body_bytes=8)}),
    (413, b"[1, 2, 3]", ARRAY, {"intake": IntakeLimits(events=2)}),
    (413, bomb(10_000_000), GZIP, {"intake": IntakeLimits(decompressed_bytes=9_999_999)}),
    (415, b"[]", {"Content-Type": "text/plain"}, {}),
    (415, b"[]", {**ARRAY, "Content-Encoding": "br"}, {}),
    (503, b"[]", ARRAY, {"requests": 0, "seconds": 0.2}),
]


@pytest.mark.parametrize(("status", "body", "headers", "limits"), STATUSES)
def test_each_limit_has_its_status(log, status, body, headers, limits):
    """Whatever is refused is refused with a status that the OpenAPI document names, in one line."""
    with limited(log, **limits) as client:
        response = client.post("/v1/events", content=body, headers=headers)
    assert response.status_code == status
    assert status == 200 or is_one_line(response)
    assert ("Retry-After" in response.headers) == (status in (429, 503))
    assert str(status) in openapi_document()["paths"]["/v1/events"]["post"]["responses"]


def test_a_deep_event_costs_its_neighbours_nothing(log):
    """JSON that is nested beyond reason is refused by its index."""
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    with limited(log) as client:
        body = array(*some(1), deep, *some(1))
        answer = client.post("/v1/events", content=body, headers=ARRAY).json()
    assert answer["accepted"] == 2
    assert [(r["index"], r["error_class"]) for r in answer["rejected"]] == [(1, "json_too_deep")]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RetryableError("the log is away; wait"), "5"),
        (RetryableError("the log is away; wait", retry_after=7.2), "8"),
        (CannotContinue("the disk is full; make room"), "60"),
        (StateUnknown("look again"), "5"),
        (Fenced("stop"), "5"),
        (EvidenceGap("records are gone"), "5"),
    ],
)
def test_whatever_keeps_the_log_from_taking_events_is_a_503(error, seconds):
    """Nothing that the log raises ends in a 200, and every such answer says when to come again."""
    with serving(collector_app(BrokenWriter(error), TOKEN)) as client:
        response = client.post("/v1/events", content=array(*some(1)), headers=ARRAY)
    assert (response.status_code, response.headers["Retry-After"]) == (503, seconds)
    assert response.json() == {"error": str(error)}


@pytest.mark.parametrize("rate", [Rate(bytes_per_second=10), Rate(events_per_second=0.01)])
def test_a_sender_that_sends_too_much_waits(log, rate):
    """Its next request is a 429 with the seconds to wait, before its body is read."""
    with limited(log, rate=rate) as client:
        first = client.post("/v1/events", content=array(*some(3)), headers=ARRAY)
        second = client.post("/v1/events", content=array(*some(3)), headers=ARRAY)
        assert client.get("/healthz").status_code == 200
        metrics = client.get("/metrics").text
    assert (first.status_code, second.status_code) == (200, 429)
    assert 1 <= int(second.headers["Retry-After"]) <= 400
    assert is_one_line(second)
    assert len(values(log)) == 3
    assert 'requests_rate_limited_total{lane="recorder"} 1.0' in metrics


def test_one_sender_does_not_use_up_what_another_may_send():
    """Each principal has an allowance of its own."""
    clock = Clock()
    allowances = Allowances(Rate(100, 0), clock)
    allowances.charge("a", body_bytes=2_000)
    assert allowances.seconds_to_wait("a") == 10
    assert allowances.seconds_to_wait("b") == 0


def test_a_debt_is_paid_off_by_waiting_as_long_as_was_told():
    """A request may be larger than what is left; then its sender waits, and no longer than told."""
    clock = Clock()
    allowances = Allowances(Rate(bytes_per_second=100, events_per_second=10), clock)
    allowances.charge("a", body_bytes=1_000, events=100)
    assert allowances.seconds_to_wait("a") == 0
    allowances.charge("a", body_bytes=250, events=40)
    assert allowances.seconds_to_wait("a") == 4
    clock.now += 3.9
    assert allowances.seconds_to_wait("a") == 1
    clock.now += 0.1
    assert allowances.seconds_to_wait("a") == 0
    clock.now += 1_000  # what was not used for long is not saved up
    allowances.charge("a", body_bytes=1_100)
    assert allowances.seconds_to_wait("a") == 1


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10_000), st.integers(0, 1_000))),
    st.sampled_from([Rate(0, 0), Rate(100, 0), Rate(0, 10), Rate(100, 10)]),
)
def test_whoever_waits_as_told_is_let_in(steps, rate):
    """After the seconds it was told, any sender may send again; without limits at once."""
    clock = Clock()
    allowances = Allowances(rate, clock)
    for elapsed, size, count in steps:
        clock.now += elapsed
        allowances.charge("a", body_bytes=size, events=count)
        seconds = allowances.seconds_to_wait("a")
        assert seconds >= 0
        assert not seconds or rate != Rate(0, 0)
        clock.now += seconds
        assert allowances.seconds_to_wait("a") == 0


def test_the_document_is_served_to_anybody(log):
    """Whoever has no token yet can read what the collector takes; it names every page."""
    with limited(log) as client:
        del client.headers["Authorization"]
        response = client.get("/openapi.json")
    assert response.json() == json.loads(json.dumps(openapi_document()))
    assert response.json()["paths"].keys() == {
        "/v1/events",
        "/v1/traces",
        "/v1/logs",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    }


def unfinished(client, token: str, length: int = 100, sent: bytes = b"[") -> socket.socket:
    """Begin a request and send a part of its body alone."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=30)
    connection.sendall(
        b"POST /v1/events HTTP/1.1\r\nHost: locard\r\nContent-Length: %d\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n\r\n%s"
        % (length, token.encode(), sent)
    )
    return connection


def test_bodies_that_do_not_come_keep_nobody_else_out(tmp_path, log):
    """However many requests one sender begins and never ends, another's is answered."""
    identities = IdentityRegistry(tmp_path / "identities.sqlite")
    slow, other = (identities.create(name).token for name in ("slow", "other"))
    limits = CollectorLimits(requests=2, bodies_of_one=20)
    with (
        log.writer() as writer,
        serving(collector_app(writer, None, identities=identities, limits=limits)) as client,
        ExitStack() as connections,
    ):
        for _ in range(20):
            connections.enter_context(unfinished(client, slow))
        headers = {**ARRAY, "Authorization": f"Bearer {other}"}
        answer = client.post("/v1/events", content=array(*some(1)), headers=headers)
        assert answer.status_code == 200
        # The next of the slow sender's own is turned away, once all of these have been seen.
        turned_away = connections.enter_context(unfinished(client, slow))
        assert turned_away.recv(100).startswith(b"HTTP/1.1 429 ")


def test_one_sender_holds_no_more_than_its_part_of_the_memory(tmp_path, log):
    """Bytes of bodies that have not ended are bounded, of each sender and of all."""
    identities = IdentityRegistry(tmp_path / "identities.sqlite")
    slow, other = (identities.create(name).token for name in ("slow", "other"))
    limits = CollectorLimits(held_bytes=100_000)
    with (
        log.writer() as writer,
        serving(collector_app(writer, None, identities=identities, limits=limits)) as client,
        ExitStack() as connections,
    ):
        body = b"[" + b" " * 30_000
        connections.enter_context(unfinished(client, slow, 90_000, body))
        second = connections.enter_context(unfinished(client, slow, 90_000, body))
        assert second.recv(100).startswith(b"HTTP/1.1 503 ")
        headers = {**ARRAY, "Authorization": f"Bearer {other}"}
        answer = client.post("/v1/events", content=array(*some(1)), headers=headers)
        assert answer.status_code == 200


def test_what_was_compressed_is_charged_as_what_it_holds(log):
    """A small body that inflates costs its sender as much as a large one."""
    with limited(log, rate=Rate(bytes_per_second=100_000)) as client:
        assert client.post("/v1/events", content=bomb(3_000_000), headers=GZIP).status_code == 200
        again = client.post("/v1/events", content=bomb(100), headers=GZIP)
    assert again.status_code == 429
    assert int(again.headers["Retry-After"]) >= 19


COSTLY = {
    "brackets": (ARRAY, b"[" * 3_000_000, 413),
    "empty arrays": (ARRAY, b"[" + b"[]" * 3_000_000 + b"]", 413),
    "empty objects": (LINES, b'{"a":[' + b"{}," * 1_000_000 + b"{}]}", 413),
    "blank lines": (LINES, b"\n" * 3_000_000, 200),
    "lines of blanks": (LINES, b"  \n" * 1_000_000, 200),
}


@pytest.mark.parametrize(("headers", "body", "status"), COSTLY.values(), ids=COSTLY.keys())
def test_a_body_that_holds_millions_of_nothings_is_not_taken_apart(log, headers, body, status):
    """They are counted where they stand; text between quotes does not count."""
    headers = {**headers, "Content-Encoding": "gzip"}
    with limited(log) as client:
        answer = client.post("/v1/events", content=gzip.compress(body), headers=headers)
    assert answer.status_code == status
    assert status == 200 or is_one_line(answer)


def test_separators_inside_of_texts_are_no_elements():
    """Prose and JSON in JSON may have as many commas and brackets as they like."""
    check_json(b'["' + b'{,[\\"' * 1_000 + b'"]', most=10)
    check_json(b'["' + b'{,[\\"' * 1_000, most=10)
    with pytest.raises(RejectedRecord):
        check_json(b'["a"' + b',"b"' * 1_000 + b"]", most=10)
