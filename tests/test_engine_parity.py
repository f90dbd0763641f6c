"""The engine returns what Presidio's own returns: types, places and scores, in the same order."""

from __future__ import annotations

import random
from functools import cache

import phonenumbers
import pytest
import regex
from bench.corpora import texts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from presidio_analyzer import (
    LocalRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerResult,
)
from presidio_analyzer.predefined_recognizers import PhoneRecognizer, UrlRecognizer

from corpora import AGENTDOJO, AIRLINE, SHORT_TEXTS, needs_corpora, runs
from locard.redaction.analyzer import LANGUAGE, blank_engine, offline_analyzer
from locard.redaction.engine import FastAnalyzer, gate, patterns, url
from locard.redaction.engine.context import LowerCaseTokens
from locard.redaction.engine.phone import PhoneSearch

MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def told(results):
    """Return findings as plain values."""
    return [(r.entity_type, r.start, r.end, r.score) for r in results]


class Both:
    """Presidio's engine and ours on it."""

    def __init__(self, *more):
        self.presidio = offline_analyzer()
        for recognizer in more:
            self.presidio.registry.add_recognizer(recognizer)
        self.ours = FastAnalyzer(self.presidio, has_lower_case_lemmas=True)

    def same(self, text, **options):
        """Return the findings of both, which are equal."""
        theirs = told(self.presidio.analyze(text, LANGUAGE, **options))
        assert told(self.ours.analyze(text, LANGUAGE, **options)) == theirs
        return theirs


@pytest.fixture(scope="module")
def both():
    """Both engines with the recognizers that redaction uses."""
    return Both()


@pytest.mark.corpora
@needs_corpora
def test_findings_in_the_corpora_are_presidios(both):
    """A sample of what agents read and wrote, and of short texts full of personal data."""
    agents = dict.fromkeys(
        text for path in (AGENTDOJO, AIRLINE) for run in runs(path) for text in texts_of(run)
    )
    short = [row["text"] for row in runs(SHORT_TEXTS)]
    sample = (
        random.Random(7).sample(  # noqa: S311 - a fixed choice
            list(agents), 600
        )
        + short[::3]
    )
    found = [one for text in sample for one in both.same(text)]
    for text in sample[::9]:
        both.same(text, context=["bank", "account", "phone"])
        both.same(text, score_threshold=0.4, entities=["PHONE_NUMBER", "IBAN_CODE", "URL"])
    assert len({entity_type for entity_type, *_ in found}) > 9


VALUES = st.sampled_from(
    [
        "mia.li@example.co.uk",
        "a.a.a.b@c",
        "https://x.example.com/p?q=1",
        "'http://a.com/x'",
        '"www.b.de"',
        "079 555 12 34",
        "+41 44 668 18 00",
        "0800-123456 x12",
        "(650) 253-0000",
        "00442079460958",
        "2024-01-31",
        "31/01/2024 10:15",
        "GB29 NWBK 6016 1331 9268 19",
        "de89370400440532013000",
        "XX00AAAA11112222",
        "4111 1111 1111 1111",
        "536-90-4399",
        "123456789",
        "203.0.113.7/24",
        "fe80::1",
        "00:1B:44:11:3A:B7",
        "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ",
        "sk-proj-" + "aB3" * 20,
        "ghp_" + "a1B2" * 10,
        "Bearer abcDEF123456789012",
        "password=hunter2;",
        "A1234567",
        "bank account",
        "driver license",
        "ssn",
        "passport:",
        "phone",
        '{"account": "12345678901"}',
    ]
)
BLANKS = [" ", "  ", "\n", "\t", "\u00a0", "\u2028", "\x1c", ""]
INVISIBLE = ["\u200b", "\u200d", "\u0301", "\u202e", "\x00"]
PUNCTUATION = [*",.:;'()@-/‹", '"', "\\n"]
LETTERS_AND_DIGITS = [*"xéßſΣ🙂日", "\u0130", "\u212a", "١", "२", "\uff11"]
GLUE = st.sampled_from([*BLANKS, *INVISIBLE, *PUNCTUATION, *LETTERS_AND_DIGITS])
PROSE = st.text(max_size=12) | st.sampled_from(["the", "of my", "call", "number is", "be", "not"])


