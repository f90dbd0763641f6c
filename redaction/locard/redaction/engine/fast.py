"""Presidio's `AnalyzerEngine`, asked the same and giving the same, with far less work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import regex
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, PatternRecognizer, RecognizerResult
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.predefined_recognizers import (
    EmailRecognizer,
    PhoneRecognizer,
)

from locard.redaction.engine import url
from locard.redaction.engine.context import ContextText, ContextWords, LowerCaseTokens
from locard.redaction.engine.duplicates import Found, without_duplicates
from locard.redaction.engine.email import EmailSearch
from locard.redaction.engine.email import is_known as is_known_email
from locard.redaction.engine.gate import Gate, can_be_gated
from locard.redaction.engine.iban import IbanSearch
from locard.redaction.engine.iban import is_known as is_known_iban
from locard.redaction.engine.patterns import PatternSearch
from locard.redaction.engine.phone import GATE as PHONE_GATE
from locard.redaction.engine.phone import PhoneSearch
from locard.redaction.engine.scanning import scannable, scannable_as_ascii

_PLANS: Final = 32  # combinations of language and entities that are asked for
_ASCII: Final = int(regex.ASCII)
_CASELESS: Final = int(regex.I)
_LONGEST: Final = 1_000_000  # characters; Presidio's own tokenizer refuses more

Finder = Callable[[str, "Sequence[int] | None"], "Iterator[tuple[str, int, int, float]]"]


class FastAnalyzer:
    """Finds what Presidio's engine finds.

    It looks at the recognizers once for each combination of language and entities, so recognizers
    are added to the engine before.

    Args:
        engine: Presidio's. What has no shortcut is asked of it.
        has_lower_case_lemmas: the engine's pipeline is a tokenizer whose lemmas are the tokens in
            lower case. With any other pipeline Presidio makes the tokens of every text.
    """

    def __init__(self, engine: AnalyzerEngine, *, has_lower_case_lemmas: bool) -> None:
        self._engine = engine
        enhancer = engine.context_aware_enhancer
        is_known = type(enhancer) is LemmaContextAwareEnhancer
        self._is_fast = has_lower_case_lemmas and is_known and not engine.log_decision_process
        self._plan = lru_cache(_PLANS)(self._planned)

    def analyze(
        self,
        text: str,
        language: str,
        *,
        entities: Sequence[str] | None = None,
        score_threshold: float | None = None,
        context: Sequence[str] | None = None,
        **more: Any,
    ) -> list[RecognizerResult]:
        """Return the findings in `text`; see `AnalyzerEngine.analyze` for the arguments.

        Explanations are not made unless they are asked for.

        Raises:
            TooSlow: a pattern took longer than it may, so that nobody knows what it would find.
        """
        if not self._is_fast or len(text) > _LONGEST or any(more.values()):
            return self._engine.analyze(
                text,
                language,
                entities=None if entities is None else list(entities),
                score_threshold=score_threshold,
                context=None if context is None else list(context),
                **more,
            )
        plan = self._plan(language, None if entities is None else tuple(entities))
        return plan.results(text, score_threshold, context or ())

    def _planned(self, language: str, entities: tuple[str, ...] | None) -> _Plan:
        return _Plan(self._engine, language, None if not entities else list(entities))


class _Plan:
    """What is done for one combination of language and entities."""

    def __init__(self, engine: Any, language: str, entities: list[str] | None) -> None:
        self._engine = engine
        self._language = language
        self._entities = entities or engine.get_supported_entities(language=language)
        self._recognizers: list[Any] = engine.registry.get_recognizers(
            language=language, entities=entities, all_fields=not entities
        )
        self._context = ContextWords(
            engine.context_aware_enhancer,
            self._recognizers,
            LowerCaseTokens(engine.nlp_engine.nlp[language]),
        )
        self._finders: list[tuple[int, Finder]] = []
        self._deduplicated: set[int] = set()  # recognizers that leave out duplicates themselves
        self._always: list[int] = []
        gated: dict[int, tuple[str, int]] = {}
        for number, recognizer in enumerate(self._recognizers):
            if type(recognizer).analyze in (PatternRecognizer.analyze, PhoneRecognizer.analyze):
                self._deduplicated.add(number)
            for finder, gate, flags in self._finders_of(recognizer):
                place = len(self._finders)
                self._finders.append((number, finder))
                if gate is None or not can_be_gated(gate, flags):
                    self._always.append(place)
                    continue
                gated[place] = (gate, flags)
        self._gate = Gate(gated)
        only_ascii = {place: one for place, one in gated.items() if one[1] & _ASCII}
        self._only_ascii = only_ascii.keys()
        self._gate_of_ascii = Gate(only_ascii)
        self._always += self._gate.refused

    def results(
        self, text: str, threshold: float | None, given: Sequence[str]
    ) -> list[RecognizerResult]:
        """Return what Presidio's engine returns."""
        found: list[Found] = []
        for place, ends in self._places(text).items():
            number, finder = self._finders[place]
            found += (Found(*one, number) for one in finder(text, ends))
        if not found:
            return []
        return [self._result(one) for one in self._scored(text, found, threshold, given)]

    def _places(self, text: str) -> Mapping[int, Sequence[int] | None]:
        """Return the finders that may find anything, and where matches may end if that is known."""
        data = scannable(text)
        if data is None:
            return dict.fromkeys(range(len(self._finders)))
        ends = self._gate.ends(data)
        if not text.isascii():
            # Other letters are none to these patterns: the first scan may have missed an end.
            for place in self._only_ascii:
                ends.pop(place, None)
            ends |= self._gate_of_ascii.ends(scannable_as_ascii(text))
        return {**ends, **dict.fromkeys(self._always)}

    def _scored(
        self, text: str, found: list[Found], threshold: float | None, given: Sequence[str]
    ) -> list[Found]:
        around: ContextText = self._context.text(text, given)
        own: list[Found] = []
        for number in {one.recognizer for one in found}:
            of_one = [one for one in found if one.recognizer == number]
            own += without_duplicates(of_one) if number in self._deduplicated else of_one
        scored = (one._replace(score=self._context.score(around, one)) for one in own)
        return without_duplicates(
            one for one in scored if one.score >= self._threshold(one, threshold)
        )

    def _threshold(self, found: Found, threshold: float | None) -> float:
        if threshold is not None:
            return threshold
        own = self._recognizers[found.recognizer].score_thresholds
        default = own.get("default", self._engine.default_score_threshold)
        return float(own.get(found.entity_type, default))

    def _result(self, found: Found) -> RecognizerResult:
        recognizer = self._recognizers[found.recognizer]
        return RecognizerResult(
            found.entity_type,
            found.start,
            found.end,
            found.score,
            recognition_metadata={
                RecognizerResult.RECOGNIZER_NAME_KEY: recognizer.name,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
            },
        )

    def _finders_of(self, recognizer: Any) -> Iterator[tuple[Finder, str | None, int]]:
        """Yield what finds a recognizer's findings, and what the gate looks for, if it can."""
        kind = type(recognizer)
        if kind.enhance_using_context is not EntityRecognizer.enhance_using_context:
            yield self._as_it_is(recognizer), None, 0
        elif isinstance(recognizer, PhoneRecognizer) and kind.analyze is PhoneRecognizer.analyze:
            yield _phones(recognizer), PHONE_GATE, _CASELESS
        elif _is_email(recognizer):
            search = PatternSearch(recognizer, recognizer.patterns[0])
            yield _judged(recognizer, EmailSearch(), search), "@", 0
        elif _is_plain(recognizer):
            for pattern in recognizer.patterns:
                search = PatternSearch(recognizer, pattern)
                finder = _told(recognizer, search.matches)
                if url.is_known(pattern.regex):
                    finder = _judged(recognizer, url.UrlSearch(pattern.regex), search)
                yield finder, search.gate, search.flags
        elif is_known_iban(recognizer):
            account = IbanSearch(recognizer)
            yield _told(recognizer, account.spans), account.pattern.gate, account.pattern.flags
        else:
            yield self._as_it_is(recognizer), None, 0

    def _as_it_is(self, recognizer: Any) -> Finder:
        def find(text: str, _: Sequence[int] | None) -> Iterator[tuple[str, int, int, float]]:
            artifacts = None
            if not isinstance(recognizer, PatternRecognizer):
                artifacts = self._engine.nlp_engine.process_text(text, self._language)
            if not recognizer.is_loaded:
                recognizer.load()
                recognizer.is_loaded = True
            for result in recognizer.analyze(
                text=text, entities=self._entities, nlp_artifacts=artifacts
            ):
                yield result.entity_type, result.start, result.end, result.score

        return find


