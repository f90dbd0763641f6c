"""Cases over HTTP: what a caller may not see they neither read nor write, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from lakes import publish
from locard.query.api import Caller, Reading, query_app
from locard.query.cases import open_cases
from locard.schema import RetryableError
from making import event

MINE, OTHERS = (
    event(
        "tool_call",
        {"tool_name": "pay", "sighting": "executed", "arguments": {"to": words}},
        workflow_id=workflow,
        session_id=f"session-{workflow}",
        call_id="c1",
    )
    for workflow, words in (("billing", "harmless"), ("salaries", "CANARY-19d2"))
)


class Named:
    """The token is the caller's name, and after a slash what they may see."""

    def caller(self, token: str) -> Caller:
        name, _, workflows = token.partition("/")
        return Caller(name, "responder", frozenset(workflows.split(",")) if workflows else None)


class Desk:
    """The API with a lake and cases."""

    def __init__(self, path: Path) -> None:
        self.read: list[Reading] = []
        self.cases = open_cases(path / "cases.sqlite")
        self.trail: Any = self.read.append
        lake = publish(path / "lake", MINE, OTHERS)
        app = query_app(lake, Named(), lambda reading: self.trail(reading), cases=self.cases)
        self._client = TestClient(app)

    def get(self, who: str, path: str) -> httpx.Response:
        """Read as somebody."""
        return self._client.get(path, headers={"Authorization": f"Bearer {who}"})

    def post(self, who: str, path: str, **body: Any) -> httpx.Response:
        """Write as somebody."""
        return self._client.post(path, json=body, headers={"Authorization": f"Bearer {who}"})


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_a_case_is_opened_filled_in_and_exported(desk):
    """Under the name of whoever does it, which they cannot choose."""
    assert desk.post("noa", "/v1/cases", case_id="INC-7", title="Gone").status_code == 201
    entries = "/v1/cases/INC-7/entries"
    short = str(MINE.event_id)
    pin = desk.post("ben", entries, kind="pinned", event_id=short)
    assert pin.json()["rows"][0]["session_id"] == "session-billing"
    desk.post("ben", entries, kind="tagged", event_id=short, text="ioc")
    guess = desk.post("noa", entries, kind="hypothesis", text="the mail").json()["rows"][0]
    told = {"hypothesis": guess["number"]}
    assert desk.post("ben", entries, kind="settled", text="yes", data=told).status_code == 201
    shown = desk.get("ana", "/v1/cases/INC-7").json()
    assert (shown["authors"], shown["pins"], shown["tags"]) == (
        ["ben", "noa"], [short], {short: ["ioc"]},
    )  # fmt: skip
    assert [row["number"] for row in shown["rows"]] == [1, 2, 3, 4, 5]
    assert [row["case_id"] for row in desk.get("ana", "/v1/cases").json()["rows"]] == ["INC-7"]
    for form in ("markdown", "html", "jsonl"):
        export = desk.get("ana", f"/v1/cases/INC-7/export?form={form}")
        assert "the mail" in export.text
        assert "harmless" in export.text
        assert export.headers["Content-Disposition"].startswith("attachment")


def test_a_case_is_seen_by_those_who_may_see_all_that_it_is_about(desk):
    """It has the scope of whoever opened it."""
    for who, name in (("noa/billing", "b"), ("ben/billing,salaries", "bs"), ("ana", "all")):
        assert desk.post(who, "/v1/cases", case_id=name, title=name).status_code == 201

    def seen(who: str) -> set[str]:
        listed = {row["case_id"] for row in desk.get(who, "/v1/cases").json()["rows"]}
        for name in ("b", "bs", "all"):
            good = 200 if name in listed else 404
            assert desk.get(who, f"/v1/cases/{name}").status_code == good
            assert desk.get(who, f"/v1/cases/{name}/export").status_code == good
            entry = desk.post(who, f"/v1/cases/{name}/entries", kind="comment", text="x")
            assert entry.status_code == (201 if good == 200 else 404)
        return listed

    assert seen("x/billing") == {"b"}
    assert seen("x/billing,salaries") == {"b", "bs"}
    assert seen("x/salaries") == set()
    assert seen("x") == {"b", "bs", "all"}