@given(st.lists(st.tuples(VALUES | PROSE, GLUE), max_size=9))
@MANY
def test_findings_in_any_text_are_presidios(both, parts):
    """Values stuck to signs of all kinds: digits of other scripts, invisible and combining ones."""
    both.same("".join(value + glue for value, glue in parts))


@given(st.lists(VALUES, max_size=3), st.lists(st.sampled_from(["bank", "phone", "ssn", "x:y"])))
@MANY
def test_words_that_are_given_count_as_presidio_has_it(both, values, context):
    """The key of a JSON value raises scores."""
    both.same(" and ".join(values), context=context)


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_words_anywhere_around_count_as_presidio_has_it(both, seed):
    """Stop words, colons and runs of white space between a word and a finding."""
    chance = random.Random(seed)  # noqa: S311 - a fixed choice
    words = [
        "the",
        "a",
        "of",
        "is",
        "my",
        "phone:x",
        "bank",
        "x:the",
        "account",
        "be",
        "number",
        "-PRON-",
        ",",
        ".",
        ":",
        "don't",
    ]
    words += ["\n\n", "", "12345678901", "079 555 12 34", "A1234567", "cannot", "U.S.", "10km"]
    both.same(" ".join(chance.choices(words, k=40)))


def test_very_long_lines_are_looked_through_to_their_end(both):
    """A value at the end of much that is none, with and without blanks."""
    for filler in ("a" * 9_000, "word " * 2_000, "a.b-c_d/" * 50, "1 " * 1_000):
        assert both.same(f"{filler} mia@example.com GB29NWBK60161331926819")


ADDRESSES = st.text(st.sampled_from("aZ0.-_/@:'\"<>() é\n"), max_size=30)
DOMAINS = st.sampled_from([".com", ".co.uk", ".comx", ".c", ".museum", "www.", "http://", ".de/"])


@given(st.lists(ADDRESSES | DOMAINS, max_size=8))
@MANY
def test_addresses_of_pages_and_mail_are_presidios(both, parts):
    """Aimed at the two patterns that are rewritten, quoted ones among them."""
    both.same("".join(parts), entities=["URL", "EMAIL_ADDRESS"])


def test_every_top_level_domain_ends_an_address_where_presidio_ends_it():
    """Each of them, whole, cut by a letter, and with letters behind it, as in `a.com.They`."""
    (expression,) = (p.regex for p in UrlRecognizer().patterns if url.is_known(p.regex))
    search = url.UrlSearch(expression)
    plain = regex.compile(expression, regex.I | regex.M | regex.S)
    for domain in sorted(set(url._domains(expression))):
        text = f"x.a.{domain} a.{domain}y a.{domain[:-1]} a.{domain}/p b.com.{domain[:3]}ey"
        assert list(search.spans(text)) == [match.span() for match in plain.finditer(text)]


REGIONS = PhoneRecognizer().supported_regions
KINDS = range(11)
EXAMPLES = [
    number
    for region in (*REGIONS, "CH", "AR", "MX", "IT")
    for kind in KINDS
    if (number := phonenumbers.example_number_for_type(region, kind))
]


def assert_same_telephones(text):
    """The search finds what the library finds in any of the regions."""
    recognizer = PhoneRecognizer()
    expected = {
        (match.start, match.end)
        for region in recognizer.supported_regions
        for match in phonenumbers.PhoneNumberMatcher(text, region, recognizer.leniency)
    }
    assert set(PhoneSearch(recognizer).spans(text)) == expected


