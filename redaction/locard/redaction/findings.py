"""Finding personal data in one text: by form, by name, and by what the text says of a value."""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Final, Protocol

from locard.redaction.analyzer import LANGUAGE, Analyzer
from locard.redaction.pseudonyms import MARK, TOKEN
from locard.redaction.secret_names import may_name_a_secret, scheme_end, secret_type
from locard.redaction.spans import Span, windows
from locard.redaction.structure import Decoded, decoded, pieces

FORGED_TOKEN: Final = "LOCARD_TOKEN"  # noqa: S105 - the name of an entity type
_NAME_OF_RECOGNIZER: Final = "recognizer_name"  # in Presidio's results
_BY_NAME: Final = 0.99  # the form of a secret says more of its type than its name does
_SHORTEST: Final = 5  # characters; nothing that has a form is shorter
_REMEMBERED_TEXTS: Final = 16_384
_LONGEST_REMEMBERED: Final = 20_000  # characters


class Names(Protocol):
    """What finds names, also in a text that has nothing around it but a key."""

    def find(self, text: str, context: tuple[str, ...] = ()) -> Iterable[Span]:
        """Return findings in `text`; `context` are the words of the key that it stands under."""
        ...

    def find_by_key(self, text: str, context: tuple[str, ...]) -> Iterable[Span]:
        """Return what the key alone says of its value; takes next to no time."""
        ...


class TextFinder:
    """Finds personal data in texts.

    An agent repeats itself, so what was found in recent texts is remembered. The key is a digest of
    the text under a random key, since a memory of what people wrote would be personal data itself.

    Args:
        analyzer: looks for everything that has a form.
        names: looks for people, places and organisations; `None` where the analyzer does, or
            nobody.
        entity_types: that the analyzer is to look for; it has to know them all.
        lowest_score: what the analyzer is less sure of is left out.
        telling_words: a key without any of these says nothing about its value.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        names: Names | None,
        *,
        entity_types: tuple[str, ...],
        lowest_score: float,
        telling_words: frozenset[str] = frozenset(),
    ) -> None:
        self._analyzer = analyzer
        self._names = names
        self._entity_types = entity_types
        self._lowest_score = lowest_score
        self._telling_words = telling_words
        self._digest_key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()

    def find(self, text: str, context: tuple[str, ...] = ()) -> tuple[Span, ...]:
        """Return what is found in a text before any rule is applied; spans may overlap.

        Args:
            text: any text, also one that Presidio alone would refuse for its length.
            context: words that stand for it elsewhere, such as the key of a JSON value.
        """
        if len(text) > _LONGEST_REMEMBERED:
            return _surest(self._look_for(text, context))
        told = "\0".join((text, *context)).encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(told, digest_size=16, key=self._digest_key).digest()
        found = self._remembered.get(key)
        if found is None:
            found = self._remembered[key] = _surest(self._look_for(text, context))
            if len(self._remembered) > _REMEMBERED_TEXTS:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(key)
        return found

    def _look_for(self, text: str, context: tuple[str, ...]) -> Iterator[Span]:
        # What looks like a token but came from outside would lead a reader to a false trail.
        if "‹" in text:
            for pattern in (TOKEN, MARK):
                for match in pattern.finditer(text):
                    yield Span(*match.span(), FORGED_TOKEN, 1.0, found_by="form of a token")
        meant = decoded(text)
        if meant is None:
            yield from self._meant(text, context)
        else:
            for span in self._meant(meant.text, context):
                yield _as_written(span, meant, text)

    def _meant(self, text: str, context: tuple[str, ...]) -> Iterator[Span]:
        for span in self._found(text, context):
            if not 0 <= span.start < span.end <= len(text):
                raise ValueError(f"{span.found_by} found something outside of the text")
            yield span

    def _found(self, text: str, context: tuple[str, ...]) -> Iterator[Span]:
        yield from _secret(text, context)
        keyed = list(self._keyed(text))
        yield from keyed
        if self._names:
            # What a key says of its value is surer than what the words around it say.
            taken = _Ranges(keyed)
            found = self._names.find(text, context)
            yield from (span for span in found if not taken.touch(span.start, span.end))
        yield from self._forms(text, context)

    def _keyed(self, text: str) -> Iterator[Span]:
        """Yield what is found in values under the names that the text itself gives them."""
        for piece in pieces(text):
            telling = not self._telling_words.isdisjoint(piece.words)
            if not (telling or may_name_a_secret(piece.words)):
                continue
            value = text[piece.start : piece.end]
            found = [*_secret(value, piece.words), *self._forms(value, piece.words)]
            if self._names:
                found += self._names.find_by_key(value, piece.words)
            for span in found:
                yield replace(span, start=piece.start + span.start, end=piece.start + span.end)

    def _forms(self, text: str, context: tuple[str, ...]) -> Iterator[Span]:
        if len(text) < _SHORTEST or not self._entity_types:
            return
        for start, end in windows(text):
            results = self._analyzer.analyze(
                text[start:end],
                LANGUAGE,
                entities=self._entity_types,
                score_threshold=self._lowest_score,
                context=context or None,
            )
            for result in results:
                yield Span(
                    start + result.start,
                    start + result.end,
                    result.entity_type,
                    result.score,
                    found_by=(result.recognition_metadata or {}).get(_NAME_OF_RECOGNIZER, ""),
                )


class _Ranges:
    """Ranges of a text, to be asked whether another one touches any."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ranges = sorted((span.start, span.end) for span in spans)
        self._starts = [start for start, _ in ranges]
        self._ends = list(accumulate((end for _, end in ranges), max))

    def touch(self, start: int, end: int) -> bool:
        """Say whether one of them has a character of this range."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start


def _secret(text: str, context: tuple[str, ...]) -> Iterator[Span]:
    secret = secret_type(context, text) if context else None
    if secret:
        yield Span(scheme_end(text), len(text), secret, _BY_NAME, found_by="the name of a secret")


def _as_written(span: Span, meant: Decoded, text: str) -> Span:
    """Return a finding in what a text means as one in the text itself."""
    start, end = meant.offsets[span.start], meant.offsets[span.end]
    value = meant.text[span.start : span.end]
    return replace(span, start=start, end=end, value=None if value == text[start:end] else value)


def _surest(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return each finding once, with the highest of its scores."""
    found: dict[tuple[int, int, str], Span] = {}
    for span in spans:
        place = span.start, span.end, span.entity_type
        if place not in found or found[place].score < span.score:
            found[place] = span
    return tuple(found.values())
