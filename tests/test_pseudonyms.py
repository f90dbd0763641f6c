"""Keyed pseudonyms: one token for all spellings of a value, under keys that can change."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from locard.cli.commands import locard
from locard.redaction import Keyring, Pseudonymizer
from locard.redaction.normal_forms import normal_form
from locard.schema import CannotContinue

KEY = Pseudonymizer("k1", b"0" * 32)
SPELLINGS = {
    "IBAN_CODE": [
        "GB29 NWBK 6016 1331 9268 19",
        "GB29NWBK60161331926819",
        "gb29-nwbk-60161331926819",
    ],
    "EMAIL_ADDRESS": ["Mia.Li@Example.com", "mia.li@example.com", " MIA.LI@EXAMPLE.COM"],
    "CREDIT_CARD": ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"],
    "US_SSN": ["536-90-4399", "536 90 4399", "536904399"],
    "IP_ADDRESS": ["2001:DB8:0:0::1", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"],
    "MAC_ADDRESS": ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"],
    "PERSON": ["Mia  Li", "mia li", "Mia\nLi", "ＭＩＡ LI"],
    "CRYPTO": ["bc1qar0srrr7xfkvy5l643", "BC1QAR0SRRR7XFKVY5L643"],
}
PHONES = {
    "of London": ["+44 20 7946 0958", "020 7946 0958", "0044 20 7946 0958", "+44(0)20 7946 0958"],
    "of Boston": ["+1 617 495 1000", "(617) 495-1000", "617.495.1000", "1-617-495-1000"],
    "of Berlin": ["+49 30 901820", "030 901820", "030/901820"],
    "with an extension": ["+1 617 495 1000 x23", "617-495-1000 ext. 23"],
}


@pytest.mark.parametrize(("entity_type", "spellings"), SPELLINGS.items(), ids=SPELLINGS.keys())
def test_all_spellings_of_a_value_have_one_token(entity_type, spellings):
    """An investigator follows the value and not the way in which somebody wrote it."""
    assert len({KEY.token(entity_type, spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize("spellings", PHONES.values(), ids=PHONES.keys())
def test_a_number_to_call_has_one_token_in_any_format(spellings):
    """With the country's code or without, as it is dialled from home or from abroad."""
    assert len({KEY.token("PHONE_NUMBER", spelling) for spelling in spellings}) == 1


DIFFERENT = {
    "PHONE_NUMBER": ["+44 20 7946 0958", "+44 20 7946 0959", "+1 617 495 1000", "617 495 1000 x2"],
    "CRYPTO": ["1Ab", "1aB"],
    "EMAIL_ADDRESS": ["mia.li@example.com", "mia-li@example.com", "mia.li@example.org"],
    "PERSON": ["Mia Li", "Mia-Li", "MiaLi"],
    "IP_ADDRESS": ["2001:db8::1", "2001:db8::10", "10.0.0.1", "10.0.0.01"],
}


@pytest.mark.parametrize(("entity_type", "values"), DIFFERENT.items(), ids=DIFFERENT.keys())
def test_different_values_stay_different(entity_type, values):
    """No normal form takes two accounts for one."""
    assert len({KEY.token(entity_type, value) for value in values}) == len(values)


@given(st.sampled_from([*SPELLINGS, "PHONE_NUMBER", "US_PASSPORT"]), st.text(max_size=70))
def test_a_normal_form_is_its_own_and_takes_any_text(entity_type, value):
    """Hostile text has a token like any other, and the normal form of one is itself."""
    form = normal_form(entity_type, value)

    assert normal_form(entity_type, form) == form
    assert KEY.token(entity_type, value) == KEY.token(entity_type, form)


def test_the_newest_key_makes_tokens_and_older_ones_stay_readable(tmp_path):
    """After a rotation a value can still be asked for under every key."""
    ring = Keyring.open_or_create(tmp_path)
    before = ring.pseudonymizer()

    assert ring.rotate_pseudonym_key() == "k2"
    assert ring.pseudonymizer().key_id == "k2"
    assert [one.key_id for one in ring.pseudonymizers()] == ["k2", "k1"]
    assert ring.pseudonymizers()[1] == before
    assert ring.pseudonymizer().token("PERSON", "x") != before.token("PERSON", "x")


