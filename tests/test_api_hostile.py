"""What callers and recorded evidence may try against the service itself: it goes on answering."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import urlsafe_b64encode
from pathlib import Path

import httpx
import pytest

from lakes import publish
from locard.query.api import Limits, query_app
from making import event
from servers import TOKEN, serving

GiB = 1 << 30


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("lake") / "lake", event(session_id="s1"))


@pytest.fixture(scope="module")
def read() -> list[str]:
    """What the access trail was told."""
    return []


@pytest.fixture(scope="module")
def client(lake, read):
    limits = Limits(seconds=300, at_once=1, process_bytes=GiB, memory="300MB")
    app = query_app(lake, TOKEN, lambda reading: read.append(reading.query), limits=limits)
    with serving(app) as client:
        yield client


def sql(client: httpx.Client, statement: str, **parameters: int) -> httpx.Response:
    return client.post("/v1/sql", json={"statement": statement}, params=parameters)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT range(0, 20000000)",
        "SELECT repeat('x', 20000000) FROM range(100)",
        "SELECT list(range) FROM range(50000000)",
        "SELECT repeat('x', 400000000) || repeat('y', 400000000)",
        "SELECT " + "[" * 900 + "1" + "]" * 900,
        "SELECT " + "(SELECT " * 400 + "1" + ")" * 400,
        "SELECT INTERVAL 100000000 YEAR",
        "SELECT timezone(event_id, now()) FROM events",
        "SELECT time_bucket(INTERVAL 1 DAY, now(), event_id) FROM events",
    ],
)
def test_a_statement_that_asks_for_too_much_is_refused(client, statement):
    """422 in one line that quotes nothing, and the one turn there is is free again."""
    response = sql(client, statement)
    assert response.status_code == 422, response.text[:300]
    after = sql(client, "FROM events")
    assert after.status_code == 200, after.text
    assert after.json()["rows"][0]["event_id"] not in response.text


def test_a_statement_that_failed_leaves_its_trace_too(client, read):
    """That it failed can tell what was read."""
    sql(client, "SELECT error(event_id) FROM events")
    assert read[-1] == "POST /v1/sql: SELECT error(event_id) FROM events"


def test_a_question_ends_when_its_caller_goes_away(lake):
    """The one turn there is is free long before the time is up."""
    limits = Limits(seconds=300, at_once=1)
    with serving(query_app(lake, TOKEN, limits=limits)) as client:
        endless = {"statement": "SELECT sum(sin(range)) FROM range(2000000000000)"}
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/sql", json=endless, timeout=2)
        assert client.get("/v1/sessions", timeout=60).status_code == 200


def test_a_cursor_of_a_version_that_never_was_is_refused_at_once(client):
    """Whoever forges one learns nothing and takes no time."""
    told = json.dumps(["GET", "/v1/sessions", []]).encode()
    bound = hashlib.sha256(told).hexdigest()[:16]
    for version in (2**52, 10**6, 2):
        forged = urlsafe_b64encode(json.dumps([version, 0, bound]).encode()).decode().rstrip("=")
        response = client.get("/v1/sessions", params={"limit": 1, "cursor": forged})
        assert response.status_code == 422
        assert "begin without" in response.json()["error"]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_is_not_read_to_its_end(client, is_told):
    """413, whether its length is told or it comes in chunks, and without any token."""
    body = b" " * (2 << 20)
    chunks = body if is_told else iter([body[: 1 << 19]] * 4)
    response = client.post(
        "/v1/sql",
        content=chunks,
        headers={"Content-Type": "application/json", "Authorization": "Bearer nobody"},
    )
    assert response.status_code == 413


def test_a_parameter_that_a_page_does_not_have_is_refused(client):
    """A slip (`sinse`) must not be answered with everything."""
    response = client.get("/v1/incidents", params={"sinse": "2h"})
    assert response.status_code == 422
    assert "since" in response.json()["error"]


def test_what_is_slow_stops_nobody_else(lake):
    """Health is told, and other callers are answered, while a question uses all it may."""
    with serving(query_app(lake, TOKEN, limits=Limits(seconds=60, at_once=2))) as client:
        endless = {"statement": "SELECT sum(sin(range)) FROM range(2000000000000)"}
        ended: list[int] = []

        def ask() -> None:
            with pytest.raises(httpx.HTTPError):
                client.post("/v1/sql", json=endless, timeout=httpx.Timeout(8))
            ended.append(1)

        asking = threading.Thread(target=ask)
        asking.start()
        assert client.get("/healthz", timeout=5).status_code == 200
        assert client.get("/v1/sessions", timeout=30).status_code == 200
        asking.join()
        assert ended
