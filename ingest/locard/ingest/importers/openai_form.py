"""The form of a run in OpenAI's chat messages: what a line must have before it is converted.

    {"run_id": "…", "messages": [{"role": "…", "content": …}, …], "metadata": {…}}

Only what the conversion relies on is required; everything else may be missing, or be anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from locard.ingest.importers.conversion import read_json
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_calls import kind_of_call
from locard.schema import JsonValue, RejectedRecord

MOST_STEPS: Final = 100_000
"""The most messages and calls of a run: a bound on memory, since a run is sent all or nothing."""

_FIELDS: Final = frozenset({"run_id", "messages", "metadata"})


@dataclass(frozen=True)
class Run:
    """A run whose messages all have a role, and whose calls all have a name.

    Args:
        run_id: the name that the source gave it, `None` where it has none.
        messages: at least one.
        fields: the whole object.
        numbers_kept_as_text: how many numbers JSON cannot keep exact.
    """

    run_id: str | None
    messages: list[dict[str, Any]] = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    numbers_kept_as_text: int

    @property
    def metadata(self) -> JsonValue:
        """What the source says about the run."""
        metadata: JsonValue = self.fields.get("metadata")
        return metadata

    @property
    def other_fields(self) -> dict[str, Any]:
        """The fields that the form does not have."""
        return {name: value for name, value in self.fields.items() if name not in _FIELDS}

    def told(self, name: str) -> str | None:
        """Return a text of the metadata by its name, `None` where there is none."""
        value = self.metadata.get(name) if isinstance(self.metadata, dict) else None
        return value if isinstance(value, str) and value else None


def read_run(line: Line) -> Run:
    """Return the run in this line.

    Raises:
        RejectedRecord: it holds none. The message says what is wrong and what to do.
    """
    value, numbers_kept_as_text = read_json(line)
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise RejectedRecord("no object with a list `messages`; is this a file of runs?", "no_run")
    run: dict[str, Any] = value
    if not run["messages"]:
        raise RejectedRecord(
            "the run has no messages; leave it out or export it again", "empty_run"
        )
    for number, message in enumerate(run["messages"]):
        _check_message(message, f"messages[{number}]")
    _check_length(run["messages"])
    return Run(_run_id(run.get("run_id")), run["messages"], run, numbers_kept_as_text)


def _run_id(run_id: Any) -> str | None:
    if isinstance(run_id, int) and not isinstance(run_id, bool):
        return str(run_id)
    if run_id is None or isinstance(run_id, str):
        return run_id or None
    raise RejectedRecord("`run_id` is no text; give the run a name", "no_run_id")


def _check_message(message: Any, place: str) -> None:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _malformed(f"{place} is no object with a text `role`")
    if message["role"] != "assistant":
        return
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise _malformed(f"{place}.tool_calls is no list")
    for number, call in enumerate(calls or ()):
        if not (isinstance(call, dict) and kind_of_call(call)):
            raise _malformed(f"{place}.tool_calls[{number}] does not name a function")
    older = message.get("function_call")
    if older is not None and not kind_of_call({"function": older}):
        raise _malformed(f"{place}.function_call does not name a function")


def _malformed(problem: str) -> RejectedRecord:
    return RejectedRecord(f"{problem}; export the run again", "invalid_message")


def _check_length(messages: list[dict[str, Any]]) -> None:
    calls = (m.get("tool_calls") or () for m in messages if m["role"] == "assistant")
    steps = len(messages) + sum(map(len, calls))
    if steps > MOST_STEPS:
        raise RejectedRecord(
            f"the run has {steps:,} messages and calls, over the limit of {MOST_STEPS:,}; split it",
            "run_too_long",
        )
