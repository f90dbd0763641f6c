"""The documents say what the program does: nothing undocumented, nothing promised and missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from importing import events_in_log
from locard.cli.commands import locard
from locard.cli.settings import Settings
from locard.ingest.recorder.settings import VARIABLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROSE = " ".join(README.split())
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_every_setting_is_documented():
    """Each key has a row with its variable and its default, and no row is about another key."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| `(LOCARD_\w+)` \|", page, re.MULTILINE))

    assert rows == {name: f"LOCARD_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float | str):
            (default,) = re.findall(rf"^\| `{name}` \| `\w+` \| ([^|]+) \|", page, re.MULTILINE)
            assert default.strip("` ") == str(field.default).removesuffix(".0"), name


def test_every_command_is_in_the_readme():
    """Whoever reads only the README knows of every command."""
    assert not [name for name in locard.commands if f"locard {name}" not in PROSE]


def test_every_command_and_option_has_help():
    """`--help` says something about each command and each option."""
    for name, command in locard.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page):
    """Every relative link leads somewhere, and every file that a page names is there."""
    text = page.read_text()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)  # code may call what it has looked up
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose)
    named = re.findall(r"`((?:tests|docs|script|bench|schema|cli)/[\w./-]+\.\w+)`", text)

    assert not [link for link in links if not (page.parent / link).exists()]
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_demo_prints_what_the_readme_shows(tmp_path):
    """The README's story is the demo's output, letter by letter."""
    (shown,) = re.findall(r"<!-- demo -->\n```\n(.*?)```", README, re.DOTALL)
    command = [sys.executable, "-m", "locard.cli", "demo", "--no-serve"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == shown


def test_the_readmes_recorder_records_a_loop_in_under_ten_lines(tmp_path, monkeypatch):
    """The lines that the README shows run as they stand, around somebody's client and tools."""
    (code,) = re.findall(r"<!-- recorder -->\n```python\n(.*?)```", README, re.DOTALL)
    ours = [line for line in code.splitlines() if re.search("ecorder|session|running", line)]
    assert 0 < len(ours) < 10
    for name, value in (("SPOOL", tmp_path), ("ENDPOINT", "http://127.0.0.1:1")):
        monkeypatch.setenv(f"LOCARD_{name}", str(value))
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    answer = {"choices": [{"message": {"role": "assistant", "tool_calls": [call]}}]}
    create = SimpleNamespace(create=lambda **_: answer)
    names = {
        "client": SimpleNamespace(chat=SimpleNamespace(completions=create)),
        "tools": {"add": lambda a: a + 1},
        "messages": [{"role": "user", "content": "add"}],
    }
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own page
    names["recorder"].close(30)

    assert names["result"] == 3
    (spool,) = tmp_path.glob("*/spool.sqlite")
    kinds = [event.kind for event in events_in_log(spool) if event.session_id]
    assert kinds == [
        "lifecycle",
        "prompt",
        "model_output",
        "tool_call",
        "tool_call",
        "tool_result",
        "lifecycle",
    ]


def test_every_variable_of_the_recorder_is_documented():
    """The page about recording names each variable that the recorder reads, and no other."""
    page = (ROOT / "docs" / "recording.md").read_text()
    table = page.split("### Settings")[1].split("\n## ")[0]
    names = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    named = set(re.findall(r"LOCARD_\w+", names))

    assert named == {*VARIABLES.values(), "LOCARD_TOKEN_FILE"}


def test_the_demo_touches_only_what_a_demo_made(tmp_path):
    """A directory of that name that a demo did not make is left alone, with one line why."""
    theirs = tmp_path / ".locard" / "demo"
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("years of work")
    command = [sys.executable, "-m", "locard.cli", "demo", "--no-serve"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "was not made by a demo" in done.stderr
    assert (theirs / "thesis.txt").read_text() == "years of work"
