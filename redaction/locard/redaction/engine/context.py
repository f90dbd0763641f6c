"""Words around a finding: Presidio's `LemmaContextAwareEnhancer`, without work that tells nothing.

Tokens are made only where a word that matters occurs in the text at all, and only around a finding,
where Presidio makes all of them and walks through them for each.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

_REMEMBERED_WORDS: Final = 50_000
_LONGEST_REMEMBERED: Final = 100  # characters of a chunk without blanks
_REACH: Final = 70  # characters before a finding that are looked at first, and half of it after
_WIDEST: Final = 4_000  # characters of that; beyond, all of the text is made into tokens, once
_BEGIN: Final = re.compile(r"\s(?=\S)")
_END: Final = re.compile(r"(?<=\S)\s")
# A lone blank between words belongs to the token before it.
_RUN: Final = re.compile(r"\S+|(?!(?<=\S) \S)\s+")
# Nothing in such a word is a prefix, suffix or infix to the tokenizer, and the mark is a suffix.
_WORD: Final = re.compile(r"([A-Za-z]+)([,:;!?]|(?<=[a-z]{2})\.)?")
# A colon that becomes a token of its own, or only parts with digits, which are key words anyway.
_NO_PARTS: Final = re.compile(r"\"?[A-Za-z_]+\"?:|(?:[^:]|(?<=[0-9]):(?=[0-9]))*")
# Their lower case depends on what follows, or has another length: the text tells nothing then.
_LOWER_CASE_TELLS_NOTHING: Final = ("Σ", "İ")


class ContextWords:
    """What raises the scores of a plan's findings.

    Args:
        enhancer: Presidio's `LemmaContextAwareEnhancer`.
        recognizers: by their numbers.
        tokens: makes the tokens of a text.
    """

    def __init__(
        self,
        enhancer: Any,
        recognizers: Sequence[Any],
        tokens: LowerCaseTokens,
    ) -> None:
        self._factor = enhancer.context_similarity_factor
        self._least = enhancer.min_score_with_context_similarity
        self._before = enhancer.context_prefix_count
        self._after = enhancer.context_suffix_count
        self._is_whole = enhancer.context_matching_mode == "whole_word"
        self._words = [
            tuple(dict.fromkeys(word.lower() for word in recognizer.context or ()))
            for recognizer in recognizers
        ]
        self._tokens = tokens

    def score(self, text: ContextText, found: Any) -> float:
        """Return the score of a finding with the words around it considered."""
        words = self._words[found.recognizer]
        if not words or not self._is_supported(words, text, found.start):
            return float(found.score)
        raised = max(found.score + self._factor, self._least)
        return float(min(raised, 1.0))

    def text(self, text: str, given: Sequence[str]) -> ContextText:
        """Return a text whose findings are to be scored.

        Args:
            given: words that stand for it elsewhere.
        """
        return ContextText(text, [word.lower() for word in given], self._tokens)

    def _is_supported(self, words: Sequence[str], text: ContextText, start: int) -> bool:
        if text.given and self._has(words, text.given):
            return True
        if not any(text.may_have(word) for word in words):
            return False
        return self._has(words, text.around(start, self._before, self._after))

    def _has(self, words: Sequence[str], around: Sequence[str]) -> bool:
        if self._is_whole:
            return any(word == other for word in words for other in around)
        return any(word in other for word in words for other in around)


class ContextText:
    """One text, and its tokens as far as they are needed."""

    def __init__(self, text: str, given: Sequence[str], tokens: LowerCaseTokens) -> None:
        self.given = given
        self._text = text
        self._lower = text.lower()
        self._tells_nothing = any(sign in text for sign in _LOWER_CASE_TELLS_NOTHING)
        self._tokens = tokens
        self._parts: frozenset[str] | None = None
        self._may_have: dict[str, bool] = {}
        self._whole: _Tokens | None = None

    def may_have(self, word: str) -> bool:
        """Say whether a word can stand in the text."""
        found = self._may_have.get(word)
        if found is None:
            found = self._may_have[word] = self._tells_nothing or word in self._lower
        return found

    def around(self, start: int, before: int, after: int) -> list[str]:
        """Return the key words before and after a finding, the token that it begins in included."""
        if self._parts is None:
            self._parts = self._tokens.parts_of(self._text)
        reach = _REACH
        while 2 * reach < len(self._text):
            begin, end = self._window(start, reach)
            if end - begin > _WIDEST:
                break
            made = self._tokens.of(self._text[begin:end], self._parts)
            found = made.around(start - begin, before, after, begin > 0, end < len(self._text))
            if found is not None:
                return found
            reach *= 4
        if self._whole is None:
            self._whole = self._tokens.of(self._text, self._parts)
        return self._whole.around(start, before, after, False, False) or []

    def _window(self, start: int, reach: int) -> tuple[int, int]:
        """Return a range around a place, cut at white space, as the tokenizer cuts as well."""
        text = self._text
        first = _BEGIN.search(text, max(0, start - reach), start)
        begin = first.end() if first and start > reach else 0
        last = _END.search(text, min(len(text), start + reach // 2))
        return begin, last.start() if last else len(text)


class _Tokens:
    """The tokens of a text: where each ends, each in lower case, and which are key words."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.words: list[str] = []
        self.keys: list[int] = []

    def around(
        self, start: int, before: int, after: int, is_cut_before: bool, is_cut_after: bool
    ) -> list[str] | None:
        """Return the key words around a place; `None` if there may be more where it was cut."""
        keys = self.keys
        token = bisect_right(self.ends, start)
        first = bisect_right(keys, token)
        at = first - 1 if first and keys[first - 1] == token else first
        if (is_cut_before and first <= before) or (is_cut_after and at + after >= len(keys)):
            return None
        found = (*keys[max(0, first - before - 1) : first], *keys[at : at + after + 1])
        return [self.words[key] for key in found]


