"""The documents say what the program does: nothing undocumented, nothing promised and missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from locard.cli.commands import locard
from locard.cli.settings import Settings

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
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    named = re.findall(r"`((?:tests|docs|script|bench|schema|cli)/[\w./-]+\.\w+)`", text)

    assert not [link for link in links if not (page.parent / link).exists()]
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_demo_prints_what_the_readme_shows(tmp_path):
    """The README's story is the demo's output, letter by letter."""
    (shown,) = re.findall(r"<!-- demo -->\n```\n(.*?)```", README, re.DOTALL)
    command = [sys.executable, "-m", "locard.cli", "demo", "--no-serve"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == shown


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
