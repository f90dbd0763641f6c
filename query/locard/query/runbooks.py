"""Runbooks: which questions to ask, in which order, for each kind of incident.

The steps follow the published playbooks (CoSAI AI Incident Response v1.0, AIIR overlay). Each first
keeps what containment would destroy: the most-cited failure is tokens that were rotated before
their scopes were recorded. A runbook reads and notes; it changes nothing in the agent's world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from locard.query.catalogue import Answered, ask, question
from locard.query.provenance import read_session
from locard.query.values import plain
from locard.schema import CannotContinue, LakePlace, rfc3339

_MOST_ROWS: Final = 50  # of an answer that a case keeps; the question asks for the rest again


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: of a question of the catalogue.
        why: what it is asked for.
        given: its parameters; `{session}`, `{origin}` and others stand for what the session tells,
            see `facts`.
    """

    name: str
    why: str
    given: Mapping[str, str]


@dataclass(frozen=True)
class Runbook:
    """The steps for one kind of incident."""

    name: str
    title: str
    steps: tuple[Step, ...]


def _steps(*told: tuple[str, str, dict[str, str]]) -> tuple[Step, ...]:
    return tuple(Step(name, why, given) for name, why, given in told)


_S: Final = {"session": "{session}"}
_KEEP: Final = (
    ("whole", "is the record of it complete, before anything is said about it", _S),
    ("identity", "who acted for whom, before anything is revoked", _S),
    ("could-do", "what the agent could do, before scopes are changed", {
        "agent": "{agent}", "at": "{ended}"}),
)  # fmt: skip

RUNBOOKS: Final[Mapping[str, Runbook]] = {
    book.name: book
    for book in (
        Runbook("hijack", "Agent hijacking by content that it read", _steps(
            *_KEEP,
            ("timeline", "what happened", _S),
            ("untrusted-before", "what it read before it acted", _S),
            ("followed", "what followed from that text", {"event": "{origin}", "steps": "50"}),
            ("left", "what left, to whom", _S),
            ("blast-radius", "who else the text reached", {"event": "{origin}"}),
            ("people", "which people are affected", _S),
        )),
        Runbook("model", "Compromise of a model", _steps(
            *_KEEP,
            ("changed", "what changed before it began", {"at": "{ended}", "hours": "168"}),
            ("first-use", "tools that are used for the first time", {"since": "{began}"}),
            ("outliers", "sessions that differ from the usual", {"since": "{began}"}),
            ("timeline", "what happened", _S),
            ("approvals", "what people approved meanwhile", _S),
        )),
        Runbook("leakage", "Leakage of training or retrieved data", _steps(
            *_KEEP,
            ("timeline", "what was asked and answered", _S),
            ("read-then-send", "what was read and then sent", _S),
            ("left", "what left, to whom, of which class", _S),
            ("people", "whose data it was", _S),
        )),
        Runbook("identity", "An identity with too many permissions", _steps(
            *_KEEP,
            ("credentials-after", "whether it is still used", {
                "at": "{ended}", "principal": "{principal}"}),
            ("denied-then-done", "what was refused and then done", _S),
            ("approvals", "who approved what, how fast", _S),
            ("first-use", "what it used for the first time", {"since": "{began}"}),
        )),
        Runbook("tool", "Abuse of a tool", _steps(
            *_KEEP,
            ("timeline", "what was called", _S),
            ("first-use", "tools that are used for the first time", {"since": "{began}"}),
            ("denied-then-done", "ways around a refusal", _S),
            ("outliers", "loops and rates", {"since": "{began}"}),
            ("memory", "what was written where later sessions read it", _S),
            ("changed", "whether the tool's definition changed", {"at": "{ended}"}),
        )),
        Runbook("exfiltration", "Exfiltration of data", _steps(
            *_KEEP,
            ("left", "what left, to whom, of which class", _S),
            ("read-then-send", "what was read just before", _S),
            ("untrusted-before", "what asked for it", _S),
            ("blast-radius", "where else the same content was read", {"event": "{origin}"}),
            ("people", "which people have to be told, within 72 hours", _S),
            ("who-looked", "who looked at the evidence meanwhile", {"since": "{began}"}),
        )),
    )
}  # fmt: skip
"""All runbooks, by their names."""


@dataclass(frozen=True)
class Done:
    """A step that was taken, or could not be.

    Args:
        answer: `None` where what it needs is not known of this session.
        lacking: what was not known.
    """

    step: Step
    answer: Answered | None
    lacking: str | None = None

    def data(self) -> dict[str, Any]:
        """Return it as a case keeps it."""
        if self.answer is None:
            return {"question": self.step.name, "lacking": self.lacking}
        names = self.answer.columns
        rows = [
            dict(zip(names, map(plain, row), strict=True)) for row in self.answer.rows[:_MOST_ROWS]
        ]
        return {
            "question": self.step.name,
            "given": dict(self.step.given),
            "row_count": len(self.answer.rows),
            "rows": rows,
            "standing": self.answer.standing.sentence(),
            "sql": self.answer.question.sql,
        }


def runbook(name: str) -> Runbook:
    """Return the runbook of this name.

    Raises:
        CannotContinue: there is none.
    """
    if name not in RUNBOOKS:
        raise CannotContinue(f"there is no such runbook; there are: {', '.join(RUNBOOKS)}")
    return RUNBOOKS[name]


def facts(connection: duckdb.DuckDBPyConnection, session_id: str) -> dict[str, str]:
    """Return what steps are filled in with, as far as the session tells it.

    `session`, `began`, `ended` (just after its last event), `agent`, `principal` and `origin`: the
    text that an action obeyed, else the first that gives orders.
    """
    session = read_session(connection, session_id)
    if not session.events:
        raise CannotContinue("the lake has no session of this name; `locard sessions` lists them")
    assessment = session.assess()
    origin = assessment.origin
    texts = [origin.passage.event_id] if origin else [p.event_id for p in assessment.attempts]
    moments = [event["occurred_at"] for event in session.events]
    told = {
        "session": session_id,
        "began": rfc3339(min(moments)),
        "ended": rfc3339(max(moments) + timedelta(microseconds=1)),
        "agent": next(
            (e.get("agent_id") or e["agent_name"] for e in session.events if _agent(e)), None
        ),
        "principal": next((e["principal"] for e in session.events if e.get("principal")), None),
        "origin": texts[0] if texts else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def follow(
    connection: duckdb.DuckDBPyConnection,
    book: Runbook,
    session_id: str,
    now: datetime,
    lake: LakePlace | None = None,
) -> Iterator[Done]:
    """Take the steps of a runbook one after the other, and yield what each gave.

    Raises:
        CannotContinue: there is no such session, or the lake cannot be read.
    """
    known = facts(connection, session_id)
    for step in book.steps:
        lacking = sorted(
            name for text in step.given.values() if (name := text.strip("{}")) not in known
            and text.startswith("{")
        )  # fmt: skip
        if lacking:
            yield Done(step, None, lacking[0])
            continue
        given = {name: text.format(**known) for name, text in step.given.items()}
        filled = Step(step.name, step.why, given)
        yield Done(filled, ask(connection, question(step.name), given, now, lake))


def _agent(event: Mapping[str, Any]) -> bool:
    return bool(event.get("agent_id") or event.get("agent_name"))
