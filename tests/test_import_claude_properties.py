"""Whatever stands in a transcript: it becomes events, is counted as left out, or is refused."""

from __future__ import annotations

import json
from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from importing import OBSERVED, START, line
from locard.ingest.importers.claude_code import ClaudeCode
from locard.ingest.importers.conversion import Surroundings
from locard.schema import RejectedRecord, canonical_bytes, event_object
from strategies import texts
from transcripts import REJECTED, SESSION

AROUND = Surroundings(START, OBSERVED, "a.jsonl")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**54) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
ids = st.sampled_from(["u1", "u2", "u3", "c1", "c2"])
odd = st.one_of(json_values, ids)


def fields(**known: st.SearchStrategy) -> st.SearchStrategy:
    """Return objects in which each field is right, odd or missing."""
    return st.fixed_dictionaries({}, optional={k: v | odd for k, v in known.items()})


words = texts | st.sampled_from([REJECTED, "<bash-stdout>", "[Request interrupted by user]"])
block_types = st.sampled_from(
    ["text", "thinking", "tool_use", "tool_result", "image", "document", "server_tool_use", "x"]
)
blocks = fields(
    type=block_types,
    text=words,
    thinking=texts,
    id=ids,
    name=st.sampled_from(["Bash", "mcp__bank__send", "mcp____", "mcp"]),
    input=json_values,
    tool_use_id=ids,
    content=words | st.lists(fields(type=st.just("text"), text=words), max_size=2),
    is_error=st.booleans(),
    source=fields(type=st.sampled_from(["base64", "url"]), data=texts, url=texts),
)
usage = fields(
    input_tokens=st.integers(0, 9),
    output_tokens=st.integers(0, 2**53),
    cache_read_input_tokens=st.integers(0, 2**53),
    output_tokens_details=fields(thinking_tokens=st.integers(0, 9)),
)
messages = fields(
    role=st.sampled_from(["user", "assistant", "tool", "system"]),
    content=words | st.lists(blocks | odd, max_size=4),
    model=st.sampled_from(["claude-sonnet-4-5", "<synthetic>"]),
    id=st.sampled_from(["m1", "m2"]),
    usage=usage,
    stop_reason=texts,
)
kinds = st.sampled_from(
    ["user", "assistant", "system", "attachment", "summary", "progress", "last-prompt", "new"]
)
attachments = fields(
    type=st.sampled_from(["queued_command", "hook_permission_decision", "file", "nested_memory"]),
    prompt=words | st.lists(blocks, max_size=2),
    decision=st.sampled_from(["allow", "deny"]),
    toolUseID=ids,
    origin=fields(kind=texts),
)
lines = fields(
    type=kinds,
    sessionId=st.sampled_from([SESSION, "other"]),
    uuid=ids,
    parentUuid=ids,
    logicalParentUuid=ids,
    timestamp=st.sampled_from(["2026-05-04T09:30:00Z", "0001-01-01T00:00:00+14:00", "x"]),
    message=messages,
    attachment=attachments,
    isSidechain=st.booleans(),
    isApiErrorMessage=st.booleans(),
    agentId=ids,
    toolUseResult=st.sampled_from(["User rejected tool use"]) | json_values,
    toolDenialKind=st.sampled_from(["user-rejected", "interrupted", "automode-blocked"]),
    forkedFrom=json_values,
    origin=fields(kind=st.sampled_from(["human", "peer"])),
    version=texts,
    subtype=texts,
)


def take(converter, given_line):
    """Convert a line, `None` where it is refused; nothing else may be raised."""
    data = json.dumps(given_line).encode()
    try:
        result = converter.convert(line(data), AROUND)
    except RejectedRecord:
        return None
    result.commit()
    return result


@given(given_lines=st.lists(lines | json_values, max_size=6))
def test_every_line_becomes_events_or_is_counted_or_is_refused(given_lines):
    """No line is without events, a notice or a refusal, and nothing else is raised."""
    converter = ClaudeCode()
    for given_line in given_lines:
        result = take(converter, given_line)
        assert result is None or result.events or result.notices.total()


@given(given_lines=st.lists(lines, max_size=6))
def test_the_same_lines_give_the_same_events(given_lines):
    """Shown again, with what was learned of them or without, lines give the same ids."""
    first, second = ClaudeCode(), ClaudeCode()
    once = [take(first, one) for one in given_lines]
    again = [take(second, one) for one in given_lines]
    reminded = [take(first, one) for one in given_lines]

    assert [r and r.events for r in once] == [r and r.events for r in again]
    known = {event.event_id for r in once if r for event in r.events}
    assert {event.event_id for r in reminded if r for event in r.events} <= known


def texts_in(value) -> Counter:
    """Return every text in a JSON value but the keys."""
    if isinstance(value, str):
        return Counter([value])
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(map(texts_in, value), Counter())
    return Counter()


MARK = "Kanarienvogel"
marked = st.builds(lambda number: f"{MARK} {number}", st.integers(0, 10**9))


@given(
    content=st.lists(
        st.one_of(
            st.builds(lambda t: {"type": "text", "text": t}, marked),
            st.builds(lambda t: {"type": "thinking", "thinking": t, "signature": t}, marked),
            st.builds(lambda t: {"type": "tool_use", "name": "Bash", "input": {"x": t}}, marked),
            st.builds(lambda t: {"type": "tool_result", "content": t, "tool_use_id": "c"}, marked),
            st.builds(lambda t: {"type": "of tomorrow", "value": [t]}, marked),
        ),
        max_size=4,
    ),
    more=st.dictionaries(st.sampled_from(["cwd", "slug", "origin", "x"]), marked, max_size=3),
    kind=st.sampled_from(["user", "assistant", "attachment", "system", "of-tomorrow"]),
)
def test_no_text_of_a_line_is_lost(content, more, kind):
    """Whatever a line says is somewhere in its events."""
    message = {"role": "user", "content": content, "note": f"{MARK} note"}
    given_line = {"type": kind, "uuid": "u1", "message": message, **more}
    result = take(ClaudeCode(), given_line)
    assert result is not None

    said = texts_in(given_line)
    kept = sum((texts_in(event_object(event)) for event in result.events), Counter())
    assert {text for text in said if text.startswith(MARK)} <= kept.keys()


@given(given_lines=st.lists(lines, max_size=6))
def test_events_have_canonical_bytes_and_name_earlier_ids(given_lines):
    """What is converted can be stored, and no event is its own cause."""
    converter = ClaudeCode()
    for given_line in given_lines:
        result = take(converter, given_line)
        for event in result.events if result else ():
            assert canonical_bytes(event_object(event))
            assert isinstance(event.event_id, UUID)
            assert event.event_id not in event.caused_by
