"""The collector API: what is answered with 200 is durable, and nothing else is taken for stored."""

from __future__ import annotations

import gzip
import json
import re
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collecting import ARRAY, LINES, BrokenWriter, array, is_one_line, shared, some, values
from eventlogs import LogUnderTest
from locard.ingest.collector import CollectorLimits, collector_app
from locard.ingest.eventlog import LARGEST_RECORD, EventLogWriter, OutgoingRecord
from locard.ingest.identities import IdentityRegistry
from locard.ingest.intake import IntakeLimits, take_in
from locard.ingest.stamping import Sender
from locard.schema import RejectedRecord, RetryableError, event_json, parse_event
from making import event, said, without_seal
from servers import TOKEN, serving

CANARY = "CANARY-77ab"
ANYBODY = Sender("shared-token")


@pytest.fixture
def log(tmp_path) -> LogUnderTest:
    """An empty embedded log."""
    return LogUnderTest(tmp_path)


@pytest.fixture
def writer(log) -> Iterator[EventLogWriter]:
    """The log, open for appending."""
    with log.writer() as writer:
        yield writer


@pytest.fixture
def client(writer) -> Iterator[httpx.Client]:
    """A client of a collector on the log."""
    with serving(collector_app(writer, TOKEN)) as client:
        yield client


@contextmanager
def limited(writer, requests: int = 8, seconds: float = 60.0, **intake) -> Iterator[httpx.Client]:
    """A client of a collector with other limits."""
    limits = CollectorLimits(IntakeLimits(**intake), requests, seconds=seconds)
    with serving(collector_app(writer, TOKEN, limits=limits)) as client:
        yield client


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("headers", [ARRAY, LINES, {"Content-Type": "Application/JSON; charset=x"}])
def test_accepted_events_are_in_the_log_in_order(client, log, headers, is_compressed):
    """Events sent as an array or as lines, as they are or gzipped, are in the log as sent."""
    sent = some(3)
    body = b"\n\n".join([*sent, b""]) if headers is LINES else array(*sent)
    if is_compressed:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    response = client.post("/v1/events", content=body, headers=headers)
    assert (response.status_code, response.json()) == (200, {"accepted": 3, "rejected": []})
    assert values(log) == shared(*sent)


@pytest.mark.parametrize("body", [b"[]", b" [\n] "])
def test_an_empty_array_is_accepted(client, log, body):
    """An array without events is no error and adds nothing."""
    response = client.post("/v1/events", content=body, headers=ARRAY)
    assert (response.status_code, response.json()["accepted"]) == (200, 0)
    assert values(log) == []


@pytest.mark.parametrize("headers", [ARRAY, LINES])
def test_bad_neighbours_cost_nothing_good(client, log, headers):
    """Each bad event is told by its index and why; every other one is stored."""
    good = some(3)
    bad = {
        1: (b'{"a": 1, "a": 2}', "json_duplicate_key"),
        2: (b'"a [string, with {brackets"', "invalid_event"),
        4: (b'{"kind": "\xff"}', "json_encoding"),
        5: (b"1e999", "json_number_range"),
        6: (b"", "json_syntax") if headers is ARRAY else (b"{", "json_syntax"),
        7: (good[0].replace(b"tool_call", b"rumour", 1), "invalid_event"),
    }
    items = {0: good[0], 3: good[1], 8: good[2], **{i: text for i, (text, _) in bad.items()}}
    ordered = [items[index] for index in sorted(items)]
    body = b"\n".join(ordered) if headers is LINES else array(*ordered)
    response = client.post("/v1/events", content=body, headers=headers)
    answer = response.json()
    assert (response.status_code, answer["accepted"]) == (200, 3)
    found = {reject["index"]: reject["error_class"] for reject in answer["rejected"]}
    assert found == {index: error_class for index, (_, error_class) in bad.items()}
    assert all(reject["reason"] for reject in answer["rejected"])
    assert values(log) == shared(*good)


def test_an_oversized_event_costs_its_neighbours_nothing(client, log):
    """An event that no log takes is rejected alone."""
    good = some(2)
    large = event_json(event("prompt", {"messages": [said("x" * LARGEST_RECORD)]}))
    body = gzip.compress(array(good[0], large, good[1]), 1)
    headers = {**ARRAY, "Content-Encoding": "gzip"}
    answer = client.post("/v1/events", content=body, headers=headers).json()
    assert [(r["index"], r["error_class"]) for r in answer["rejected"]] == [(1, "event_too_large")]
    assert values(log) == shared(*good)


JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
).map(lambda value: json.dumps(value, ensure_ascii=False).encode())


@given(st.lists(JSON_TEXT | st.none(), max_size=8), st.sampled_from(["", " ", "\n\t"]))
def test_any_array_is_taken_apart_where_its_items_meet(items, space):
    """Whatever JSON stands between good events, each of them is taken whole, others by index."""
    good = some(items.count(None))
    rest = iter(good)
    texts = [next(rest) if item is None else item for item in items]
    body = f"{space}[{space}".encode() + f"{space},{space}".encode().join(texts) + b"]"
    intake = take_in(body + space.encode(), "array", IntakeLimits(), ANYBODY)
    assert [without_seal(record.value) for record in intake.records] == shared(*good)
    others = [index for index, item in enumerate(items) if item is not None]
    assert [reject.index for reject in intake.rejected] == others


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"7",
        b'"["',
        b"[",
        b"[{]",
        b"[1}",
        b"[1]]",
        b"[1] 2",
        b'["]',
        b"x[1]",
        b"[1] [2]",
    ],
)
def test_what_is_no_array_is_refused_whole(client, log, body):
    """A body whose array does not close where the body ends is a 400, and nothing is stored."""
    response = client.post("/v1/events", content=body, headers=ARRAY)
    assert response.status_code == 400
    assert is_one_line(response)
    assert values(log) == []


