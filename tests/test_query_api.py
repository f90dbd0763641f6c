"""The HTTP API of questions: what the timeline says, to those who have the token, and inert."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from lakes import publish
from locard.query import connect, timeline
from locard.query.api import query_app
from locard.schema import Event, rfc3339
from making import event, said
from servers import TOKEN, serving

NOW = datetime(2026, 5, 4, 9, 40, tzinfo=UTC)
HOSTILE = '<script>alert("\u202e1")</script>\x1b]8;;https://evil.example\x07\x7f\u2028=cmd|x'
CANARY = "CANARY-51c0"


@pytest.fixture
def lake(tmp_path) -> Path:
    """Where the lake is, once there is one."""
    return tmp_path / "lake"


@pytest.fixture
def client(lake) -> Iterator[httpx.Client]:
    """A client of the API on the lake."""
    with serving(query_app(lake, TOKEN)) as client:
        yield client


def prompt(text: str, session_id: str = "s1", minute: int = 0) -> Event:
    """Return a prompt that says this."""
    moment = f"2026-05-04T09:{minute:02}:00Z"
    return event("prompt", {"messages": [said(text)]}, session_id=session_id, occurred_at=moment)


def is_one_line(response: httpx.Response) -> bool:
    """Say whether the answer is an error as all of them are: one line, and nothing beside it."""
    answer = response.json()
    return answer.keys() == {"error"} and answer["error"] and "\n" not in answer["error"]


def test_a_timeline_has_the_rows_of_the_timeline(client, lake):
    """The rows are those of `locard.query.timeline`, in its order, with times as RFC 3339."""
    publish(lake, prompt("second", minute=2), prompt("first", minute=1), prompt("x", "other"))
    response = client.get("/v1/sessions/s1/timeline")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert answer["session_id"] == "s1"
    with connect(lake) as connection:
        rows = timeline(connection, "s1")
    assert [row["what"] for row in answer["rows"]] == ["first", "second"]
    for told, row in zip(answer["rows"], rows, strict=True):
        assert told.keys() == set(vars(row))
        assert (told["event_id"], told["trust"]) == (row.event_id, row.trust)
        assert told["occurred_at"] == rfc3339(row.occurred_at)
        assert told["fields"]["messages"] == row.fields["messages"]


@pytest.mark.parametrize(
    "session_id",
    ["a/b/c", "/a", "a/", "a/timeline", "a//b", "a b?c#d%2F", "é‹x›", "a\nb", "'; DROP"],
)
def test_any_session_has_a_timeline(client, lake, session_id):
    """A session is found by its id whatever characters that has, slashes with the rest."""
    publish(lake, prompt("this one", session_id), prompt("another", "b"))
    response = client.get(f"/v1/sessions/{quote(session_id, safe='')}/timeline")
    assert [row["what"] for row in response.json()["rows"]] == ["this one"]


def test_a_slash_needs_no_escape(client, lake):
    """The slashes of a session id may stand in the address as they are."""
    publish(lake, prompt("this one", "billing/2026/7"))
    response = client.get("/v1/sessions/billing/2026/7/timeline")
    assert response.json()["session_id"] == "billing/2026/7"


@pytest.mark.parametrize("session_id", ["nobody", "", "s1%00"])
def test_a_session_that_is_not_there_is_told(client, lake, session_id):
    """A session that the lake does not know is a 404 with one line, and is not repeated."""
    publish(lake, prompt("x"))
    response = client.get(f"/v1/sessions/{session_id}/timeline")
    assert response.status_code == 404
    assert is_one_line(response)
    assert "nobody" not in response.text


def test_sessions_come_newest_first(client, lake):
    """The list of sessions begins with the newest and holds no more than was asked for."""
    publish(lake, *(prompt("x", f"s{minute}", minute) for minute in (1, 3, 2)))
    sessions = client.get("/v1/sessions").json()["rows"]
    assert [session["session_id"] for session in sessions] == ["s3", "s2", "s1"]
    assert sessions[0]["started_at"] == "2026-05-04T09:03:00.000000Z"
    assert sessions[0]["events"] == 1
    limited = client.get("/v1/sessions", params={"limit": 1}).json()["rows"]
    assert limited == sessions[:1]


@pytest.mark.parametrize("limit", ["0", "-1", "10001", CANARY, ""])
def test_a_wrong_limit_is_told(client, limit):
    """A limit that is no number in range is a 422 with one line that does not repeat it."""
    response = client.get("/v1/sessions", params={"limit": limit})
    assert response.status_code == 422
    assert is_one_line(response)
    assert "limit" in response.text
    assert CANARY not in response.text


def test_what_is_published_is_seen_by_the_next_question(client, lake):
    """An answer shows the lake as it is when it is asked."""
    publish(lake, prompt("one"))
    assert len(client.get("/v1/sessions/s1/timeline").json()["rows"]) == 1
    publish(lake, prompt("two"))
    assert len(client.get("/v1/sessions/s1/timeline").json()["rows"]) == 2


@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/sessions/s1/timeline", "/v1/sessions?limit=x"]
)
@pytest.mark.parametrize("authorization", [None, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
def test_without_the_token_nothing_is_answered(client, lake, path, authorization):
    """A missing or wrong token is a 401, whether or not there is an answer."""
    publish(lake, prompt("x"))
    del client.headers["Authorization"]
    headers = {"Authorization": authorization} if authorization else {}
    response = client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert is_one_line(response)


def test_there_is_no_api_without_a_token(lake):
    """An empty token would let everybody in."""
    with pytest.raises(ValueError, match="token"):
        query_app(lake, "")


def test_ready_once_the_lake_can_be_read(client, lake):
    """Without a lake the API is alive but not ready, tells nobody where it looks, and recovers."""
    token = client.headers.pop("Authorization")
    assert client.get("/healthz").status_code == 200
    response = client.get("/readyz")
    assert (response.status_code, is_one_line(response)) == (503, True)
    assert str(lake) not in response.text
    asked = client.get("/v1/sessions", headers={"Authorization": token})
    assert (asked.status_code, is_one_line(asked)) == (503, True)
    publish(lake, prompt("x"))
    assert client.get("/readyz").status_code == 200


def test_a_lake_that_breaks_is_told_without_its_text(client, lake):
    """Where a file of the lake is gone or damaged the answer is a 503 that quotes nothing."""
    publish(lake, prompt(CANARY))
    (file,) = lake.glob("*/*.parquet")
    file.write_bytes(b"PAR1" + CANARY.encode() + b"PAR1")
    response = client.get("/v1/sessions/s1/timeline")
    assert (response.status_code, is_one_line(response)) == (503, True)
    file.unlink()
    gone = client.get("/v1/sessions/s1/timeline")
    assert (gone.status_code, is_one_line(gone)) == (503, True)
    assert CANARY not in response.text + gone.text
    assert str(lake) not in response.text + gone.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/sessions", 200),
        ("/v1/sessions/nobody/timeline", 404),
        ("/v1/sessions?limit=x", 422),
        ("/nowhere", 404),
        ("/healthz", 200),
        ("/readyz", 200),
    ],
)
def test_every_answer_forbids_browsers_to_make_anything_of_it(client, lake, path, status):
    """Whatever the answer, a browser may not guess its type, keep it or load anything for it."""
    publish(lake, prompt("x"))
    response = client.get(path)
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_hostile_text_is_told_whole_and_inert(client, lake):
    """What an attacker wrote comes back unchanged, in bytes that no terminal or browser acts on."""
    publish(lake, prompt(HOSTILE))
    response = client.get("/v1/sessions/s1/timeline")
    assert response.json()["rows"][0]["what"] == HOSTILE
    assert all(0x20 <= byte < 0x7F for byte in response.content)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/v1/sessions/"])
def test_there_are_no_other_pages(client, path):
    """Documentation pages, which would load scripts from elsewhere, and others do not exist."""
    response = client.get(path)
    assert response.status_code == 404
    assert is_one_line(response)


def test_the_api_loads_nothing_that_holds_keys_or_writes():
    """A process that answers questions has neither redaction nor ingest in it."""
    program = "import json, sys, locard.query.api; print(json.dumps(list(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = json.loads(run.stdout)
    assert "locard.query.api" in loaded
    assert not [name for name in loaded if name.startswith(("locard.ingest", "locard.redaction"))]