def test_a_home_without_keys_is_named_and_gets_none(tmp_path):
    """A question in the wrong directory makes no key there."""
    with pytest.raises(CannotContinue, match="--home"):
        Keyring(tmp_path).pseudonymizers()
    assert not list(tmp_path.iterdir())


def run(home, *arguments, given=None):
    """Return what the command did."""
    return CliRunner().invoke(
        locard, ["--home", str(home), *arguments], input=given, standalone_mode=False
    )


ACCOUNT = "GB29NWBK60161331926819"
RUN = {
    "run_id": "r1",
    "messages": [
        {"role": "user", "content": f"Pay {ACCOUNT}, and write to mia@example.com."},
        {"role": "assistant", "content": f"I paid GB29 NWBK 6016 1331 9268 19 ({ACCOUNT})."},
    ],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose lake has one session with an account in it."""
    home = tmp_path_factory.mktemp("home")
    file = home / "runs.jsonl"
    file.write_text(json.dumps(RUN))
    assert run(home, "import", "openai-messages", str(file)).exit_code == 0
    assert run(home, "consume", "--once").exit_code == 0
    return home


def test_a_value_is_found_by_its_tokens_under_every_key(home):
    """Where it occurs and how often, in whatever spelling, also after the key was changed."""
    asked = ["pseudonym", "gb29 nwbk 6016 1331 9268 19", "--format", "jsonl"]
    first = run(home, *asked)
    assert first.exit_code == 0, first.stderr
    assert run(home, "keys", "rotate").exit_code == 0
    again = run(home, *asked)

    rows = [json.loads(line) for line in first.stdout.splitlines()]
    assert [(row["kind"], row["what"], row["count"]) for row in rows] == [
        ("prompt", "IBAN_CODE under k1", 1),
        ("model_output", "IBAN_CODE under k1", 2),
    ]
    assert again.stdout == first.stdout


def test_a_value_that_is_nowhere_is_told_so(home):
    """Exit status 1, and a sentence that says what was asked."""
    result = run(home, "pseudonym", "-", given="nobody@example.com\n")
    assert result.return_value == 1
    assert "found in 0 events, 0 sessions" in result.output


def test_the_question_is_in_the_record_and_the_value_is_not(home):
    """Who asked, why, for which case, and how much was found; by tokens alone."""
    run(home, "pseudonym", ACCOUNT, "--purpose", "fraud review", "--case", "C-7")
    run(home, "consume", "--once")
    told = run(
        home,
        "sql",
        "SELECT action, principal, row_count, case_id, purpose, extensions::VARCHAR AS told "
        "FROM events WHERE kind = 'access' AND case_id = 'C-7'",
        "--format",
        "jsonl",
    )

    [row] = [json.loads(line) for line in told.stdout.splitlines()]
    assert row["action"] == "pseudonym_asked"
    assert row["principal"].startswith("os:")
    assert row["row_count"] == 2
    assert row["purpose"] == "fraud review"
    assert first_key(home).token("IBAN_CODE", ACCOUNT).strip("‹›") in row["told"]
    assert ACCOUNT not in told.stdout


def first_key(home):
    """Return the first key of this home."""
    return Keyring(home / "keys").pseudonymizers()[-1]


def test_keys_are_listed_without_any_of_them(home):
    """Name, whether it is in use, and since when."""
    listed = run(home, "keys", "list", "--format", "jsonl")
    rows = [json.loads(line) for line in listed.stdout.splitlines()]

    assert rows[0]["state"] == "in use"
    assert {row["key_id"] for row in rows} >= {"k1"}
    assert first_key(home).key.hex() not in listed.output


def test_a_rotation_is_in_the_record(home):
    """A change of keys is a custody event."""
    run(home, "keys", "rotate")
    run(home, "consume", "--once")
    told = run(
        home, "sql", "SELECT custody_action FROM events WHERE kind = 'custody'", "--format", "jsonl"
    )
    assert '"pseudonym_key_added"' in told.stdout
