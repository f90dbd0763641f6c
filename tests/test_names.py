"""Names and addresses: what the model that ships finds, and what it leaves alone."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.redaction.names import ENTITIES, NameFinder, default_finder
from locard.redaction.names import model as model_module
from locard.redaction.names.decoding import Entity
from locard.redaction.names.echoes import with_echoes
from locard.redaction.names.model import FILE, Model
from locard.redaction.names.tokens import tokens_of


def find(text, context=()):
    """Return the findings of the model that ships."""
    return default_finder().find(text, context)


def told(text, context=()):
    """Return what is found, as pairs of type and text."""
    return [(f.entity_type, text[f.start : f.end]) for f in find(text, context)]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("I spoke with Margaret Thornbury about the lease.", "Margaret Thornbury"),
        ("The parcel was signed for by Jürgen Groß on arrival.", "Jürgen Groß"),
        ("Passenger list: Siobhán O'Sullivan and two children.", "Siobhán O'Sullivan"),
        ("please ask katarzyna nowak to call back", "katarzyna nowak"),
        ("The contract was signed by Алексей Смирнов yesterday.", "Алексей Смирнов"),
        ("Ask Dr. Yamamoto whether the results are in.", "Yamamoto"),
    ],
)
def test_people_are_found_in_prose_of_many_tongues(text, person):
    """A name is found by its form and its neighbours, whether any list has it or not."""
    assert ("PERSON", person) in told(text)


def test_a_name_that_no_list_has_is_found():
    """Names are not looked up: an invented one stands out by its place in the sentence."""
    assert ("PERSON", "Zorblin Quaxteroo") in told("My name is Zorblin Quaxteroo and I need help.")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Ship it to 975 Birch Drive, Suite 217, Springfield, IL 62704 please.",
         ["975 Birch Drive, Suite 217", "Springfield", "IL 62704"]),
        ("She lives at Lindenstraße 14 in Hamburg.", ["Lindenstraße 14", "Hamburg"]),
        ("Our office: 12 Rue de la Paix, Lyon, France", ["12 Rue de la Paix", "Lyon", "France"]),
        ("Return to P.O. Box 4471 if undelivered.", ["P.O. Box 4471"]),
    ],
)  # fmt: skip
def test_addresses_are_found_as_locations(text, pieces):
    """Street and unit are one finding, town and state are others: each can be followed alone."""
    assert [value for kind, value in told(text) if kind == "LOCATION"] == pieces


@pytest.mark.parametrize(
    ("value", "key", "kind"),
    [
        ("Mia", ("first", "name"), "PERSON"),
        ("Li", ("last", "name"), "PERSON"),
        ("Xq", ("customer", "surname"), "PERSON"),
        ("Margaret Thornbury", ("name",), "PERSON"),
        ("Qeqertarsuaq", ("city",), "LOCATION"),
        ("975 Birch Drive", ("address1",), "LOCATION"),
        ("Suite 217", ("address2",), "LOCATION"),
        ("1990-04-05", ("dob",), "DATE_OF_BIRTH"),
        ("5 April 1990", ("date", "of", "birth"), "DATE_OF_BIRTH"),
        ("62704", ("zip",), "ZIP_CODE"),
    ],
)
def test_a_bare_value_is_known_by_its_key(value, key, kind):
    """In a tool call nothing stands around a value but the key above it."""
    assert told(value, key) == [(kind, value)]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("send_money", ("name",)),
        ("get_user_details", ("function", "name")),
        ("null", ("last", "name")),
        ("basic_economy", ("cabin",)),
        ("confirmed", ("status",)),
        ("a4f9c2", ("id",)),
        ("2024-05-15T15:00:00", ("created", "at")),
    ],
)
def test_what_is_nobodys_stays_under_any_key(value, key):
    """Names of tools, states and empty values are no people, even under `name`."""
    kinds = {kind for kind, _ in told(value, key)}
    assert not kinds - {"DATE_TIME"}


def test_only_the_day_of_birth_is_one():
    """Other days stay what they are, since an investigation is about them."""
    text = "Born on 1990-04-05, she flies on 2024-05-15 and returns on May 20, 2024."
    kinds = {value: kind for kind, value in told(text)}
    assert kinds["1990-04-05"] == "DATE_OF_BIRTH"
    assert kinds.get("2024-05-15") != "DATE_OF_BIRTH"
    assert kinds.get("May 20, 2024") != "DATE_OF_BIRTH"


def test_people_in_json_and_in_lists_are_found():
    """What a tool returns as text is read like prose."""
    text = json.dumps(
        {"guests": ["Priya Raman", "Tomás Herrera"], "tool": "search_rooms"}, ensure_ascii=False
    )
    assert [v for k, v in told(text) if k == "PERSON"] == ["Priya Raman", "Tomás Herrera"]


def test_a_person_named_once_is_found_in_each_mention():
    """Where one mention is certain, the others would give away what was taken out there."""
    text = "My name is Margaret Thornbury. fwd>>Thornbury<<fwd and ##Thornbury## again"
    covered = {at for f in find(text) for at in range(f.start, f.end)}
    mentions = [match.span() for match in re.finditer("Thornbury", text)]
    assert len(mentions) == 3
    assert all(covered.issuperset(range(*mention)) for mention in mentions)


def test_an_echo_that_the_model_passed_over_is_added():
    """The word of a certain name is taken wherever the model saw nothing, common words aside."""
    text = "xThornburyx Thornbury Will"
    tokens = tokens_of(text)
    certain = [Entity(0, 11, "PER", 0.9)]
    lexicon = Model.load().lexicon
    assert with_echoes(certain, tokens, text, lexicon) == certain
    text = "Will Thornbury: Thornbury Will"
    certain = [Entity(0, 14, "PER", 0.9)]
    echoes = with_echoes(certain, tokens_of(text), text, lexicon)[1:]
    assert [text[e.start : e.end] for e in echoes] == ["Thornbury"]


@pytest.mark.parametrize(
    "text",
    [
        "Please call the function get_reservation_details before you answer.",
        'raise ValueError(f"invalid argument {name}")',
        "The Terms of Service and the Refund Policy apply to Basic Economy tickets.",
        "SELECT id, status FROM orders WHERE total > 100 ORDER BY created_at;",
        "I couldn't find the file, so I've created a new one.",
        "import numpy as np\nfrom collections import defaultdict",
        "Unfortunately, we can't refund this. However, you may rebook it.",
    ],
)
def test_code_headings_and_sentence_starts_are_nobody(text):
    """A capital letter alone makes no person."""
    assert told(text) == []


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=300), st.lists(st.text(max_size=8), max_size=4))
def test_findings_are_ranges_of_the_text_in_order(text, context):
    """Whatever the text, lone surrogates included: no error, no overlap, scores from 0 to 1."""
    end = 0
    for finding in find(text, tuple(context)):
        assert end <= finding.start < finding.end <= len(text)
        assert 0 <= finding.score <= 1
        assert finding.entity_type in ENTITIES
        end = finding.end


def test_the_same_text_has_the_same_findings_whatever_came_before():
    """Nothing that is remembered of other texts changes a score."""
    text = "Invoice for Ingrid Halvorsen, Storgata 15, Bergen."
    first, used = NameFinder().find(text), NameFinder()
    for number in range(50):
        used.find(f"Kjell{number} Olsen{number} and {number} others", ("name",))
    assert used.find(text) == first
    assert NameFinder().find(f"{'word ' * 5000}{text}")[-len(first) :] == [
        type(f)(f.start + 25_000, f.end + 25_000, f.entity_type, f.score) for f in first
    ]


class _Counting:
    """Counts how often the features of a word are made."""

    def __init__(self, original):
        self.original, self.count = original, 0

    def __call__(self, *arguments):
        self.count += 1
        return self.original(*arguments)


def test_a_word_is_taken_apart_once(monkeypatch):
    """Agents repeat themselves, and the features of a word cost most of its time."""
    counting = _Counting(model_module.rows_of)
    monkeypatch.setattr(model_module, "rows_of", counting)
    finder = NameFinder()
    finder.find("we met Ana in Porto " * 50)
    once = counting.count
    finder.find("we met Ana in Porto " * 5000)
    assert counting.count == once < 20


@pytest.mark.parametrize(
    "piece",
    ["a", "A", "a.", "'a", "a'", " '", "1-1-", "Mia Li ", "\n ", "((", "1990-04-05 ", "born "],
)
def test_work_grows_with_the_length_alone(piece):
    """A line twice as long takes twice the steps, also where everything is a name or a date."""
    short, long = (_steps(piece * count) for count in (2000, 8000))
    assert long < 5 * short + 2000


def _steps(text):
    finder, steps = default_finder(), 0
    finder.find(text)

    def count(frame, event, argument):
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        finder.find(text)
    finally:
        sys.settrace(before)
    return steps


def test_more_words_than_are_remembered_do_no_harm():
    """The memory of words is bounded, and starts anew when it is full."""
    finder = NameFinder()
    text = "Ask Margaret Thornbury."
    expected = finder.find(text)
    for number in range(0, 30_000, 1500):
        finder.find(" ".join(f"w{n}" for n in range(number, number + 1500)))
    assert finder.find(text) == expected


def test_model_and_notice_ship_together():
    """The file is small, and each source that it was made from is named beside it."""
    assert FILE.stat().st_size < 4_000_000
    notice = FILE.with_name("NOTICE").read_text("utf-8")
    needed = Path(__file__).parents[1] / "redaction" / "training" / "requirements.txt"
    packages = [line.split("==")[0] for line in needed.read_text().splitlines() if "==" in line]
    assert packages
    assert all(package.lower() in notice.lower() for package in packages)


def test_a_file_read_and_written_again_is_the_same():
    """What ships is exactly what was trained."""
    assert Model.load(FILE).to_bytes() == FILE.read_bytes()