@given(
    st.sampled_from(EXAMPLES),
    st.integers(0, 3),
    st.sampled_from(["", "0", "00", "1", "49", "011", "(0)"]),
    st.sampled_from([" ", "-", ".", "/", "", " - ", "\u00a0"]),
    st.sampled_from(["", " x12", " ext. 7", ";ext=1", "/12", " 55", "#1", ", 079 555 12 34"]),
    st.integers(0, 99_999),
)
@settings(max_examples=1_500, deadline=None, derandomize=True)
def test_telephones_are_those_that_the_library_finds(form, kind, before, between, after, change):
    """Numbers of all kinds and regions, written and spoilt in many ways; region by region."""
    spoilt = phonenumbers.PhoneNumber(
        country_code=form.country_code, national_number=(form.national_number or 0) ^ change
    )
    text = phonenumbers.format_number(spoilt, kind).replace(" ", between)
    text = f"call {before}{text}{after} now"
    assert_same_telephones(text)


@given(st.text(st.sampled_from("0123456789 .-/()+x"), max_size=40))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_any_digits_are_telephones_only_where_the_library_says_so(text):
    """Dates, amounts and nonsense."""
    assert_same_telephones(text)


_LETTERS = st.text(st.characters(min_codepoint=65, max_codepoint=122, categories=["L"]), min_size=1)


def assert_same_chunk(text):
    """One run of characters becomes the tokens, and the key words, that spaCy makes of it."""
    pipeline = _pipeline()
    made = pipeline(text)
    chunk = LowerCaseTokens(pipeline)._chunk(text)
    assert chunk.words == tuple(token.lower_ for token in made)
    assert chunk.ends == tuple(token.idx + len(token) for token in made)
    # A word with a colon is none, but its parts are: `parts_of`.
    none = ("be", "-PRON-")
    says = [not (t.is_stop or t.is_punct or ":" in t.text or t.lower_ in none) for t in made]
    assert chunk.are_keys == tuple(says)


@given(_LETTERS, st.sampled_from(("", ",", ":", ";", "!", "?", ".")))
@MANY
def test_plain_letters_are_one_token(letters, mark):
    """What is not asked of spaCy is what spaCy would say."""
    assert_same_chunk(letters + mark)


@pytest.mark.parametrize("mark", ["", ",", ":", ";", "!", "?", "."])
def test_every_exception_of_the_tokenizer_is_asked_of_it(mark):
    """And every stop word, with each mark that may follow a word."""
    for word in (*_pipeline().tokenizer.rules, *_pipeline().Defaults.stop_words):
        if not any(sign.isspace() for sign in word):
            assert_same_chunk(word + mark)


_COLONS = st.text(st.sampled_from("ab_T09:\"'.-(),{}"), min_size=1, max_size=12)


@given(st.one_of(_COLONS, st.from_regex(r"\"?[a-z_]+\"?:[0-9]?", fullmatch=True)))
@MANY
def test_a_word_with_colons_makes_the_same_words_key_words(chunk):
    """Presidio takes the parts of such a token for key words, wherever they stand."""
    pipeline = _pipeline()
    words = [f"{chunk} x {sign}" for sign in ("the", "-", '"', "_", "T", "0", "(", ".")]
    for text in words:
        tokens = LowerCaseTokens(pipeline)
        ours = tokens.of(text, tokens.parts_of(text))
        theirs = _key_words(text)
        assert {ours.words[key] for key in ours.keys} == theirs & set(ours.words)


def _key_words(text):
    made = blank_engine().process_text(text, LANGUAGE)
    return set(made.keywords)


@cache
def _pipeline():
    return blank_engine().nlp[LANGUAGE]


class _OwnWay(LocalRecognizer):
    """A recognizer of a user that looks at tokens, which no shortcut can know."""

    def __init__(self):
        super().__init__(supported_entities=["SHOUT"], supported_language=LANGUAGE)

    def load(self):
        pass

    def analyze(self, text, entities, nlp_artifacts=None):
        return [
            RecognizerResult("SHOUT", t.idx, t.idx + len(t), 0.7)
            for t in nlp_artifacts.tokens
            if t.is_upper and len(t) > 3
        ]


