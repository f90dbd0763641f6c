"""Bundles: both verifiers see every attack, and neither alarms at what is whole."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from attacks import on_rows
from attacks.bundled import Bundled
from attacks.cases import ATTACKS, Case
from attacks.installation import SECRET, Installation, made
from attacks.on_bundles import BUNDLE_ATTACKS
from locard.evidence.bundle import Selection, standalone, verify_bundle
from locard.evidence.verifier.columns import CONTENT, CORE, JSON_FORM, RECORDED

OF_ROWS = [case for case in ATTACKS if case.is_of_rows]
NOT_IN_A_LAKE = {"moves_rows_to_another_topic": "ALTERED"}

assert on_rows


@pytest.fixture(scope="session")
def installation(tmp_path_factory) -> Installation:
    return made(tmp_path_factory.mktemp("bundles") / "home")


@pytest.fixture(scope="session")
def original(installation) -> Bundled:
    return Bundled.of(installation)


@pytest.fixture
def one(original) -> Bundled:
    return original.copy()


def verdicts(one: Bundled, path) -> tuple[set[str], set[str]]:
    """Return what both verifiers say that is not lawful."""
    written = one.write(path / "bundle.zip")
    policy = one.one.policy
    alone = standalone.verify(written, policy.log.keys, policy.custody.keys)
    report = verify_bundle(written, policy)
    assert standalone.is_whole(alone) == report.is_whole, (alone, report.findings)
    lawful = {*standalone.LAWFUL}
    return (
        {finding["verdict"] for finding in alone} - lawful,
        {str(verdict) for verdict in report.verdicts()} - lawful,
    )


@pytest.mark.parametrize("case", OF_ROWS, ids=lambda case: case.name)
def test_no_attack_on_rows_passes(one, case: Case, tmp_path):
    """Not even where whoever made the bundle signs it again: the log says what was sealed."""
    case.act(one)  # type: ignore[arg-type]
    one.sign()
    expected = NOT_IN_A_LAKE.get(case.name, case.verdict)
    allowed = {expected, *map(str, case.others), "ALTERED"}
    for found in verdicts(one, tmp_path):
        assert expected in found
        assert found <= allowed | ({"MISSING"} if case.name in NOT_IN_A_LAKE else set())


@pytest.mark.parametrize(
    ("verdict", "act"), BUNDLE_ATTACKS, ids=[act.__name__ for _, act in BUNDLE_ATTACKS]
)
def test_no_attack_on_a_bundle_passes(one, verdict, act, tmp_path):
    act(one)
    for found in verdicts(one, tmp_path):
        assert verdict in found


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"selection": Selection(sessions=["s1"])},
        {"withheld": ["result"]},
        {"withheld": sorted(CONTENT)},
        {"selection": Selection(sessions=["nobody's"])},
    ],
    ids=["everything", "one session", "a field withheld", "all content withheld", "nothing"],
)
def test_a_bundle_that_nobody_changed_is_whole(installation, order, tmp_path):
    """Also where it shows a part of the rows, or a part of what they say."""
    assert verdicts(Bundled.of(installation, **order), tmp_path) == (set(), set())


def test_what_is_withheld_is_nowhere_in_the_bundle(installation):
    """And neither are the salts, with which it could be guessed."""
    shown = Bundled.of(installation)
    hidden = Bundled.of(installation, withheld=["result"])
    told = SECRET.partition(" merger")[0].encode()
    assert told in shown.parts["rows.jsonl"]
    assert told not in hidden.parts["rows.jsonl"]
    assert b'"result\\":{\\"salt' not in hidden.parts["rows.jsonl"]


def test_a_bundle_is_the_same_each_time(installation):
    assert Bundled.of(installation).parts == Bundled.of(installation).parts


def test_the_verifier_in_the_bundle_needs_nothing_but_python(installation, tmp_path):
    """It runs by itself, in a directory of its own, and isolated from what is installed."""
    path = Bundled.of(installation).write(tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extract("verify.py", tmp_path)
    policy = installation.policy
    command = [sys.executable, "-I", "-S", tmp_path / "verify.py", path]
    keys = ["--log-key", policy.log.keys[0], "--custody-key", policy.custody.keys[0]]
    whole = subprocess.run([*command, *keys], capture_output=True, text=True, check=False)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.startswith("The bundle is whole.")
    other = ["--log-key", str(made(tmp_path / "other").policy.log.keys[0])]
    strange = subprocess.run([*command, *other], capture_output=True, text=True, check=False)
    assert strange.returncode == 1
    assert "not signed by the log" in strange.stdout
    none = subprocess.run([*command[:-1], tmp_path / "none"], capture_output=True, check=False)
    assert none.returncode == 2


def test_both_verifiers_mean_the_same_columns():
    """The one in the bundle has their names in it, since it shares no code."""
    assert standalone.CONTENT == CONTENT
    assert standalone.RECORDED == RECORDED
    assert standalone.JSON_TEXT == JSON_FORM
    assert not CORE.keys() & (standalone.CONTENT | standalone.RECORDED)


def test_the_rfc_8032_vectors_are_signatures_for_the_verifier_in_the_bundle():
    """RFC 8032, section 7.1, tests 1 to 3, and one with a bit turned."""
    vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
                "701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f36"
                "13d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7"
                "60984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ]
    for public, message, signature in vectors:
        key, data, signed = map(bytes.fromhex, (public, message, signature))
        assert standalone.is_signature(key, signed, data)
        assert not standalone.is_signature(key, signed, data + b"\0")
        assert not standalone.is_signature(key, bytes([signed[0] ^ 1]) + signed[1:], data)
