"""No attack passes, and no accident alarms: `locard verify` on each case of the tables.

`python -m pytest tests/attacks -q` runs them; `script/fuzz --table` prints the table.
"""

from __future__ import annotations

import pytest

from attacks import accidents, on_log, on_rows
from attacks.cases import ACCIDENTS, ATTACKS, Case
from attacks.installation import Installation, made
from locard.evidence.verifier import Verdict

assert on_rows
assert on_log
assert accidents

AT_FIRST = {Verdict.ERASED, Verdict.EXPIRED, Verdict.DECLARED_LOSS}


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Installation:
    """The installation that each case begins with a copy of."""
    return made(tmp_path_factory.mktemp("evidence") / "home")


@pytest.fixture
def one(original, tmp_path) -> Installation:
    return original.copy(tmp_path / "home")


def test_the_installation_itself_is_whole(original):
    """What was lawfully taken out shows as that, and nothing else does."""
    report = original.verify(*original.kept)
    assert report.is_whole
    assert report.verdicts() == AT_FIRST


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case.name)
def test_no_attack_passes(one, case: Case):
    """The verdict is the right one, at the right place, and the whole is refused."""
    kept = [one.kept[number] for number in case.kept]
    policy = case.act(one)
    report = one.verify(*kept, policy=policy)
    found = [finding for finding in report.findings if finding.verdict is case.verdict]
    assert any(case.place.items() <= dict(finding.place).items() for finding in found), (
        report.findings
    )
    assert not report.is_whole
    assert report.verdicts() <= AT_FIRST | {case.verdict} | case.others


@pytest.mark.parametrize("case", ACCIDENTS, ids=lambda case: case.name)
def test_no_accident_alarms(one, case: Case):
    """Whatever happens in honest operation, the record stays whole."""
    policy = case.act(one)
    report = one.verify(*one.kept, policy=policy)
    assert report.is_whole, report.findings
    assert report.verdicts() <= AT_FIRST | case.others


def test_the_tables_are_as_long_as_they_have_to_be():
    """At least 45 attacks and 15 accidents, each under a name of its own."""
    assert len({case.name for case in ATTACKS}) == len(ATTACKS) >= 45
    assert len({case.name for case in ACCIDENTS}) == len(ACCIDENTS) >= 15
