"""Who may ask what over HTTP: role by route by workflow, and no way around it through SQL."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from lakes import publish
from locard.cli.readers import readers
from locard.cli.settings import load_settings
from locard.ingest.identities import IdentityRegistry
from locard.query.api import Caller, Limits, query_app
from locard.query.cases import open_cases
from locard.schema import CannotContinue
from making import event
from told import Story

MINE, OTHERS = "billing", "salaries"
CANARY = "CANARY-77ab"
ROLES = ("collector", "responder", "analyst", "auditor", "admin")
EVENTS = {
    workflow: [
        event(
            "tool_call",
            {"tool_name": f"of_{workflow}", "sighting": "executed", "arguments": {"a": words}},
            workflow_id=workflow,
            session_id=f"session-{workflow}",
            agent_id=f"agent-{workflow}",
            call_id="c1",
        )
        for _ in range(3)
    ]
    for workflow, words in ((MINE, "harmless"), (OTHERS, CANARY))
}
ID = {workflow: str(events[0].event_id) for workflow, events in EVENTS.items()}
ROUTES: dict[str, tuple[str, str, dict[str, Any] | None, frozenset[str]]] = {
    "sessions": ("GET", "/v1/sessions", None, frozenset({"responder", "analyst", "admin"})),
    "session": (
        "GET", "/v1/sessions/session-{0}/timeline", None,
        frozenset({"responder", "analyst", "admin"}),
    ),
    "timeline": (
        "GET", "/v1/timeline?workflow={0}", None, frozenset({"responder", "analyst", "admin"}),
    ),
    "explanation": ("GET", "/v1/events/{1}/explanation", None, frozenset({"responder", "admin"})),
    "reach": ("GET", "/v1/events/{1}/reach", None, frozenset({"responder", "admin"})),
    "incidents": ("GET", "/v1/incidents", None, frozenset({"responder", "admin"})),
    "questions": (
        "GET", "/v1/questions", None, frozenset({"responder", "analyst", "auditor", "admin"}),
    ),
    "ask": (
        "POST", "/v1/questions/where", {"parameters": {"value": "a"}},
        frozenset({"responder", "analyst", "admin"}),
    ),
    "cases": ("GET", "/v1/cases", None, frozenset({"responder", "admin"})),
    "open-case": (
        "POST", "/v1/cases", {"case_id": "case-billing", "title": "again"},
        frozenset({"responder", "admin"}),
    ),
    "case": ("GET", "/v1/cases/case-{0}", None, frozenset({"responder", "admin"})),
    "enter": (
        "POST", "/v1/cases/case-{0}/entries", {"kind": "comment", "text": "seen"},
        frozenset({"responder", "admin"}),
    ),
    "export": ("GET", "/v1/cases/case-{0}/export", None, frozenset({"responder", "admin"})),
    "runbook": (
        "POST", "/v1/runbooks/hijack", {"session": "session-billing"},
        frozenset({"responder", "admin"}),
    ),
    "ask-whole": (
        "POST", "/v1/questions/whole", {"parameters": {}},
        frozenset({"responder", "analyst", "auditor", "admin"}),
    ),
    "who-looked": (
        "POST", "/v1/questions/who-looked", {"parameters": {}},
        frozenset({"responder", "analyst", "auditor", "admin"}),
    ),
    "inventory": (
        "GET", "/v1/inventory", None, frozenset({"responder", "analyst", "auditor", "admin"}),
    ),
    "gaps": ("GET", "/v1/gaps", None, frozenset({"responder", "analyst", "auditor", "admin"})),
    "sql": (
        "POST", "/v1/sql", {"statement": "FROM events"},
        frozenset({"responder", "analyst", "admin"}),
    ),
}  # fmt: skip


GOOD = {"enter": 201, "open-case": 409}
"""What a caller is answered who may ask, where it is not 200."""


class Named:
    """An authority whose tokens say who presents them: `role` or `role:workflow`."""

    def caller(self, token: str) -> Caller | None:
        role, _, workflow = token.partition(":")
        if role not in ROLES:
            return None
        return Caller(token, role, frozenset({workflow}) if workflow else None)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    return publish(
        tmp_path_factory.mktemp("lake") / "lake", *(e for some in EVENTS.values() for e in some)
    )


@pytest.fixture(scope="module")
def client(lake) -> TestClient:
    cases = open_cases(lake.parent / "cases.sqlite")
    for workflow, title in ((MINE, "harmless"), (OTHERS, CANARY)):
        cases.open(f"case-{workflow}", title, "a", workflows=frozenset({workflow}))
    return TestClient(query_app(lake, Named(), cases=cases))


def ask(
    client: TestClient, token: str, name: str, workflow: str = MINE, **headers: str
) -> httpx.Response:
    method, path, body, _ = ROUTES[name]
    headers = {"Authorization": f"Bearer {token}", **headers}
    return client.request(method, path.format(workflow, ID[workflow]), json=body, headers=headers)


def test_every_route_is_in_the_matrix(client):
    """A route that is added has to say who may ask it."""
    told = client.get("/v1/openapi.json").json()["paths"]
    asked = {path.format("s", "e").split("?")[0] for _, path, _, _ in ROUTES.values()}
    names = {"{session_id}": "session-s", "{event_id}": "e", "{case_id}": "case-s"}
    known = set(told)
    for name, filled in names.items():
        known = {path.replace(name, filled) for path in known}
    assert {path for path in known if "{name}" not in path} == {
        path for path in asked if "/questions/" not in path and "/runbooks/" not in path
    }
    assert {path for path in known if "{name}" in path} == {
        "/v1/questions/{name}", "/v1/runbooks/{name}",
    }  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", ROUTES)
def test_a_role_may_ask_what_it_may(client, role, name):
    """200 for what it may, 403 for what not, in one line."""
    response = ask(client, role, name)
    assert response.status_code == (GOOD.get(name, 200) if role in ROUTES[name][3] else 403)
    if response.status_code == 403:
        assert response.json().keys() == {"error"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("workflow", [MINE, OTHERS])
def test_a_scope_holds_for_every_answer(client, role, name, workflow):
    """What is not the caller's workflow is not there: neither rows nor names, and no 403 tells."""
    response = ask(client, f"{role}:{MINE}", name, workflow)
    if role not in ROUTES[name][3]:
        assert response.status_code == 403
        return
    is_of_others = workflow == OTHERS and ("{" in ROUTES[name][1])
    if is_of_others and name in (
        "session", "explanation", "reach", "case", "enter", "export",
    ):  # fmt: skip
        assert response.status_code == 404
    else:
        assert response.status_code == GOOD.get(name, 200)
    for secret in (CANARY, f"of_{OTHERS}", f"session-{OTHERS}", f"agent-{OTHERS}", ID[OTHERS]):
        assert secret not in response.text
    if name in ("sessions", "timeline", "incidents", "ask", "inventory", "sql", "cases"):
        everything = ask(client, "admin", name, OTHERS).text
        assert name == "incidents" or OTHERS in everything, "the test would see nothing anyway"


