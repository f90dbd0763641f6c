"""Presidio's analyzer, set up so that it finds what it can without ever asking the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import regex
import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpEngine, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from spacy.language import Language
from spacy.tokens import Doc

from locard.redaction.credentials import credential_recognizers

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

    @property
    def recognition_metadata(self) -> Any:
        """A dictionary that names the recognizer, or `None`."""


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
            result.start = self.address_start(text, result.start, result.end)
        return results

    def address_start(self, text: str, start: int, end: int) -> int:
        """Return where an address begins of which this is what the pattern took."""
        local = text[start:end].rpartition("@")[0]
        mark = max(local.rfind(character) for character in _BEFORE_AN_ADDRESS)
        return start + mark + 1 if mark + 1 < len(local) else start


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
            global_regex_flags=regex.ASCII,  # capitals alone: hashes and words are not accounts
        )


class _InternalEmailRecognizer(PatternRecognizer):
    """Addresses within a company: their domains end in what is no public suffix.

    Presidio's own recognizer refuses these. The names are those that RFC 2606, RFC 6762, RFC 8375
    and ICANN keep from the public, and others that companies use.
    """

    def __init__(self) -> None:
        ends = "arpa|corp|example|home|internal|intranet|invalid|lan|local|localdomain|private|test"
        domain = rf"(?:localhost|(?:[a-z0-9-]{{1,63}}\.){{1,8}}(?:{ends}))\b"
        super().__init__(
            supported_entity="EMAIL_ADDRESS",
            name="InternalEmailRecognizer",
            patterns=[Pattern("internal address", rf"\b[a-z0-9][\w.%+-]{{0,63}}@{domain}", 1.0)],
            global_regex_flags=regex.ASCII | regex.IGNORECASE,
        )
        # For the engine, which would else look for the pattern itself.
        vars(self)["gate"] = rf"@(?:localhost|[a-z0-9.-]{{1,250}}\.(?:{ends}))"


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


def blank_engine() -> NlpEngine:
    """Return what makes tokens of a text and needs no model."""
    engine = _BlankEngine()
    engine.load()
    return engine


def offline_analyzer(engine: NlpEngine | None = None) -> AnalyzerEngine:
    """Return Presidio's analyzer with its default English recognizers, those of secrets, and our
    own.

    Args:
        engine: makes tokens, and finds names if it has a model; default: `blank_engine`.
    """
    engine = engine or blank_engine()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=engine)
    registry.remove_recognizer("EmailRecognizer")
    if isinstance(engine, _BlankEngine):
        registry.remove_recognizer("SpacyRecognizer")  # it only finds what a model has found
    registry.add_recognizer(_OfflineEmailRecognizer())
    registry.add_recognizer(_AccountShapeRecognizer())
    registry.add_recognizer(_InternalEmailRecognizer())
    for recognizer in credential_recognizers():
        registry.add_recognizer(recognizer)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])
