"""The policy of redaction: a file in, rules out, and what they do to a text."""

from __future__ import annotations

import pickle

import pytest

from locard.redaction import DEFAULT_POLICY, Pseudonymizer
from locard.redaction.findings import TextFinder
from locard.redaction.policy import RedactionPolicy
from locard.redaction.policy_file import read_policy
from locard.redaction.text import TextRedactor
from locard.schema import CannotContinue

KEY = Pseudonymizer("k1", b"0" * 32)
MAIL = "mia@example.com"


class FindsMail:
    """Finds one address, as Presidio would."""

    def analyze(self, text, language, *, entities=None, score_threshold=None, context=None):
        """Return a finding for each place where it stands."""
        start = text.find(MAIL)
        return [Finding(start, start + len(MAIL))] if start >= 0 else []


class Finding:
    """A finding of Presidio's."""

    entity_type, score, recognition_metadata = "EMAIL_ADDRESS", 0.7, None

    def __init__(self, start, end):
        """Take the range."""
        self.start, self.end = start, end


def finder():
    """Return what finds that address alone."""
    return TextFinder(FindsMail(), None, entity_types=("EMAIL_ADDRESS",), lowest_score=0.4)


def policy(**told):
    """Return a policy that looks for addresses of e-mail."""
    return RedactionPolicy.model_validate({"name": "t", "entities": {"EMAIL_ADDRESS": {}}, **told})


def redacted(rules_of, workflow="w", content_field="messages"):
    """Return what becomes of a text by this policy."""
    rules = rules_of.rules(workflow, content_field)
    return TextRedactor(finder(), KEY).redact(f"to {MAIL} now", rules)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("tokenise", f"to {KEY.token('EMAIL_ADDRESS', MAIL)} now"),
        ("mask", "to ‹EMAIL_ADDRESS:masked› now"),
        ("drop", "‹EMAIL_ADDRESS:dropped›"),
        ("keep", f"to {MAIL} now"),
    ],
)
def test_each_action_does_what_it_is_named_for_and_is_counted(action, text):
    """A finding becomes a token, a mark, a mark for the whole text, or stays; never uncounted."""
    result = redacted(policy(entities={"EMAIL_ADDRESS": {"action": action}}))

    assert result.text == text
    assert [(span.entity_type, done) for span, done in result.findings] == [
        ("EMAIL_ADDRESS", action)
    ]


def test_a_score_below_the_threshold_is_no_finding():
    """What the rule's own threshold, or else the policy's, is above of stays and is not counted."""
    assert redacted(policy(threshold=0.71)).findings == ()
    assert redacted(policy(entities={"EMAIL_ADDRESS": {"threshold": 0.71}})).findings == ()
    assert redacted(policy(threshold=0.71, entities={"EMAIL_ADDRESS": {"threshold": 0.7}})).findings


def test_of_several_exceptions_that_fit_the_last_decides():
    """An exception changes what it names and nothing else, in its workflows and fields alone."""
    rules = policy(
        exceptions=[
            {"workflows": ["pay-*"], "action": "mask"},
            {"fields": ["arguments"], "action": "keep"},
            {"workflows": ["pay-*"], "fields": ["arguments"], "threshold": 0.5},
        ]
    )

    def said(workflow, content_field):
        found = rules.rules(workflow, content_field)
        return (
            found.actions["EMAIL_ADDRESS"],
            found.thresholds["EMAIL_ADDRESS"],
            found.decided_by["EMAIL_ADDRESS"],
        )

    assert said("hr", "messages") == ("tokenise", 0.4, "entities.EMAIL_ADDRESS")
    assert said(None, "messages") == ("tokenise", 0.4, "entities.EMAIL_ADDRESS")
    assert said("pay-out", "messages") == ("mask", 0.4, "exceptions.0")
    assert said("hr", "arguments") == ("keep", 0.4, "exceptions.1")
    assert said("pay-out", "arguments") == ("keep", 0.5, "exceptions.2")


@pytest.mark.parametrize(
    "allow", [{"values": [MAIL.upper()]}, {"patterns": [r"[a-z]+@example.com"]}]
)
def test_a_value_on_the_allow_list_is_kept_and_counted(allow):
    """Whose value it is was said by the operator; the record still says that it was there."""
    result = redacted(policy(allow=allow))

    assert MAIL in result.text
    assert [action for _, action in result.findings] == ["keep"]


def test_what_is_within_an_allowed_value_is_allowed_with_it():
    """The name in an address that is nobody's; a secret in it is none of that."""

    class FindsParts(FindsMail):
        def analyze(self, text, language, **options):
            whole = super().analyze(text, language, **options)
            start, end = whole[0].start, whole[0].end
            name, secret = Finding(start, start + 3), Finding(end - 4, end)
            name.entity_type, name.score = "PERSON", 0.6
            secret.entity_type = "API_KEY"
            return [*whole, name, secret]

    rules_of = policy(
        entities={"EMAIL_ADDRESS": {}, "PERSON": {}, "API_KEY": {"action": "mask"}},
        allow={"values": [MAIL]},
    )
    looks = TextFinder(FindsParts(), None, entity_types=("EMAIL_ADDRESS",), lowest_score=0.4)
    result = TextRedactor(looks, KEY).redact(f"to {MAIL}", rules_of.rules("w", "messages"))
    assert result.text == f"to {MAIL.removesuffix('.com')}‹API_KEY:masked›"


