"""The finder as a recognizer of Presidio."""

from __future__ import annotations

from typing import Any, Final

from presidio_analyzer import AnalysisExplanation, LocalRecognizer, RecognizerResult

from locard.redaction.names.finder import ENTITIES, NameFinder, default_finder

_NAME: Final = "LocardNameRecognizer"


class NameRecognizer(LocalRecognizer):
    """Finds people, places and addresses, organisations, dates of birth and more, in English.

    Args:
        finder: default: with the model that ships with the package.
        supported_entities: default: `ENTITIES`.
        supported_language: the language that the registry asks for.
        name: of this recognizer in the registry.
    """

    def __init__(
        self,
        finder: NameFinder | None = None,
        supported_entities: list[str] | None = None,
        supported_language: str = "en",
        name: str = _NAME,
    ) -> None:
        self._finder = finder or default_finder()
        self._name = name
        super().__init__(
            supported_entities=supported_entities or list(ENTITIES),
            supported_language=supported_language,
            name=name,
        )

    def load(self) -> None:
        """Do nothing: the model is there."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: Any = None,  # noqa: ARG002 - Presidio's interface
    ) -> list[RecognizerResult]:
        """Return the findings of these entity types; of all, where none is named."""
        wanted = set(entities or self.supported_entities)
        return [
            RecognizerResult(
                entity_type=found.entity_type,
                start=found.start,
                end=found.end,
                score=found.score,
                analysis_explanation=AnalysisExplanation(
                    recognizer=self._name, original_score=found.score
                ),
                recognition_metadata={
                    RecognizerResult.RECOGNIZER_NAME_KEY: self._name,
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                },
            )
            for found in self._finder.find(text)
            if found.entity_type in wanted
        ]