class _Chunk(NamedTuple):
    """The tokens of a run of characters without blanks, or of blanks."""

    ends: tuple[int, ...]
    words: tuple[str, ...]
    are_keys: tuple[bool, ...]


class LowerCaseTokens:
    """Tokens of a pipeline whose lemmas are the tokens in lower case, and nothing else.

    The tokenizer looks at each run between blanks by itself, and texts consist of the same words,
    so what became of a run is remembered.

    Args:
        nlp: the spaCy pipeline; its tokenizer and vocabulary are used.
    """

    def __init__(self, nlp: Any) -> None:
        self._tokenizer = nlp.tokenizer
        self._vocabulary = nlp.vocab
        self._exceptions = frozenset(nlp.tokenizer.rules)
        self._stop_words = frozenset(nlp.Defaults.stop_words)
        self._remembered = lru_cache(_REMEMBERED_WORDS)(self._chunk)
        self._parts_of_chunk = lru_cache(_REMEMBERED_WORDS)(self._parts)

    def of(self, text: str, parts: frozenset[str]) -> _Tokens:
        """Return the tokens of a text.

        Args:
            parts: what counts as a key word because it is part of another; see `parts_of`.
        """
        tokens = _Tokens()
        remembered, made_ends, made_words, keys = (
            self._remembered,
            tokens.ends,
            tokens.words,
            tokens.keys,
        )
        for run in _RUN.finditer(text):
            chunk, at = run[0], run.start()
            if chunk[0] == " " and at:
                # One blank belongs to the token before it.
                chunk, at = chunk[1:], at + 1
                if not chunk:
                    continue
            look = remembered if len(chunk) <= _LONGEST_REMEMBERED else self._chunk
            ends, words, are_keys = look(chunk)
            if len(ends) == 1:
                if are_keys[0] or words[0] in parts:
                    keys.append(len(made_ends))
                made_ends.append(at + ends[0])
                made_words.append(words[0])
                continue
            for end, word, is_key in zip(ends, words, are_keys, strict=True):
                if is_key or word in parts:
                    keys.append(len(made_ends))
                made_ends.append(at + end)
                made_words.append(word)
        return tokens

    def parts_of(self, text: str) -> frozenset[str]:
        """Return the parts of words with a colon: they are key words wherever they stand."""
        if ":" not in text:
            return frozenset()
        found: set[str] = set()
        for chunk in text.split():
            if ":" in chunk and not _NO_PARTS.fullmatch(chunk):
                remember = len(chunk) <= _LONGEST_REMEMBERED
                found |= (self._parts_of_chunk if remember else self._parts)(chunk)
        return frozenset(found)

    def _tokens_of(self, chunk: str) -> _Chunk:
        return self._remembered(chunk) if len(chunk) <= _LONGEST_REMEMBERED else self._chunk(chunk)

    def _chunk(self, chunk: str) -> _Chunk:
        plain = _WORD.fullmatch(chunk)
        if plain and not self._exceptions.intersection((chunk, plain[1])):
            word, mark = plain[1].lower(), plain[2]
            is_key = word not in self._stop_words and word != "be"
            if not mark:
                return _Chunk((len(chunk),), (word,), (is_key,))
            return _Chunk((len(word), len(chunk)), (word, mark), (is_key, False))
        made = self._tokenizer(chunk)
        words = tuple(token.lower_ for token in made)
        return _Chunk(
            tuple(token.idx + len(token) for token in made),
            words,
            tuple(":" not in word and self._says_something(word) for word in words),
        )

    def _parts(self, chunk: str) -> frozenset[str]:
        words = self._tokens_of(chunk).words
        with_colon = (word for word in words if ":" in word and self._says_something(word))
        return frozenset(part for word in with_colon for part in word.split(":") if part)

    def _says_something(self, word: str) -> bool:
        lexeme = self._vocabulary[word]
        return not lexeme.is_stop and not lexeme.is_punct and word not in ("-PRON-", "be")