class _OwnValidation(PatternRecognizer):
    """A pattern with a check of its own."""

    def validate_result(self, pattern_text):
        return sum(map(int, filter(str.isdigit, pattern_text))) % 7 == 0 or None


def _pattern(name, expression, score=0.5, **options):
    return PatternRecognizer(
        name, patterns=[Pattern(name, expression, score)], supported_language=LANGUAGE, **options
    )


CUSTOM = {
    "a pattern": lambda: _pattern("BADGE", r"\bBX-\d{4}\b", context=["badge"]),
    "a check": lambda: _OwnValidation("SUM", patterns=[Pattern("sum", r"\b\d{6}\b", 0.3)]),
    "a list of words": lambda: PatternRecognizer("TERM", deny_list=["Nightfall", "C++", "a.b"]),
    "an own way": _OwnWay,
    "look-arounds": lambda: _pattern("NEXT", r"(?<=id: )\w{1,80}(?=\s{0,60};)"),
    "fuzzy": lambda: _pattern("FUZZY", r"(?:secret){e<=1}"),
    "properties": lambda: _pattern("UPPER", r"\p{Lu}{3,}"),
    "whole text": lambda: _pattern("WHOLE", r"\A.*mia.*\Z"),
    "not ASCII": lambda: _pattern("UMLAUT", r"Straße \d+"),
    "may be empty": lambda: _pattern("EMPTY", r"x*"),
    "case matters": lambda: _pattern("CASE", r"[A-Z]{4}\d", global_regex_flags=regex.ASCII),
    "back-reference": lambda: _pattern("TWICE", r"\b(\w{3,}) \1\b"),
}
CUSTOM_TEXTS = [
    "badge BX-1234, sum 123456 and 700000, Nightfall C++ a.b ABCD1 abcd1",
    "id: abc   ; SHOUTING mia secrt sacret ÄÖÜ Straße 12 STRASSE 12 xxx word word",
    "id: " + "a" * 80 + " " * 60 + "; straße 7\nmia\nBX-9999BX-1",
    "",
]


@pytest.mark.parametrize("made", CUSTOM.values(), ids=CUSTOM.keys())
def test_a_users_recognizer_finds_what_it_finds_in_presidio(made):
    """With a shortcut where there is a safe one, and else the plain way."""
    recognizer = made()
    engines = Both(recognizer)
    wanted = [*recognizer.supported_entities, "US_SSN", "EMAIL_ADDRESS"]
    for text in CUSTOM_TEXTS:
        engines.same(text, entities=wanted)
        engines.same(text, entities=wanted, context=["badge"])


def test_without_the_gate_the_findings_are_the_same(monkeypatch):
    """On a platform for which it is not built every pattern runs."""
    monkeypatch.setattr(gate, "hyperscan", None)
    engines = Both()
    for text in (*CUSTOM_TEXTS, "mia@example.com 079 555 12 34 ssn 536-90-4399 www.a.com"):
        engines.same(text)


def test_an_engine_that_we_do_not_know_is_asked_itself(both):
    """Another pipeline, another enhancer, or explanations wanted: Presidio does the work."""
    text = "phone 079 555 12 34"
    explained = both.ours.analyze(text, LANGUAGE, return_decision_process=True)
    assert all(result.analysis_explanation for result in explained)
    unknown = FastAnalyzer(both.presidio, has_lower_case_lemmas=False)
    assert told(unknown.analyze(text, LANGUAGE)) == told(both.presidio.analyze(text, LANGUAGE))


def test_a_pattern_that_takes_too_long_is_told_and_finds_nothing_by_half(monkeypatch):
    """Presidio would drop its findings; here nobody knows them, so the event has to fail."""
    monkeypatch.setattr(patterns, "MOST_SECONDS", 1e-6)
    recognizer = _pattern("SLOW", r"(?:a|aa|aaa)+(?=!)\B\b")
    search = patterns.PatternSearch(recognizer, recognizer.patterns[0])
    with pytest.raises(patterns.TooSlow):
        list(search.matches("a" * 5_000, None))
