"""What looks for personal data: the model that is configured, a user's recognizers, the policy."""

from __future__ import annotations

import socket

import pytest
import spacy

from locard.redaction import (
    DEFAULT_POLICY,
    DetectionSettings,
    Pseudonymizer,
    RedactionPolicy,
    presidio_redactor,
)
from locard.redaction.detection import detection
from locard.redaction.names import MODEL_NAME
from locard.redaction.policy import EntityRule
from locard.schema import CannotContinue

KEY = Pseudonymizer("k1", b"0" * 32)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The folder of a spaCy pipeline that knows one person, one street and nobody else."""
    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Xaver Zyx"}])
    folder = tmp_path_factory.mktemp("models") / "one_person"
    made.to_disk(folder)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever asks the network fails the test."""

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def redact(text, settings, policy=DEFAULT_POLICY):
    """Return the redacted text and the record."""
    redactor = presidio_redactor(KEY, policy, settings)
    event, record = redactor.redact({"kind": "tool_result", "body": {"result": text}})
    return event["body"]["result"], record


TEXT = "Xaver Zyx and Emma Johnson, born on 5 April 1990"


def test_the_model_that_ships_finds_names_and_is_named_in_the_record():
    """Nothing has to be installed or configured."""
    text, record = redact(TEXT, DetectionSettings())
    assert KEY.token("PERSON", "Emma Johnson") in text
    assert "1990" not in text
    assert record.model == MODEL_NAME
    assert record.engine.startswith("presidio-analyzer/")


def test_an_installed_model_of_spacy_decides_about_people(pipeline):
    """What it does not call a person is none; what it cannot know the built-in one still finds."""
    text, record = redact(TEXT, DetectionSettings(f"spacy:{pipeline}"))
    assert KEY.token("PERSON", "Xaver Zyx") in text
    assert "Emma Johnson" in text
    assert "1990" not in text
    assert record.model == f"spacy:{pipeline} {MODEL_NAME}"


def test_a_model_can_be_described_as_presidio_has_it(pipeline, tmp_path):
    """The file is Presidio's own, and its digest is in the record."""
    file = tmp_path / "model.yaml"
    file.write_text(
        "nlp_engine_name: spacy\n"
        f"models:\n  - lang_code: en\n    model_name: {pipeline}\n"
        "ner_model_configuration:\n  labels_to_ignore: [O]\n"
        "  model_to_presidio_entity_mapping: {PERSON: PERSON}\n"
    )
    text, record = redact(TEXT, DetectionSettings(str(file)))
    assert KEY.token("PERSON", "Xaver Zyx") in text
    assert record.model.startswith("model.yaml/")


def test_without_a_model_names_are_not_looked_for():
    """The policy has to say so as well, or it would promise what nobody does."""
    settings = DetectionSettings("none")
    with pytest.raises(CannotContinue, match=r"names AGE, DATE_OF_BIRTH, .* no recognizer"):
        redact(TEXT, settings)
    policy = RedactionPolicy(name="p", entities={"EMAIL_ADDRESS": EntityRule()})
    text, record = redact(f"{TEXT} mia@example.com", settings, policy)
    assert text.startswith(TEXT)
    assert "mia@" not in text
    assert record.model is None


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("spacy:en_core_web_lg", "en_core_web_lg is not installed"),
        ("spacy:/nowhere/model", "is not installed"),
        ("gliner:urchade/gliner_multi_pii-v1", "package gliner is not installed"),
        ("/nowhere/model.yaml", "No such file"),
        ("spacy", "there is no model `spacy`"),
        ("large", "there is no model `large`"),
    ],
)
def test_a_model_that_is_not_there_stops_everything_and_is_not_fetched(model, why):
    """An event is not redacted with less than what was configured."""
    with pytest.raises(CannotContinue, match=why):
        detection(DetectionSettings(model))


def test_a_file_of_presidios_that_wants_a_missing_model_fetches_nothing(tmp_path):
    """Presidio would download the pipeline; here that is an error."""
    file = tmp_path / "model.yaml"
    file.write_text(
        "nlp_engine_name: spacy\nmodels:\n  - {lang_code: en, model_name: en_core_web_sm}\n"
    )
    with pytest.raises(CannotContinue, match="en_core_web_sm is not installed"):
        detection(DetectionSettings(str(file)))


RECOGNIZERS = """
recognizers:
  - name: Badge recognizer
    supported_language: en
    supported_entity: BADGE
    patterns: [{name: badge, regex: 'BX-[0-9]{4}', score: 0.8}]
    context: [badge]
  - name: Project names
    supported_language: en
    supported_entity: PROJECT
    deny_list: [Nightfall, Bluebird]
"""


def test_a_users_recognizers_are_presidios_and_named_in_the_record(tmp_path):
    """Patterns and lists of words, from the YAML that Presidio reads."""
    file = tmp_path / "recognizers.yaml"
    file.write_text(RECOGNIZERS)
    policy = RedactionPolicy(
        name="p", entities={"BADGE": EntityRule(), "PROJECT": EntityRule(action="mask")}
    )
    text, record = redact("Nightfall: badge BX-1234", DetectionSettings(recognizers=file), policy)
    assert text == f"‹PROJECT:masked›: badge {KEY.token('BADGE', 'BX-1234')}"
    assert " recognizers/" in record.engine


@pytest.mark.parametrize("content", ["", "recognizers: 7", "a: [", "recognizers:\n  - name: x\n"])
def test_a_broken_file_of_recognizers_stops_everything(tmp_path, content):
    """It is told which file, and what form it should have."""
    file = tmp_path / "recognizers.yaml"
    file.write_text(content)
    with pytest.raises(CannotContinue, match=r"recognizers\.yaml are refused"):
        detection(DetectionSettings(recognizers=file))
    with pytest.raises(CannotContinue, match="cannot be read"):
        detection(DetectionSettings(recognizers=tmp_path / "gone.yaml"))


def test_a_policy_that_names_what_nobody_finds_is_refused():
    """A typing error in an entity type would else be a hole that nobody sees."""
    policy = RedactionPolicy(name="p", entities={"EMAIL_ADRESS": EntityRule()})
    with pytest.raises(CannotContinue, match=r"EMAIL_ADRESS, which no recognizer .*EMAIL_ADDRESS"):
        detection(DetectionSettings()).finder(policy)


class _Nonsense:
    """An analyzer that finds what is not there."""

    def __init__(self, start, end):
        self.found = [type("Found", (), {"start": start, "end": end})]

    def analyze(self, text, language, **_):
        for one in self.found:
            one.entity_type, one.score, one.recognition_metadata = "EMAIL_ADDRESS", 1.0, None
        return self.found


@pytest.mark.parametrize(("start", "end"), [(-3, 2), (5, 2), (0, 10_000), (3, 3)])
def test_findings_outside_of_the_text_fail_the_event(start, end):
    """A recognizer that is wrong about places would leave the value where it is."""
    from locard.redaction.findings import TextFinder

    finder = TextFinder(
        _Nonsense(start, end), None, entity_types=("EMAIL_ADDRESS",), lowest_score=0.4
    )
    with pytest.raises(ValueError, match="outside of the text"):
        finder.find("write to mia@example.com")