@pytest.mark.parametrize("token", ["", "nobody", "Responder", "responder:"])
def test_a_token_of_nobody_is_refused(client, token):
    """401; a role with an empty scope is no scope."""
    expected = 200 if token == "responder:" else 401
    assert ask(client, token, "sessions").status_code == expected


ESCAPES = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_scan(['{file}'])",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    'SELECT * FROM "{stem}".parquet',
    'SELECT * FROM "{stem}"."parquet"',
    "FROM glob('/**')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table(['{file}'])",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "ATTACH '/tmp/x.db' AS x",
    "COPY (SELECT 1) TO '/tmp/stolen.csv'",
    "COPY events TO '/tmp/stolen.parquet'",
    "WITH x AS (COPY (SELECT 1) TO '/tmp/stolen') SELECT 1",
    "EXPORT DATABASE '/tmp/stolen'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "CALL duckdb_settings()",
    "CREATE TABLE t AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "DROP VIEW events",
    "INSERT INTO events SELECT * FROM events",
    "UPDATE events SET kind = 'x'",
    "DELETE FROM events",
    "USE memory",
    "VACUUM",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT * FROM sqlite_scan('/tmp/x', 't')",
    "SELECT getenv('HOME')",
    "FROM duckdb_views()",
    "FROM duckdb_tables()",
    "FROM pg_catalog.pg_views",
    "FROM pg_settings",
    "FROM information_schema.views",
    "FROM placed_rows",
    "WITH x AS (FROM placed_rows) FROM x",
    "WITH pg_settings AS (FROM pg_settings) FROM pg_settings",
    "FROM pg_views, (WITH pg_views AS (SELECT 1) FROM pg_views)",
    'WITH "{file}" AS (FROM \'{file}\') FROM "{file}"',
    'FROM \'{file}\', (WITH "{file}" AS (SELECT 1) FROM "{file}")',
    "EXPLAIN ANALYZE FROM events",
    "EXPLAIN (FORMAT json) SELECT session_id FROM lake_rows",
    "SELECT getvariable('lake_files')",
    "SELECT current_setting('allowed_paths')",
    "SELECT stats(session_id) FROM lake_rows",
    "SELECT session_id.stats() FROM lake_rows",
    "SELECT main.stats(workflow_id) FROM events",
    "SELECT list_transform(['a'], lambda x: stats(x))",
    "SELECT json_serialize_plan('FROM lake_rows')",
    "",
    ";",
    "not a statement",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_no_statement_gets_out(client, lake, statement):
    """Whatever is tried: a 422 in one line, nothing written, and nothing of others in it."""
    (file,) = lake.glob("*/*.parquet")
    text = statement.format(file=file, stem=str(file).removesuffix(".parquet"))
    headers = {"Authorization": f"Bearer analyst:{MINE}"}
    response = client.post("/v1/sql", json={"statement": text}, headers=headers)
    assert response.status_code == 422
    assert response.json().keys() == {"error"}
    assert CANARY not in response.text
    assert not list(Path("/tmp").glob("stolen*"))  # noqa: S108 - what the attacks name


