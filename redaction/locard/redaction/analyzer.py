"""Presidio's analyzer, set up so that it finds what it can without ever asking the network."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from spacy.language import Language
from spacy.tokens import Doc

LANGUAGE: Final = "en"
_BEFORE_AN_ADDRESS: Final = "/?#=&"
# The list of public suffixes that ships with the package; the default would fetch today's.
_bundled_suffixes: Final = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


class RecognizerResult(Protocol):
    """What Presidio says of one finding: half-open character range, type, score from 0 to 1."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer(Protocol):
    """What redaction needs of Presidio's `AnalyzerEngine`."""

    def analyze(
        self,
        text: str,
        language: str,
        *,
        entities: Sequence[str] | None = None,
        score_threshold: float | None = None,
        context: Sequence[str] | None = None,
    ) -> Sequence[RecognizerResult]:
        """Return the findings in `text`."""
        ...


class _OfflineEmailRecognizer(EmailRecognizer):
    """Presidio's own, with the bundled suffix list: an audit pipeline may not call out.

    Its pattern takes what stands before an address in a path or a query for a part of it: legal,
    but then `/users/a@example.com` is refused for its slash, or is another person than
    `a@example.com`. The address is judged by its domain and begins after the last such mark.
    """

    def validate_result(self, pattern_text: str) -> bool:
        return _bundled_suffixes(pattern_text.rpartition("@")[2]).fqdn != ""

    def analyze(self, text: str, *arguments: Any, **options: Any) -> list[Any]:
        results = super().analyze(text, *arguments, **options)
        for result in results:
            local = text[result.start : result.end].rpartition("@")[0]
            mark = max(local.rfind(character) for character in _BEFORE_AN_ADDRESS)
            if mark + 1 < len(local):
                result.start += mark + 1
        return results


class _AccountShapeRecognizer(PatternRecognizer):
    """What looks like an IBAN and fails its checksum: mistyped, invented, or an attacker's.

    Presidio's own recognizer passes it over. A made-up account is still the account that an
    investigation follows.
    """

    def __init__(self) -> None:
        shape = Pattern("account shape", r"\b[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\b", 0.5)
        super().__init__(
            supported_entity="IBAN_CODE",
            name="AccountShapeRecognizer",
            patterns=[shape],
            global_regex_flags=re.ASCII,  # capitals alone: hashes and words are not accounts
        )


@Language.component("locard_lower_case_lemma")
def _lower_case_lemma(doc: Doc) -> Doc:
    """Without lemmas Presidio's context words never match, and scores stay too low."""
    for token in doc:
        token.lemma_ = token.lower_
    return doc


class _BlankEngine(SpacyNlpEngine):
    """A tokenizer and nothing that would have to be downloaded."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": LANGUAGE, "model_name": "blank"}])

    def load(self) -> None:
        pipeline = spacy.blank(LANGUAGE)
        pipeline.add_pipe("locard_lower_case_lemma")
        self.nlp = {LANGUAGE: pipeline}  # type: ignore[assignment]

    def get_supported_entities(self) -> list[str]:
        return []


def offline_analyzer() -> Analyzer:
    """Return Presidio's analyzer with its default English recognizers and no language model.

    Takes about a second; meant to be made once in each process.
    """
    engine = _BlankEngine()
    engine.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=engine)
    registry.remove_recognizer("EmailRecognizer")
    registry.remove_recognizer("SpacyRecognizer")  # it would only find what a model has found
    registry.add_recognizer(_OfflineEmailRecognizer())
    registry.add_recognizer(_AccountShapeRecognizer())
    analyzer: Any = AnalyzerEngine(
        registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE]
    )
    return analyzer  # type: ignore[no-any-return]


def engine_version() -> str:
    """Return the name and version of the engine, as stored with every event."""
    return f"presidio-analyzer/{importlib.metadata.version('presidio-analyzer')} blank"
