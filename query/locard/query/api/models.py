"""What goes in and out, for the OpenAPI document and for whoever writes a client."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

EXAMPLE_STANDING: dict[str, JsonValue] = {
    "is_whole": True,
    "sentence": "nothing is known to be missing, doubled or taken out; a checkpoint covers all "
    "of it; `locard verify` proves the rest",
    "missing": 0,
    "doubled": 0,
    "dropped": 0,
    "differing": 0,
    "absent": {},
    "times_made_up": 0,
    "gaps": [],
    "unsealed": {"commits": 0, "events": 0, "since": None, "is_all": False},
}


class Problem(BaseModel):
    """Why there is no answer, in one line, and what to do."""

    error: str


class Ask(BaseModel):
    """The parameters of a question, as people write them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"parameters": {"session": "s1"}}]}
    )

    parameters: dict[str, Annotated[str, Field(max_length=10_000)]] = {}


class Statement(BaseModel):
    """A statement that only reads the lake's views."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"statement": "SELECT tool_name, count(*) FROM tool_calls GROUP BY ALL"}]
        },
    )

    statement: Annotated[str, Field(min_length=1, max_length=100_000)]


class NewCase(BaseModel):
    """A case to open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"case_id": "INC-7", "title": "A payment went astray"}]},
    )

    case_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    title: Annotated[str, Field(min_length=1, max_length=1_000)]


class NewEntry(BaseModel):
    """Something to add to a case.

    `settled` names in `data` the `hypothesis` by the number of its entry; `view` has there what a
    timeline selects.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"kind": "tagged", "event_id": "0196…", "text": "first access"}]
        },
    )

    kind: Literal[
        "status", "pinned", "unpinned", "starred", "unstarred", "tagged", "untagged",
        "comment", "hypothesis", "settled", "view",
    ]  # fmt: skip
    event_id: Annotated[str, Field(min_length=8, max_length=200)] | None = None
    text: Annotated[str, Field(max_length=100_000)] | None = None
    data: dict[str, Annotated[str, Field(max_length=10_000)] | int] | None = Field(
        None, max_length=20
    )


class Following(BaseModel):
    """The session that a runbook is about, and the case that it fills in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"session": "s1", "case_id": "INC-7"}]}
    )

    session: Annotated[str, Field(max_length=10_000)]
    case_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class Rows(BaseModel):
    """A page of rows, and how far the answer can be relied on.

    `cursor` asks for the page after it, of the same version of the lake; null is the end.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "1.0",
                    "rows": [{"event_id": "0196…", "kind": "tool_call"}],
                    "cursor": None,
                    "standing": EXAMPLE_STANDING,
                }
            ]
        }
    )

    rows: list[dict[str, Any]]
    cursor: str | None = None
    version: str | None = None
    standing: dict[str, Any] | None = None
