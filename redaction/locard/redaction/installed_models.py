"""Models of spaCy, stanza, transformers and GLiNER that somebody has installed on this machine.

Presidio loads them, and would fetch what is missing; here that is an error instead.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import spacy
import yaml
from presidio_analyzer.nlp_engine import (
    NlpEngine,
    NlpEngineProvider,
    SpacyNlpEngine,
    StanzaNlpEngine,
    TransformersNlpEngine,
)

from locard.redaction.analyzer import LANGUAGE
from locard.schema import CannotContinue

T = TypeVar("T")

_GLINER_ENTITIES: Final = {
    "person": "PERSON",
    "name": "PERSON",
    "organization": "ORGANIZATION",
    "location": "LOCATION",
    "address": "LOCATION",
    "nationality": "NRP",
}


def spacy_engine(name: str) -> NlpEngine:
    """Return Presidio's engine with a pipeline of spaCy.

    Args:
        name: of its package, or its folder.

    Raises:
        CannotContinue: it is not on this machine.
    """
    models = [{"lang_code": LANGUAGE, "model_name": name}]
    return _loaded(f"spacy:{name}", lambda: _created(nlp_engine_name="spacy", models=models))


def engine_of_file(file: Path) -> NlpEngine:
    """Return the engine that Presidio's configuration describes.

    Raises:
        CannotContinue: it cannot be read, or its model is not on this machine.
    """
    return _loaded(str(file), lambda: _created(**yaml.safe_load(file.read_bytes())))


def gliner_recognizer(name: str) -> Any:
    """Return Presidio's recognizer with a model of GLiNER.

    Raises:
        CannotContinue: the package or the model is not on this machine.
    """
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

    if importlib.util.find_spec("gliner") is None:
        raise _not_there(f"gliner:{name}", "the package gliner is not installed")
    return _loaded(
        f"gliner:{name}",
        lambda: GLiNERRecognizer(model_name=name, entity_mapping=_GLINER_ENTITIES),
    )


class _InstalledSpacy(SpacyNlpEngine):
    @staticmethod
    def _download_spacy_model_if_needed(model_name: str) -> None:
        _require_pipeline(model_name)


class _InstalledTransformers(TransformersNlpEngine):
    @staticmethod
    def _download_spacy_model_if_needed(model_name: str) -> None:
        _require_pipeline(model_name)


class _InstalledStanza(StanzaNlpEngine):
    def __init__(self, models: Any = None, ner_model_configuration: Any = None) -> None:
        super().__init__(models, ner_model_configuration, download_if_missing=False)


def _require_pipeline(name: str) -> None:
    if not (spacy.util.is_package(name) or Path(name).exists()):
        raise OSError(f"the spaCy pipeline {name} is not installed")


def _created(**configuration: Any) -> NlpEngine:
    engines = (_InstalledSpacy, _InstalledStanza, _InstalledTransformers)
    provider = NlpEngineProvider(nlp_engines=engines, nlp_configuration=configuration)
    engine: NlpEngine = provider.create_engine()
    return engine


def _loaded(name: str, load: Callable[[], T]) -> T:
    # What Hugging Face's libraries understand as: use what is in the cache, and ask nobody.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    try:
        return load()
    except Exception as error:  # each framework has its own ways to say that a model is missing
        raise _not_there(name, f"{type(error).__name__}: {error}") from error


def _not_there(name: str, why: str) -> CannotContinue:
    return CannotContinue(
        f"the model {name} cannot be loaded ({why}); install it on this machine, since nothing is "
        "fetched, or configure `built-in`"
    )
