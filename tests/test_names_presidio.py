"""The model of names inside Presidio: a recognizer like any other."""

from __future__ import annotations

import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

from locard.redaction.analyzer import blank_engine
from locard.redaction.names import ENTITIES
from locard.redaction.names.recognizer import NameRecognizer

TEXT = "Margaret Thornbury, born on 5 April 1990, lives at 12 Birch Drive in Springfield."


@pytest.fixture(scope="module")
def analyzer():
    """An engine that has this recognizer alone."""
    engine = blank_engine()
    registry = RecognizerRegistry(recognizers=[NameRecognizer()], supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def test_presidio_offers_its_entities(analyzer):
    """A user sees in Presidio what the recognizer can find."""
    assert set(analyzer.get_supported_entities("en")) == set(ENTITIES)


def test_presidio_returns_its_findings(analyzer):
    """Findings pass through Presidio's engine unchanged."""
    found = {(r.entity_type, TEXT[r.start : r.end]) for r in analyzer.analyze(TEXT, "en")}
    assert {
        ("PERSON", "Margaret Thornbury"),
        ("DATE_OF_BIRTH", "5 April 1990"),
        ("LOCATION", "12 Birch Drive"),
        ("LOCATION", "Springfield"),
    } <= found


def test_only_the_wanted_entities_are_returned(analyzer):
    """Presidio's choice of entities is kept to."""
    found = analyzer.analyze(TEXT, "en", entities=["PERSON"])
    assert {r.entity_type for r in found} == {"PERSON"}


def test_thresholds_are_presidios(analyzer):
    """Scores are such that a threshold of Presidio can tell findings apart."""
    assert analyzer.analyze(TEXT, "en", score_threshold=0.0)
    assert not [r for r in analyzer.analyze(TEXT, "en") if not 0.3 <= r.score <= 1]


def test_the_recognizer_can_be_asked_directly():
    """No language artifacts are needed."""
    found = NameRecognizer().analyze(TEXT, ["LOCATION"], None)
    assert [TEXT[r.start : r.end] for r in found] == ["12 Birch Drive", "Springfield"]