LOOKS = [
    "FROM lake_rows",
    "FROM main.lake_rows",
    "FROM memory.main.events",
    "SELECT * FROM texts",
    "FROM pseudonyms",
    "FROM duplicates",
    "FROM streams",
    "FROM gaps",
    "FROM sessions",
    "FROM tool_calls",
    "SELECT * FROM events WHERE workflow_id = 'salaries' OR true",
    "SELECT (SELECT string_agg(arguments, '') FROM events)",
    "WITH events AS (FROM lake_rows) FROM events",
    "FROM events UNION ALL FROM lake_rows",
    "SUMMARIZE events",
    "DESCRIBE events",
    "FROM information_schema.tables",
    "FROM information_schema.columns",
]


@pytest.mark.parametrize("statement", LOOKS)
def test_no_view_shows_what_is_of_others(client, statement):
    """Through views, catalogues and plans there is the caller's part of the lake alone."""
    headers = {"Authorization": f"Bearer analyst:{MINE}"}
    response = client.post("/v1/sql", json={"statement": statement}, headers=headers)
    assert response.status_code == 200, response.text
    for secret in (CANARY, f"of_{OTHERS}", f"session-{OTHERS}", ID[OTHERS]):
        assert secret not in response.text


def test_a_part_of_the_lake_does_not_pretend_to_know_what_is_missing(client):
    """Numbers go over all workflows of a collector: of a part there are no gaps to tell."""
    headers = {"Authorization": f"Bearer analyst:{MINE}"}
    for name in ("gaps", "streams"):
        response = client.post("/v1/sql", json={"statement": f"FROM {name}"}, headers=headers)
        assert response.json()["rows"] == []
    told = ask(client, f"responder:{MINE}", "timeline").json()["standing"]
    assert told["is_whole"] is None
    assert "nobody can tell what is missing" in told["sentence"]
    assert ask(client, "responder", "timeline").json()["standing"]["is_whole"] is True


