"""Hostile text is shown and never acts: not on a terminal, not on a line, not in a spreadsheet."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locard.query.inert import csv_cell, lines, one_line

ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
NEVER_SEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
anything = st.text(st.characters(exclude_categories=()))
tricky = st.text(st.sampled_from("=+-@＝\t\r\n;,'\"` \u200b\ufeff\x00a1（﬩⁺−"), max_size=8)


def acting(text: str) -> set[str]:
    """Return the characters that do something, or that nobody sees."""
    return {c for c in text if unicodedata.category(c) in ACTING} | set(NEVER_SEEN.findall(text))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        pytest.param("\x1b[2J\x1b[31mred", "␛[2J␛[31mred", id="screen cleared and coloured"),
        pytest.param("\x9b2J", "<U+009B>2J", id="escape sequence of one character"),
        pytest.param(
            "\x1b]8;;http://evil\x07go\x1b]8;;\x07",
            "␛]8;;http://evil<U+0007>go␛]8;;<U+0007>",
            id="link",
        ),
        pytest.param("\x1b]52;c;AAAA\x1b\\", "␛]52;c;AAAA␛\\", id="clipboard written"),
        pytest.param("paid\rdenied", "paid␍denied", id="line overwritten"),
        pytest.param("no\x08\x08ok", "no<U+0008><U+0008>ok", id="characters rubbed out"),
        pytest.param("a\n2026-05-04 allow", "a⏎2026-05-04 allow", id="line forged"),
        pytest.param("a\u2028b\u2029c", "a<U+2028>b<U+2029>c", id="line forged by a separator"),
        pytest.param("a\x85b\x0bc\x0cd", "a<U+0085>b<U+000B>c<U+000C>d", id="older line breaks"),
        pytest.param("\u202e0031", "<U+202E>0031", id="direction overridden"),
        pytest.param("\u2066a\u2069", "<U+2066>a<U+2069>", id="direction isolated"),
        pytest.param("\u061c\u200f", "<U+061C><U+200F>", id="direction marked"),
        pytest.param("se\u200bnd", "se<U+200B>nd", id="word broken invisibly"),
        pytest.param("a\U000e0041", "a<U+E0041>", id="text hidden in tags"),
        pytest.param("a\ufe0f\U000e0100", "a<U+FE0F><U+E0100>", id="text hidden in variants"),
        pytest.param("\u3164", "<U+3164>", id="name of a filler"),
        pytest.param("\ufeff\x7f\x00", "<U+FEFF><U+007F><U+0000>", id="mark, DEL and NUL"),
        pytest.param("\ud83d", "<U+D83D>", id="half a character"),
        pytest.param("\ue000\U0010fffd", "<U+E000><U+10FFFD>", id="private use"),
        pytest.param("\uffff\U000e0fff", "<U+FFFF><U+E0FFF>", id="no character at all"),
    ],
)
def test_what_acts_is_shown_instead(hostile, shown):
    """An attack is seen as what it is, and everything around it stays."""
    assert one_line(hostile) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "Zürich — 1,00 €",
        "日本語 한국 👍🏽 ✅",
        "‹IBAN_CODE:k1:9f2c71d0a4b85e16›",
        "שלום مرحبا",
        "no\u00a0break\u3000wide",
        "Ti\u1ebfng Vi\u0302\u0323et",
        "ก็เป็น",
        "x²±½",
    ],
)
def test_what_does_not_act_stays_as_it_is(text):
    """Text of any language, symbols, tokens and spaces are shown unchanged."""
    assert one_line(text) == text


def test_no_character_of_unicode_acts():
    """Of all code points there are, none acts after it was made inert, alone or among others."""
    for start in range(0, 0x110000, 0x1000):
        block = "".join(map(chr, range(start, start + 0x1000)))
        assert not acting(one_line(block)), hex(start)
        assert not acting(csv_cell(block)) - {"\t", "\n"}, hex(start)


@given(anything)
def test_no_text_acts(text):
    """Whatever the text, it is one inert line, and making it inert again changes nothing."""
    shown = one_line(text)
    assert not acting(shown)
    assert one_line(shown) == shown


def test_marks_do_not_pile_up_over_other_lines():
    """A character keeps the few marks that scripts need; what is piled on it is told instead."""
    shown = one_line("Z" + "\u0301" * 40)
    assert shown == "Z" + "\u0301" * 4 + "<U+0301>" * 36


@given(anything)
def test_a_text_has_as_many_lines_as_it_has_line_feeds(text):
    """Only a line feed begins a line; each line is inert."""
    found = lines(text)
    assert len(found) == text.count("\n") + 1
    assert not acting("".join(found))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t'=1"),
        ("\tx", "'\tx"),
        ('"=1', "'\"=1"),
        ("'=1", "''=1"),
        ("＝1", "'＝1"),
        ("＠x", "'＠x"),
        ("−1", "'−1"),
        ("a;=1", "a;'=1"),
        ("a\n=1", "a\n'=1"),
        ("a\t =1", "a\t' =1"),
        ("a=1", "a=1"),
        ("a, -1", "a, -1"),
        ("x@example.com", "x@example.com"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    """An apostrophe stands before what a spreadsheet would run, and before nothing else."""
    assert csv_cell(text) == cell


@given(tricky | anything)
def test_no_cell_is_a_formula_wherever_it_is_split(text):
    """However a spreadsheet splits a cell and trims what it finds, no piece begins a formula."""
    cell = csv_cell(text)
    for piece in re.split("[;\t\r\n]", cell):
        begins = unicodedata.normalize("NFKC", piece).replace("−", "-").lstrip(' "`')
        assert not begins.startswith(("=", "+", "-", "@")), ascii(cell)


def test_a_cell_keeps_its_lines_and_shows_what_acts():
    """Lines and tabs of a cell stay; a carriage return, an escape and half a character do not."""
    assert csv_cell("a\r\nb\tc\rd\x1b[2J\ud83d") == "a\nb\tc␍d␛[2J<U+D83D>"