def test_a_body_made_to_be_slow_is_read_once():
    """A long text before a quote that never closes is given up in time that grows with its size."""
    for body in (b"[" + b" " * 4_000_000 + b'"', b'["' + b"\\" * 4_000_001):
        with pytest.raises(RejectedRecord):
            take_in(body, "array", IntakeLimits(), ANYBODY)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü", TOKEN],
)
def test_without_the_token_nothing_is_taken(client, log, authorization):
    """A missing or wrong token is a 401 that asks for one, whatever else was sent."""
    headers = {**ARRAY}
    if authorization is None:
        del client.headers["Authorization"]
    else:
        headers["Authorization"] = authorization.encode()
    response = client.post("/v1/events", content=array(*some(1)), headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert is_one_line(response)
    assert values(log) == []


def test_the_scheme_may_be_written_in_any_case(client):
    """`bearer` in small letters is the same scheme (RFC 9110)."""
    headers = {**ARRAY, "Authorization": f"bearer {TOKEN}"}
    assert client.post("/v1/events", content=b"[]", headers=headers).status_code == 200


def test_there_is_no_collector_without_a_token(writer):
    """An empty token would let everybody in."""
    with pytest.raises(ValueError, match="token"):
        collector_app(writer, "")


def test_a_body_over_the_limit_is_given_up_while_it_comes(writer, log):
    """A body without a declared length is refused as soon as it is over the limit."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 200_000_000:
            sent += 65_536
            yield b" " * 65_536

    with limited(writer, body_bytes=100_000) as client:
        try:
            response = client.post("/v1/events", content=endless(), headers=ARRAY)
        except httpx.WriteError:  # the connection was closed before all was sent
            response = None
        assert response is None or (response.status_code == 413 and is_one_line(response))
        assert sent < 200_000_000
        body = array(*some(1)).ljust(100_001)
        response = client.post("/v1/events", content=body, headers=ARRAY)
        assert (response.status_code, is_one_line(response)) == (413, True)
        response = client.post("/v1/events", content=body[:100_000], headers=ARRAY)
        assert response.status_code == 200
    assert len(values(log)) == 1


def test_a_decompression_bomb_is_given_up(writer, log):
    """A small body that inflates over the limit is a 413; one that just fits is taken."""
    headers = {**ARRAY, "Content-Encoding": "gzip"}
    text = array(*some(1))
    with limited(writer, decompressed_bytes=50_000) as client:
        for size, status in ((50_001, 413), (50_000_000, 413), (50_000, 200)):
            body = gzip.compress(text.ljust(size))
            response = client.post("/v1/events", content=body, headers=headers)
            assert response.status_code == status, size
    assert len(values(log)) == 1


def test_too_many_events_are_refused_whole(writer, log):
    """More events than one request may hold is a 413 and stores none of them."""
    with limited(writer, events=2) as client:
        assert client.post("/v1/events", content=array(*some(3)), headers=ARRAY).status_code == 413
        assert values(log) == []
        assert client.post("/v1/events", content=array(*some(2)), headers=ARRAY).status_code == 200


@pytest.mark.parametrize("damage", ["cut", "followed", "flipped", "not gzip"])
def test_damaged_gzip_is_refused_whole(client, log, damage):
    """A compressed body that is not whole is a 400, and nothing of it is stored."""
    whole = gzip.compress(array(*some(2)))
    flipped = whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:]  # in its checksum
    body = {
        "cut": whole[:-1],
        "followed": whole + whole,
        "flipped": flipped,
        "not gzip": array(*some(2)),
    }[damage]
    headers = {**ARRAY, "Content-Encoding": "gzip"}
    response = client.post("/v1/events", content=body, headers=headers)
    assert response.status_code == 400
    assert is_one_line(response)
    assert values(log) == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {**ARRAY, "Content-Encoding": "br"}],
)
def test_other_forms_are_told_which_are_taken(client, headers):
    """A media type or an encoding that is not known is a 415."""
    response = client.post("/v1/events", content=b"[]", headers=headers)
    assert response.status_code == 415
    assert is_one_line(response)


def test_a_log_that_is_away_is_never_a_200():
    """Where the log cannot be reached the answer is a 503 that says when to try again."""
    away = BrokenWriter(RetryableError("the log is away; wait for it"))
    with serving(collector_app(away, TOKEN)) as client:
        response = client.post("/v1/events", content=array(*some(1)), headers=ARRAY)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.json() == {"error": "the log is away; wait for it"}
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_a_full_disk_turns_events_away_until_there_is_room(client, log):
    """While the disk takes no more the answer is a 503; the same request is taken afterwards."""
    body = event_json(event("prompt", {"messages": [said("x" * 3_000_000)]}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        refused = client.post("/v1/events", content=array(body), headers=ARRAY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert is_one_line(refused)
    assert values(log) == []
    assert client.post("/v1/events", content=array(body), headers=ARRAY).json()["accepted"] == 1
    assert values(log) == shared(body)


def test_a_sender_with_too_much_unfinished_is_sent_away_and_nobody_else(tmp_path, writer):
    """While one has as many requests under way as it may, its next is told to come again."""
    identities = IdentityRegistry(tmp_path / "identities.sqlite")
    other = {**ARRAY, "Authorization": f"Bearer {identities.create('w').token}"}
    begun, go_on = threading.Event(), threading.Event()

    class SlowWriter(BrokenWriter):
        def append(self, records: Sequence[OutgoingRecord]) -> None:
            begun.set()
            assert go_on.wait(30)
            writer.append(records)

    answers: list[int] = []
    limits = CollectorLimits(requests=2, bodies_of_one=1)
    app = collector_app(SlowWriter(RuntimeError()), TOKEN, identities=identities, limits=limits)
    with serving(app) as client:

        def post() -> None:
            answers.append(client.post("/v1/events", content=body, headers=ARRAY).status_code)

        body = array(*some(1))
        first = threading.Thread(target=post)
        first.start()
        assert begun.wait(30)
        busy = client.post("/v1/events", content=body, headers=ARRAY)
        assert client.get("/healthz").status_code == 200
        go_on.set()
        assert client.post("/v1/events", content=body, headers=other).status_code == 200
        first.join()
        post()
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "1")
    assert answers == [200, 200]


def test_a_sender_that_stalls_does_not_keep_its_place(writer):
    """A body that does not come in time is a 408."""
    with limited(writer, seconds=0.2) as client:
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(
                b"POST /v1/events HTTP/1.1\r\nHost: locard\r\nContent-Length: 100\r\n"
                b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n\r\n["
                % TOKEN.encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_sender_cannot_vouch_for_itself(client, log):
    """A principal that comes with the event is kept as a claim, not as who sent it."""
    claim = event_json(event(principal="billing", principal_verified=True))
    client.post("/v1/events", content=array(claim), headers=ARRAY)
    (stored,) = map(parse_event, values(log))
    assert (stored.principal, stored.principal_verified) == ("shared-token", False)
    assert stored.extensions == {"claimed_principal": "billing"}


@pytest.mark.parametrize("kind", ["access", "custody"])
def test_a_sender_cannot_forge_the_record_of_custody(client, log, kind):
    """Reading and erasing are recorded by Locard itself; a sender that claims either is refused."""
    body = {"action": "export"} if kind == "access" else {"custody_action": "erasure"}
    answer = client.post("/v1/events", content=event_json(event(kind, body)), headers=LINES)

    assert answer.json()["accepted"] == 0
    assert answer.json()["rejected"][0]["error_class"] == "kind_not_accepted"


def test_nothing_of_an_event_is_told(client, caplog):
    """Text of events that were refused is in no answer, log line or metric."""
    caplog.set_level("DEBUG")
    bad = [
        json.dumps({CANARY: CANARY}).encode(),
        CANARY.encode(),
        b'{"a": "%s", "a": "%s"}' % (CANARY.encode(), CANARY.encode()),
        event_json(event()).replace(b"send_money", CANARY.encode()).replace(b"executed", b"seen"),
    ]
    response = client.post("/v1/events", content=array(*bad), headers=ARRAY)
    assert len(response.json()["rejected"]) == len(bad)
    told = [response.text, client.get("/metrics").text, client.get("/readyz").text, caplog.text]
    assert CANARY not in "".join(told)


def test_a_failure_of_our_own_is_not_told_in_its_words():
    """An error that nobody foresaw is a 500 without its text."""
    with serving(collector_app(BrokenWriter(RuntimeError(CANARY)), TOKEN)) as client:
        response = client.post("/v1/events", content=array(*some(1)), headers=ARRAY)
    assert response.status_code == 500
    assert is_one_line(response)
    assert CANARY not in response.text


def test_health_needs_no_token_and_tells_no_place(writer):
    """Health pages answer anybody; one that fails does not say where the log is."""
    error = RetryableError("the log at /secret/place is away")

    def check() -> None:
        raise error

    with serving(collector_app(writer, TOKEN)) as client:
        del client.headers["Authorization"]
        answers = [client.get(page).status_code for page in ("/healthz", "/readyz", "/metrics")]
    assert answers == [200, 200, 200]
    with serving(collector_app(writer, TOKEN, check_log=check)) as client:
        response = client.get("/readyz")
    assert (response.status_code, "secret" in response.text) == (503, False)


def test_metrics_count_what_happened(client):
    """Accepted and rejected events and the answers are counted."""
    client.post("/v1/events", content=array(*some(2), b"5"), headers=ARRAY)
    client.post("/v1/events", content=b"{}", headers=ARRAY)
    metrics = client.get("/metrics").text
    for line in (
        'locard_collector_events_accepted_total{lane="recorder"} 2.0',
        'locard_collector_events_rejected_total{error_class="invalid_event",lane="recorder"} 1.0',
        'locard_collector_requests_total{lane="recorder",status="200"} 1.0',
        'locard_collector_requests_total{lane="recorder",status="400"} 1.0',
        "locard_collector_append_seconds_count 1.0",
    ):
        assert re.search(f"^{re.escape(line)}$", metrics, re.MULTILINE), line


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/v1/events", "/"])
def test_there_are_no_other_pages(client, path):
    """Documentation pages, which would load scripts from elsewhere, and others do not exist."""
    response = client.get(path)
    assert response.status_code in (404, 405)
    assert is_one_line(response)


def test_a_fault_of_our_own_costs_one_event(client, log, monkeypatch, caplog):
    """An event that the collector fails over is refused by its class; its neighbours are stored."""
    from locard.ingest import intake

    real = intake.parse_event

    def fails_once(data: bytes):
        if b"CANARY" in data:
            raise ZeroDivisionError(data)
        return real(data)

    monkeypatch.setattr(intake, "parse_event", fails_once)
    good = some(2)
    answer = client.post(
        "/v1/events", content=array(good[0], b'{"a": "CANARY"}', good[1]), headers=ARRAY
    ).json()
    assert [(r["index"], r["error_class"]) for r in answer["rejected"]] == [(1, "internal_error")]
    assert len(values(log)) == 2
    assert "CANARY" not in caplog.text + str(answer)