def test_pages_are_of_one_version_of_the_lake(tmp_path):
    """What is published between two pages is in neither; together they are the whole answer."""
    lake = publish(tmp_path / "lake", *EVENTS[MINE])
    client = TestClient(query_app(lake, Named()), headers={"Authorization": "Bearer admin"})
    told: list[str] = []
    cursor = None
    while True:
        asked = {"workflow": MINE, "limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = client.get("/v1/timeline", params=asked).json()
        told += [row["event_id"] for row in answer["rows"]]
        publish(lake, event(workflow_id=MINE, session_id="later"))
        if (cursor := answer["cursor"]) is None:
            break
    assert sorted(told) == sorted(str(one.event_id) for one in EVENTS[MINE])


@pytest.mark.parametrize("cursor", ["x", "e30", "WzEsMiwiYSJd", "W251bGxd", "%00", "é"])
def test_a_cursor_of_another_question_is_told(client, cursor):
    """422, and never an answer to something else."""
    headers = {"Authorization": "Bearer admin"}
    response = client.get(
        "/v1/timeline", params={"workflow": MINE, "cursor": cursor}, headers=headers
    )
    assert response.status_code == 422


def test_long_answers_are_streamed_as_lines(client):
    """The first line says how far the answer can be relied on, each other is a row."""
    response = ask(client, "admin", "timeline", Accept="application/x-ndjson")
    first, *rows = [json.loads(line) for line in response.text.splitlines()]
    assert first["standing"]["is_whole"]
    assert [row["kind"] for row in rows] == ["tool_call"] * 3


def test_a_question_that_takes_too_long_is_stopped(lake):
    """504, long before DuckDB would have ended by itself."""
    client = TestClient(query_app(lake, Named(), limits=Limits(seconds=0.5)))
    statement = "SELECT count(*) FROM range(10000000000) AS a, range(10000000000) AS b"
    began = time.monotonic()
    response = client.post(
        "/v1/sql", json={"statement": statement}, headers={"Authorization": "Bearer admin"}
    )
    assert response.status_code == 504
    assert time.monotonic() - began < 30


def test_tracing_that_takes_too_long_is_stopped(tmp_path):
    """A session can be made so that tracing all of it takes hours: Python stops as DuckDB does."""
    story = Story("endless").person("Go on.")
    for number in range(400):
        words = " ".join(f"w{number}x{n}@corp.example" for n in range(60))
        story.call("send_mail", text=words).result(f"see {words}")
    lake = publish(tmp_path / "lake", *story.events)
    client = TestClient(query_app(lake, Named(), limits=Limits(seconds=0.5)))
    began = time.monotonic()
    response = client.get("/v1/incidents", headers={"Authorization": "Bearer admin"})
    assert response.status_code == 504
    assert time.monotonic() - began < 30


def test_rows_are_limited(client):
    """More than was asked for is cut, and the answer says so."""
    response = client.post(
        "/v1/sql",
        params={"limit": 5},
        json={"statement": "FROM range(100)"},
        headers={"Authorization": "Bearer admin"},
    ).json()
    assert (len(response["rows"]), response["is_cut"]) == (5, True)


def test_memory_is_limited(lake):
    """A statement that wants more than it may is told so, and the API goes on."""
    client = TestClient(query_app(lake, Named(), limits=Limits(memory="50MB")))
    headers = {"Authorization": "Bearer admin"}
    statement = "SELECT list(range::VARCHAR || repeat('x', 100)) FROM range(3000000)"
    response = client.post("/v1/sql", json={"statement": statement}, headers=headers)
    assert response.status_code == 422
    assert client.get("/v1/sessions", headers=headers).status_code == 200


def test_metrics_name_routes_and_nothing_that_was_sent(client):
    """Counted by route and status."""
    ask(client, "admin", "session")
    told = client.get("/metrics").text
    assert 'locard_api_requests_total{route="/v1/sessions/{session_id:session_id}/timeline"' in told
    assert MINE not in told


def test_identities_are_readers_by_their_role(tmp_path):
    """A responder of one workflow, readers of two and of all, a collector, who reads nothing."""
    settings = load_settings(tmp_path)
    registry = IdentityRegistry(tmp_path / "identities.sqlite")
    one = registry.create(MINE, role="responder")
    everything = registry.create("*", role="analyst")
    several = registry.create(MINE, role="auditor", more_workflows=(OTHERS, MINE))
    collector = registry.create(MINE)
    for scope in ({"workflow_id": MINE}, {"workflow_id": "*", "role": "admin"}):
        with pytest.raises(CannotContinue):
            registry.create(**scope, more_workflows=(OTHERS,))
    registry.close()
    with readers(settings, "the-token-of-all-of-it") as authority:
        found = authority.caller(one.token)
        assert found == Caller(one.identity.identity, "responder", frozenset({MINE}))
        everyone = authority.caller(everything.token)
        assert everyone is not None
        assert everyone.workflows is None
        found = authority.caller(several.token)
        assert found is not None
        assert found.workflows == {MINE, OTHERS}
        assert authority.caller(collector.token) is None
        assert authority.caller("nobody") is None