def test_a_pattern_that_fits_a_part_of_a_value_allows_nothing():
    """The whole value has to match: else a pattern for one host would keep another's."""
    assert MAIL not in redacted(policy(allow={"patterns": ["example"]})).text


def test_marks_and_tokens_from_outside_are_findings_themselves():
    """Nobody can write into the record that something was masked, dropped or another's account."""
    forged = "‹PERSON:masked› ‹PERSON:dropped› ‹PERSON:k1:0123456789abcdef›"
    redactor = TextRedactor(finder(), KEY)

    result = redactor.redact(forged, policy().rules("w", "messages"))

    assert [span.entity_type for span, _ in result.findings] == ["LOCARD_TOKEN"] * 3
    assert "PERSON" not in result.text


def test_what_is_remembered_of_texts_is_no_text():
    """The memory of recent findings holds digests and ranges."""
    remembering = finder()
    redactor = TextRedactor(remembering, KEY)
    first = redactor.redact(f"to {MAIL} now", policy().rules("w", "messages"))
    again = redactor.redact(f"to {MAIL} now", policy().rules("w", "messages"))

    assert first == again
    assert MAIL not in repr(remembering._remembered)


def test_the_digest_tells_policies_apart_and_survives_the_way_to_a_worker():
    """One word for what a policy says: equal for equal ones, another for any other."""
    assert policy().digest == policy().digest
    assert policy().digest != policy(threshold=0.5).digest
    assert policy().digest != policy(allow={"values": ["x"]}).digest
    assert pickle.loads(pickle.dumps(policy())).digest == policy().digest  # noqa: S301 - our own


FILE = """
name = "acme/1"
extends = "default"
[entities]
EMAIL_ADDRESS = "mask"
EMPLOYEE_ID = { action = "drop", threshold = 0.6 }
[[exceptions]]
workflows = ["pay-*"]
entities = ["EMPLOYEE_ID"]
action = "keep"
"""


def test_a_file_extends_the_default_or_stands_alone(tmp_path):
    """What a file does not say is as in the default policy, where it says that it extends it."""
    path = tmp_path / "redaction.toml"
    path.write_text(FILE)
    extended = read_policy(path)
    path.write_text(FILE.replace('extends = "default"', ""))
    alone = read_policy(path)

    assert set(extended.entities) == {*DEFAULT_POLICY.entities, "EMPLOYEE_ID"}
    assert set(alone.entities) == {"EMAIL_ADDRESS", "EMPLOYEE_ID"}
    rules = extended.rules("pay-roll", "messages")
    assert rules.actions["EMAIL_ADDRESS"] == "mask"
    assert rules.actions["EMPLOYEE_ID"] == "keep"
    assert rules.thresholds["EMPLOYEE_ID"] == 0.6
    assert rules.actions["IBAN_CODE"] == "tokenise"


BROKEN = {
    "no TOML": ("name = ", "no TOML"),
    "no name": ("[entities]\nPERSON = 'mask'", "name"),
    "nothing to look for": ("name = 'x'", "entities"),
    "an unknown action": ("name = 'x'\n[entities]\nPERSON = 'maks'", "entities.PERSON.action"),
    "an unknown key": ("name = 'x'\nthreshhold = 1\n[entities]\nPERSON = 'mask'", "threshhold"),
    "another base": ("name = 'x'\nextends = 'y'\n[entities]\nPERSON = 'mask'", "extends"),
    "a score above 1": ("name = 'x'\nthreshold = 40\n[entities]\nPERSON = 'mask'", "threshold"),
    "a type in small letters": ("name = 'x'\n[entities]\nperson = 'mask'", "person"),
    "entities that are no table": ("name = 'x'\nentities = 3", "entities"),
    "a pattern that is none": (
        "name = 'x'\n[entities]\nPERSON = 'mask'\n[allow]\npatterns = ['(']",
        "allow.patterns",
    ),
    "an exception for what is not looked for": (
        "name = 'x'\n[entities]\nPERSON = 'mask'\n[[exceptions]]\nentities = ['IBAN_CODE']",
        "exception 0",
    ),
}


@pytest.mark.parametrize(("text", "place"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_policy_stops_at_the_start_and_names_the_place(tmp_path, text, place):
    """Nothing is redacted by a policy that was not understood."""
    path = tmp_path / "redaction.toml"
    path.write_text(text)

    with pytest.raises(CannotContinue, match=place):
        read_policy(path)


def test_a_policy_that_is_not_there_stops_as_well(tmp_path):
    """A lost file is no reason to fall back to another policy."""
    with pytest.raises(CannotContinue, match=r"cannot be read"):
        read_policy(tmp_path / "redaction.toml")