@pytest.mark.parametrize("who", ["noa/billing", "ana"])
def test_nothing_from_outside_its_scope_gets_into_a_case(desk, who):
    """Not even by somebody who may see it: others who see the case may not."""
    desk.post("noa/billing", "/v1/cases", case_id="b", title="b")
    pin = desk.post(who, "/v1/cases/b/entries", kind="pinned", event_id=str(OTHERS.event_id))
    assert pin.status_code == 422
    desk.cases.add(
        "b", "cli", "pinned", event_id=str(OTHERS.event_id), session_id="session-salaries"
    )
    assert "CANARY" not in desk.get(who, "/v1/cases/b/export?form=jsonl").text


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"kind": "opened", "text": "x"}),
        (422, {"kind": "run", "text": "x"}),
        (422, {"kind": "pinned"}),
        (422, {"kind": "comment", "text": " "}),
        (422, {"kind": "comment", "text": "a\x00"}),
        (422, {"kind": "comment", "text": "x" * 100_001}),
        (422, {"kind": "status", "text": "lost"}),
        (422, {"kind": "settled", "text": "x", "data": {"hypothesis": 1}}),
        (422, {"kind": "pinned", "event_id": "0" * 36}),
        (422, {"kind": "comment", "text": "x", "author": "somebody else"}),
    ],
)
def test_what_cannot_be_an_entry_is_told_and_changes_nothing(desk, status, body):
    desk.post("noa", "/v1/cases", case_id="c", title="t")
    response = desk.post("noa", "/v1/cases/c/entries", **body)
    assert response.status_code == status
    assert response.json().keys() == {"error"}
    assert len(desk.cases.case("c").entries) == 1


def test_a_runbook_fills_in_a_case(desk):
    """Each step with what it gave, in the case as in the answer."""
    desk.post("noa/billing", "/v1/cases", case_id="c", title="t")
    told = {"session": "session-billing", "case_id": "c"}
    rows = desk.post("noa/billing", "/v1/runbooks/hijack", **told).json()["rows"]
    kept = [entry.data for entry in desk.cases.case("c").of_kind("run")]
    assert len(rows) > 3
    assert [{name: row[name] for name in row if name != "why"} for row in rows] == kept


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hijack", {"session": "session-salaries"}),
        ("hijack", {"session": "session-salaries", "case_id": "b"}),
        ("hijack", {"session": "session-billing", "case_id": "of others"}),
        ("arson", {"session": "session-billing"}),
    ],
)
def test_a_runbook_is_about_what_the_caller_may_see(desk, name, told):
    """Else there is nothing of that name, and the case stays as it was."""
    desk.post("noa/billing", "/v1/cases", case_id="b", title="t")
    response = desk.post("noa/billing", f"/v1/runbooks/{name}", **told)
    assert response.status_code == 404
    assert len(desk.cases.case("b").entries) == 1


def test_a_case_is_opened_once_over_http(desk):
    """The second is told, and so is one with an id that cannot be one."""
    assert desk.post("noa", "/v1/cases", case_id="c", title="t").status_code == 201
    assert desk.post("ben", "/v1/cases", case_id="c", title="u").status_code == 409
    assert desk.post("ben", "/v1/cases", case_id="../c", title="u").status_code == 422
    assert desk.cases.case("c").title == "t"


def test_what_cannot_be_recorded_is_neither_shown_nor_written(desk):
    """The trail comes first."""
    desk.post("noa", "/v1/cases", case_id="c", title="t")

    def away(_: Reading) -> None:
        raise RetryableError("the log cannot be reached")

    desk.trail = away
    answers = [
        desk.get("noa", "/v1/cases"),
        desk.get("noa", "/v1/cases/c"),
        desk.get("noa", "/v1/cases/c/export"),
        desk.post("noa", "/v1/cases", case_id="d", title="t"),
        desk.post("noa", "/v1/cases/c/entries", kind="comment", text="x"),
        desk.post("noa", "/v1/cases/c/entries", kind="pinned", event_id=str(MINE.event_id)),
    ]
    assert [response.status_code for response in answers] == [503] * 6
    assert [(case.case_id, len(case.entries)) for case in desk.cases.cases()] == [("c", 1)]


def test_a_database_that_is_away_is_503(desk, tmp_path):
    """And nothing of it is told."""
    (tmp_path / "cases.sqlite").write_bytes(b"no database " * 100)
    for response in (
        desk.get("noa", "/v1/cases"),
        desk.get("noa", "/v1/cases/c"),
        desk.post("noa", "/v1/cases", case_id="d", title="t"),
    ):
        assert response.status_code == 503
        assert str(tmp_path) not in response.text


def test_a_body_that_is_no_text_is_told(desk):
    """By what to send instead."""
    headers = {"Authorization": "Bearer noa", "Content-Type": "application/json"}
    response = desk._client.post("/v1/cases", content=b"\xff{", headers=headers)
    assert response.status_code == 400
    assert response.json() == {"error": "the body cannot be read; send JSON in UTF-8"}


def test_a_page_says_what_can_be_done_with_it(desk):
    """All of it, whichever route comes first."""
    response = desk._client.request("DELETE", "/v1/cases")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")
