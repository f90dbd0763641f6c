"""`locard redact`: what redaction would do to a file, and why."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from locard.cli.commands import locard
from locard.schema import event_json
from making import event, said

TEXT = "name: Mia Smith\npassword: hunter2\nwrite to mia@example.com or support@example.com\n"
POLICY = """
name = "acme/1"
extends = "default"
[entities]
PERSON = { action = "tokenise", threshold = 0.99 }
EMAIL_ADDRESS = "mask"
[allow]
values = ["support@example.com"]
"""


def run(tmp_path, *arguments, content=TEXT):
    """Return what the command did with a file of this content."""
    file = tmp_path / "content.txt"
    file.write_text(content)
    return CliRunner().invoke(
        locard,
        ["--home", str(tmp_path / "home"), "redact", str(file), *arguments],
        standalone_mode=False,
    )


@pytest.fixture
def policy(tmp_path):
    """A policy that differs from the default one."""
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    return str(file)


def test_the_redacted_content_is_printed_and_nothing_is_stored(tmp_path):
    """No key is made, no event recorded; the tokens are of a key for this once."""
    result = run(tmp_path)
    assert result.return_value == 1
    assert "‹PERSON:k0:" in result.stdout
    assert "password: ‹PASSWORD:masked›\n" in result.stdout
    assert "hunter2" not in result.output
    assert not (tmp_path / "home").exists()


def test_each_finding_is_explained(tmp_path, policy):
    """Where it is, what becomes of it, which part of the policy says so, and who found it."""
    result = run(tmp_path, "--explain", "--policy", policy, "--format", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    told = {(row["entity_type"], row["action"], row["decided_by"]) for row in rows}
    assert {
        ("PERSON", "stays", "threshold 0.99"),
        ("PASSWORD", "mask", "entities.PASSWORD"),
        ("EMAIL_ADDRESS", "mask", "entities.EMAIL_ADDRESS"),
        ("EMAIL_ADDRESS", "keep", "allow"),
    } <= told
    assert all(row["found_by"] for row in rows)
    assert "mia@" not in result.stdout
    assert "policy acme/1 sha256:" in result.stderr


def test_what_no_rule_is_about_is_told_to_stay(tmp_path):
    """The model finds days as well; the default policy leaves them."""
    content = "The meeting is on 3 May 2026, see https://example.com/a."
    result = run(tmp_path, "--explain", "--format", "jsonl", content=content)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["entity_type"], row["action"], row["decided_by"]) for row in rows] == [
        ("DATE_TIME", "stays", "no rule")
    ]


def test_values_are_shown_where_they_are_asked_for(tmp_path):
    """Each row is about the characters that it names."""
    result = run(tmp_path, "--explain", "--show-values", "--format", "jsonl")
    for row in map(json.loads, result.stdout.splitlines()):
        assert TEXT[row["start"] : row["end"]] == row["value"]


def test_events_are_explained_field_by_field(tmp_path):
    """The number of the event, the content field, and the way to the text."""
    call = {"tool_name": "send", "sighting": "executed"}
    events = [
        event("prompt", {"messages": [said("I am mia@example.com")]}),
        event("tool_call", {**call, "arguments": {"to": ["bo@example.com"], "n": 1}}),
    ]
    content = "".join(event_json(one).decode() + "\n" for one in events)
    result = run(tmp_path, "--explain", "--format", "jsonl", content=content)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["where"] for row in rows if row["entity_type"] == "EMAIL_ADDRESS"] == [
        "0.messages.0.parts.0.content",
        "1.arguments.to.0",
    ]


def test_what_is_clean_has_exit_status_0(tmp_path):
    """Nothing would be replaced."""
    result = run(tmp_path, content="the build passed in 12 s\n")
    assert (result.return_value, result.stdout) == (0, "the build passed in 12 s\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [('name = "x"\nentities = 3', "is refused"), ("name = ", "is no TOML")],
)
def test_a_broken_policy_is_told(tmp_path, content, why):
    """What and where, and nothing is redacted by guess."""
    broken = tmp_path / "broken.toml"
    broken.write_text(content)
    result = run(tmp_path, "--policy", str(broken))
    assert why in str(result.exception)
    assert not result.stdout
