"""What looks for personal data: Presidio's recognizers, a user's own, and a model of names."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from presidio_analyzer import AnalyzerEngine

from locard.redaction.analyzer import LANGUAGE, Analyzer, offline_analyzer
from locard.redaction.detection_settings import BUILT_IN, NONE, DetectionSettings
from locard.redaction.engine import FastAnalyzer
from locard.redaction.findings import TextFinder
from locard.redaction.installed_models import engine_of_file, gliner_recognizer, spacy_engine
from locard.redaction.names import ENTITIES, MODEL_NAME, default_finder
from locard.redaction.names.keys import KEY_WORDS
from locard.redaction.policy import RedactionPolicy
from locard.redaction.spans import Span
from locard.redaction.structure import words_of
from locard.schema import CannotContinue

_FOUND_BY_ANY_MODEL: Final = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP"})


@dataclass(frozen=True)
class Detection:
    """What looks, ready for use.

    Args:
        analyzer: for all that has a form, and for what an installed model finds.
        names: the built-in model, for the types that no installed one finds; `None`: none.
        engine: what is stored with every event about the analyzer.
        model: likewise about the model of names; `None` where names are not looked for.
        analyzed_types: what the analyzer finds.
        telling_words: of keys that say something about their values.
    """

    analyzer: Analyzer
    names: ChosenNames | None
    engine: str
    model: str | None
    analyzed_types: frozenset[str]
    telling_words: frozenset[str]

    def finder(self, policy: RedactionPolicy, lowest_score: float | None = None) -> TextFinder:
        """Return what finds everything that a policy is concerned with.

        Args:
            lowest_score: from which on things are found; default: the lowest that counts.

        Raises:
            CannotContinue: it names what nobody looks for, and so would promise too much.
        """
        found = self.analyzed_types | (self.names.entity_types if self.names else frozenset())
        unknown = sorted(set(policy.entity_types) - found)
        if unknown:
            raise CannotContinue(
                f"the redaction policy names {', '.join(unknown)}, which no recognizer looks for; "
                f"correct it, or add a recognizer: there are {', '.join(sorted(found))}"
            )
        return TextFinder(
            self.analyzer,
            self.names,
            entity_types=tuple(e for e in policy.entity_types if e in self.analyzed_types),
            lowest_score=policy.lowest_threshold if lowest_score is None else lowest_score,
            telling_words=self.telling_words,
        )


def detection(settings: DetectionSettings) -> Detection:
    """Return what looks for personal data. Takes some seconds; made once in each process.

    Raises:
        CannotContinue: the model is not on this machine, or a file is not what it should be.
    """
    engine = _engine(settings.model)
    told = f"presidio-analyzer/{importlib.metadata.version('presidio-analyzer')}"
    if settings.recognizers:
        told += f" recognizers/{_add_recognizers(engine, settings.recognizers)}"
    is_blank = settings.model in (BUILT_IN, NONE)
    found = frozenset(engine.get_supported_entities(LANGUAGE))
    names = None if settings.model == NONE else ChosenNames(without=found & _FOUND_BY_ANY_MODEL)
    return Detection(
        analyzer=FastAnalyzer(engine, has_lower_case_lemmas=is_blank),
        names=names,
        engine=told,
        model=_model_name(settings.model),
        analyzed_types=found,
        telling_words=KEY_WORDS | _context_words(engine),
    )


class ChosenNames:
    """The built-in model, for the types that an installed one does not find."""

    def __init__(self, *, without: frozenset[str]) -> None:
        self.entity_types = frozenset(ENTITIES) - without
        self._finder = default_finder()

    def find(self, text: str, context: tuple[str, ...] = ()) -> Iterable[Span]:
        """Return findings of these types; see `NameFinder.find`."""
        found = self._finder.find(text, context)
        return [span for span in found if span.entity_type in self.entity_types]

    def find_by_key(self, text: str, context: tuple[str, ...]) -> Iterable[Span]:
        """Return findings of these types; see `NameFinder.find_by_key`."""
        found = self._finder.find_by_key(text, context)
        return [span for span in found if span.entity_type in self.entity_types]


def _engine(model: str) -> AnalyzerEngine:
    framework, _, name = model.partition(":")
    if model in (BUILT_IN, NONE):
        return offline_analyzer()
    if framework == "spacy" and name:
        return offline_analyzer(spacy_engine(name))
    if model.endswith((".yaml", ".yml")):
        return offline_analyzer(engine_of_file(Path(model)))
    if framework == "gliner" and name:
        engine = offline_analyzer()
        engine.registry.add_recognizer(gliner_recognizer(name))
        return engine
    raise CannotContinue(
        f"there is no model `{model}`: configure built-in, none, spacy:NAME, gliner:NAME, or "
        "the path of Presidio's configuration of a model (.yaml)"
    )


def _context_words(engine: AnalyzerEngine) -> frozenset[str]:
    recognizers = engine.registry.get_recognizers(language=LANGUAGE, all_fields=True)
    phrases = [phrase for recognizer in recognizers for phrase in recognizer.context or ()]
    return frozenset(word for phrase in phrases for word in words_of(phrase.lower()))


def _model_name(model: str) -> str | None:
    if model == NONE:
        return None
    if model == BUILT_IN:
        return MODEL_NAME
    if model.endswith((".yaml", ".yml")):
        model = f"{Path(model).name}/{_short_digest(Path(model).read_bytes())}"
    return f"{model} {MODEL_NAME}"


def _add_recognizers(engine: AnalyzerEngine, file: Path) -> str:
    """Add a user's recognizers, and return a short digest of the file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CannotContinue(
            f"the recognizers {file} cannot be read: {error.strerror}; put the file back, or "
            "configure another"
        ) from error
    try:
        for told in yaml.safe_load(data)["recognizers"]:
            engine.registry.add_pattern_recognizer_from_dict(told)
    except Exception as error:  # Presidio raises whatever a wrong value leads to
        raise CannotContinue(
            f"the recognizers {file} are refused ({type(error).__name__}: {error}); the form is "
            "that of Presidio's `add_recognizers_from_yaml`"
        ) from error
    return _short_digest(data)


def _short_digest(data: bytes) -> str:
    """Return enough to tell one file from another that somebody has used."""
    return hashlib.sha256(data).hexdigest()[:12]
