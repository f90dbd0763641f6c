"""What there is, from use, and what of it the register knows."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lakes import publish
from locard.cli.commands import locard
from locard.query import connect
from locard.query.inventory import inventory, read_register
from locard.schema import CannotContinue
from making import event, said

REGISTER = """
tools = ["send_money", "never_used"]
[workflows.billing]
workflow = "Noa"
security = "soc"
"""


@pytest.fixture
def lake(tmp_path):
    """Two workflows, one tool each; one prompt with a person's name went to a provider."""
    return publish(
        tmp_path / "lake",
        event(workflow_id="billing", agent_id="a1", agent_version="2", environment="prod"),
        event(
            "tool_call", {"tool_name": "delete_all", "sighting": "executed"}, workflow_id="rogue"
        ),
        event(
            "prompt", {"messages": [said("I am ‹PERSON:k1:aaaaaaaaaaaaaaaa›")]},
            provider="openai", request_model="gpt-4o", workflow_id="billing",
        ),
    )  # fmt: skip


@pytest.fixture
def register(tmp_path):
    path = tmp_path / "register.toml"
    path.write_text(REGISTER)
    return path


def test_what_is_used_is_held_against_the_register(lake, register):
    """Registered, shadow and unused; a kind that is not registered is none of them."""
    with connect(lake) as connection:
        items = inventory(connection, read_register(register))
    standing = {(item.what, item.name): item.standing for item in items}
    assert standing["workflow", "billing"] == "registered"
    assert standing["workflow", "rogue"] == "shadow"
    assert standing["tool", "delete_all"] == "shadow"
    assert standing["tool", "never_used"] == "unused"
    assert standing["agent", "a1"] is None
    (owner,) = {item.owner for item in items if item.name == "billing"}
    assert owner == "workflow: Noa, security: soc"


def test_which_provider_was_given_which_class_of_data(lake):
    """What went into prompts counts, by provider."""
    with connect(lake) as connection:
        found = [
            (i.name, i.detail, i.events) for i in inventory(connection, kinds=["provider_data"])
        ]
    assert found == [("openai", ("PERSON",), 1)]


def test_details_and_times_are_told(lake):
    """Environments of workflows, versions of agents, providers of models."""
    with connect(lake) as connection:
        found = {(i.what, i.name): i for i in inventory(connection)}
    assert found["workflow", "billing"].detail == ("prod",)
    assert found["agent", "a1"].detail == ("2",)
    assert found["model", "gpt-4o"].detail == ("openai",)
    assert found["workflow", "billing"].events == 2
    assert found["workflow", "billing"].first_at <= found["workflow", "billing"].last_at


@pytest.mark.parametrize("text", ["[[", "colour = 1", '[workflows.x]\nboss = "y"'])
def test_a_register_that_is_none_is_told(tmp_path, text):
    """With the file and what is wrong."""
    path = tmp_path / "register.toml"
    path.write_text(text)
    with pytest.raises(CannotContinue, match=r"register\.toml"):
        read_register(path)


def test_shadow_ends_with_1(lake, register):
    """So that a check can stand on it."""

    def run(*arguments: str):
        command = ["--home", str(lake.parent), "inventory", *arguments, "--format", "json"]
        return CliRunner().invoke(locard, command, standalone_mode=False)

    done = run("--register", str(register), "--shadow")
    assert {row["name"] for row in json.loads(done.stdout)} == {"rogue", "delete_all"}
    assert done.return_value == 1
    assert run().return_value == 0
