"""What goes in and out, for the OpenAPI document and for whoever writes a client."""

from __future__ import annotations

from typing import Annotated, Any

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