def _is_plain(recognizer: Any) -> bool:
    return (
        isinstance(recognizer, PatternRecognizer)
        and type(recognizer).analyze is PatternRecognizer.analyze
    )


def _is_email(recognizer: Any) -> bool:
    is_ours = hasattr(recognizer, "address_start")
    return (
        isinstance(recognizer, EmailRecognizer)
        and is_known_email(recognizer)
        and (is_ours or type(recognizer).analyze is PatternRecognizer.analyze)
    )


def _told(recognizer: Any, spans: Callable[..., Iterator[tuple[int, int, float]]]) -> Finder:
    entity_type = recognizer.supported_entities[0]

    def find(text: str, ends: Sequence[int] | None) -> Iterator[tuple[str, int, int, float]]:
        for start, end, score in spans(text, ends):
            yield entity_type, start, end, score

    return find


def _phones(recognizer: Any) -> Finder:
    entity_type, score = recognizer.supported_entities[0], float(recognizer.SCORE)
    search = PhoneSearch(recognizer)

    def find(text: str, _: Sequence[int] | None) -> Iterator[tuple[str, int, int, float]]:
        for start, end in search.spans(text):
            yield entity_type, start, end, score

    return find


def _judged(recognizer: Any, search: EmailSearch | url.UrlSearch, judge: PatternSearch) -> Finder:
    """Return what finds the matches of a pattern in a way of its own, scored by the recognizer."""
    entity_type = recognizer.supported_entities[0]
    begin = getattr(recognizer, "address_start", None)

    def find(text: str, _: Sequence[int] | None) -> Iterator[tuple[str, int, int, float]]:
        for start, end in search.spans(text):
            score = judge.scored(text[start:end])
            if score > 0:
                yield entity_type, begin(text, start, end) if begin else start, end, score

    return find
