"""Secrets: each vendor's form is found, and what only looks a little like one is not."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

from locard.redaction import DEFAULT_POLICY, Pseudonymizer
from locard.redaction.analyzer import blank_engine
from locard.redaction.credentials import FORMS, credential_recognizers
from locard.redaction.findings import TextFinder
from locard.redaction.policy import RedactionPolicy
from locard.redaction.secret_names import SECRET_TYPES, secret_type
from locard.redaction.structure import words_of
from locard.redaction.text import TextRedactor

KEY = Pseudonymizer("k1", b"0" * 32)
RULES = DEFAULT_POLICY.rules("w", "arguments")
_random = random.Random(4)  # noqa: S311 - the same in each run


def some(alphabet, length):
    """Return text of these characters, without order and the same in each run."""
    return "".join(_random.choice(alphabet) for _ in range(length))


WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE64 = WORD + "+/"
# Put together here, so that no scanner of repositories takes them for somebody's.
SECRETS = {
    "OpenAI key": "sk-" + "proj-" + some(WORD, 44),
    "Anthropic key": "sk-" + "ant-api03-" + some(WORD, 60),
    "Hugging Face token": "hf" + "_" + some(WORD, 34),
    "Google API key": "AI" + "za" + some(WORD, 35),
    "Stripe key": "sk" + "_live_" + some(WORD, 24),
    "Stripe webhook secret": "wh" + "sec_" + some(WORD, 32),
    "SendGrid key": "SG" + "." + some(WORD, 22) + "." + some(WORD, 43),
    "Twilio key": "SK" + some(HEX, 32),
    "Mailgun key": "key" + "-" + some(HEX, 32),
    "Telegram bot token": "110201543" + ":AA" + some(WORD, 33),
    "Locard token": "locard" + "_" + some(WORD, 43),
    "GitHub token": "gh" + "p_" + some(WORD, 36),
    "GitHub fine-grained token": "github" + "_pat_" + some(WORD, 22) + "_" + some(WORD, 59),
    "GitLab token": "gl" + "pat-" + some(WORD, 20),
    "Slack token": "xo" + "xb-" + some(string.digits, 12) + "-" + some(WORD, 24),
    "Slack app token": "xa" + "pp-1-A0" + some(string.digits, 8) + "-" + some(HEX, 40),
    "Slack webhook": "T0"
    + some(string.digits, 8)
    + "/B0"
    + some(string.digits, 8)
    + "/"
    + some(WORD, 24),
    "npm token": "npm" + "_" + some(WORD, 36),
    "PyPI token": "pypi-" + "AgEI" + some(WORD, 80),
    "Shopify token": "shp" + "at_" + some(HEX, 32),
    "Databricks token": "da" + "pi" + some(HEX, 32),
    "Vault token": "hv" + "s." + some(WORD, 24),
    "bearer token": some(WORD, 32),
    "basic credentials": base64.b64encode(b"user:" + some(WORD, 9).encode()).decode(),
    "AWS access key": "AK" + "IA" + some(string.ascii_uppercase, 16),
    "AWS secret key": some(BASE64, 40),
    "Google OAuth token": "ya" + "29." + some(WORD, 60),
    "Google client secret": "GOC" + "SPX-" + some(WORD, 28),
    "Azure storage key": some(BASE64, 86) + "==",
    "Azure shared access signature": some(WORD, 40) + "%3D",
    "Azure client secret": some(WORD, 3) + "8Q~" + some(WORD, 34),
    "DigitalOcean token": "dop" + "_v1_" + some(HEX, 64),
    "JSON web token": "eyJ" + some(WORD, 20) + ".ey" + "J" + some(WORD, 40) + "." + some(WORD, 43),
    "private key": (
        "-----BEGIN RSA "
        "PRIVATE KEY-----\n"
        + "\n".join(some(BASE64, 64) for _ in range(20))
        + "\n-----END RSA "
        + "PRIVATE KEY-----"
    ),
    "age key": "AGE-" + "SECRET-KEY-1" + some(string.ascii_uppercase, 58),
    "password in an address": "p4:ss!w0rd",
    "password in a connection string": "hunter2!x",
    "password of a request": "s3cr3t!" + some(WORD, 6),
    "password on a command line": "s3cr3t-" + some(WORD, 6),
}
AROUND = {
    "Slack webhook": "https://hooks.slack.com/services/{}",
    "bearer token": "Authorization: Bearer {}",
    "basic credentials": "Authorization: Basic {}",
    "AWS secret key": 'aws_secret_access_key = "{}"',
    "Azure storage key": "AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
    "Azure shared access signature": "https://a.blob.core.windows.net/c?sv=2022&sig={}",
    "password in an address": "postgresql://app:{}@db.internal:5432/app",
    "password in a connection string": "Server=db;User=app;Password={};Encrypt=yes",
    "password of a request": "curl -s -u admin:{} https://x.example",
    "password on a command line": "mysql --user app --password {} -h db",
}


@pytest.fixture(scope="module")
def analyzer():
    """Presidio with the recognizers of secrets alone."""
    engine = blank_engine()
    registry = RecognizerRegistry(recognizers=list(credential_recognizers()))
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


@pytest.fixture(scope="module")
def texts(analyzer):
    """What redacts by the default policy."""
    finder = TextFinder(
        analyzer,
        None,
        entity_types=tuple(sorted(SECRET_TYPES)),
        lowest_score=DEFAULT_POLICY.lowest_threshold,
    )
    return TextRedactor(finder, KEY)


def test_each_form_has_an_example():
    """No form is added without a test."""
    assert SECRETS.keys() == {form.name for form in FORMS}


@pytest.mark.parametrize("name", SECRETS)
def test_each_form_is_found_whole_and_masked(texts, name):
    """Of a secret nothing stays, no token is made of it, and what stood around it is unchanged."""
    around = AROUND.get(name, "the value is {} as you asked")
    result = texts.redact(around.format(SECRETS[name]), RULES)

    [(span, action)] = result.findings
    assert action == "mask"
    assert span.entity_type == next(form.entity_type for form in FORMS if form.name == name)
    assert result.text == around.format(f"‹{span.entity_type}:masked›")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_in_json_and_at_both_ends_of_a_text(texts, name):
    """Quotes and ends of lines are no part of it and hide nothing."""
    around = AROUND.get(name, "{}")
    for text in (around, f"{around}\n", f'["{around}"]', f"x\n{around}\ny", f"`{around}`"):
        assert SECRETS[name] not in texts.redact(text.format(SECRETS[name]), RULES).text


def test_a_private_key_that_was_cut_short_is_found_and_the_text_after_it_stays(texts):
    """A tool that cuts its result leaves enough of a key to be one."""
    head = SECRETS["private key"].rpartition("\n")[0]
    for cut in (head, head.replace("\n", "\\n")):
        result = texts.redact(f"{cut}\n[the rest was cut] and so on", RULES)
        assert result.text == "‹PRIVATE_KEY:masked›\n[the rest was cut] and so on"


NO_SECRETS = [
    "sk-learn and sk-image are libraries",
    "task-force-of-the-ministry-of-finance-and-others",
    "the commit 9f2c71d0a4b85e169f2c71d0a4b85e169f2c71d0 fixed it",
    "key-value stores; key-0123",
    "https://example.com/a?sig=short",
    "Bearer of good news",
    "a basic income for everybody",
    "eyJ is how they begin",
    "AKIA is short for something",
    "https://example.com:8080/path@version",
    "mailto:mia@example.com",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "ssh://git@example.com/repo.git",
    "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
]


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_only_looks_a_little_like_a_secret_stays(texts, text):
    """Words, hashes and public things are what an investigation reads."""
    assert texts.redact(text, RULES).text == text


NAMED = {
    "password": ("hunter2", "PASSWORD"),
    "dbPassword": ("x1", "PASSWORD"),
    "PGPASSWD": ("hunter2", "PASSWORD"),  # one word to us, which ends like a name of one
    "PGPASSWORD": ("hunter2", "PASSWORD"),
    "pw": ("hunter2", "PASSWORD"),
    "pass": ("hunter2", "PASSWORD"),
    "db_pass": ("hunter2", "PASSWORD"),
    "boarding_pass": ("mobile", None),
    "cvv": ("123", "PASSWORD"),
    "pin": ("4711", "PASSWORD"),
    "map_pin": ("the red one", None),
    "security_code": ("A1", None),
    "client_secret": ("abc", "PASSWORD"),
    "api_key": ("0000", "API_KEY"),
    "X-Api-Key": ("0000", "API_KEY"),
    "apikey": ("0000", "API_KEY"),
    "accessKey": ("0000", "API_KEY"),
    "token": ("q9f2c71d0a4b85e16", "ACCESS_TOKEN"),
    "next_page_token": ("2", None),
    "token_type": ("bearer", None),
    "max_tokens": ("4096", None),
    "session_id": ("invoices", None),
    "secret_name": ("prod/db", None),
    "password_hint": ("dog", None),
    "key": ("value", None),
}


@pytest.mark.parametrize(("name", "case"), NAMED.items(), ids=NAMED.keys())
def test_a_name_makes_a_value_a_secret(name, case):
    """Whatever stands under `password` is one; under `token` only what looks like one."""
    value, expected = case
    assert secret_type(words_of(name), value) == expected


@pytest.mark.parametrize(
    "value", ["", "***", "none", "[REDACTED]", "<hidden>", "N/A", "xxxx", "null"]
)
def test_what_says_that_there_is_no_secret_is_none(value):
    """A value that somebody took out already is told as it stands."""
    assert secret_type(("password",), value) is None


def test_a_secret_goes_before_anything_else_that_is_found_in_it(texts):
    """The password of an address that reads like one of e-mail is not told as a token of that."""
    result = texts.redact("amqp://app:mia@example.com@broker:5672/", RULES)
    assert "mia" not in result.text


def test_no_policy_can_have_a_secret_become_a_token():
    """Nor one that changes everything of a workflow without naming it."""
    with pytest.raises(ValueError, match="can be compared"):
        RedactionPolicy.model_validate({"name": "x", "entities": {"API_KEY": {}}})
    told = DEFAULT_POLICY.model_dump(exclude_defaults=True)
    changed = RedactionPolicy.model_validate({**told, "exceptions": [{"action": "keep"}]})
    actions = changed.rules("w", "messages").actions
    assert {actions[name] for name in SECRET_TYPES} == {"mask"}
    assert actions["IBAN_CODE"] == "keep"


def test_forms_take_time_in_proportion_to_a_hostile_text(analyzer):
    """Beginnings without ends are read a bounded number of times each."""
    for piece in ("-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaa.", "a://a:", "sk-", "password="):
        assert analyzer.analyze(piece * 300, "en") is not None


def test_json_keeps_its_form(texts):
    """A secret in JSON is one value among others."""
    text = json.dumps({"url": "redis://:" + "pw123" + "@cache:6379/0", "n": 1})
    assert json.loads(texts.redact(text, RULES).text)["n"] == 1
