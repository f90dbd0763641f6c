"""The page of the catalogue is the catalogue."""

from __future__ import annotations

from pathlib import Path

from locard.query.catalogue.reference import page


def test_the_page_is_that_of_the_catalogue():
    """`python -m locard.query.catalogue.reference > docs/questions.md` makes it anew."""
    kept = Path(__file__).parents[1] / "docs" / "questions.md"
    assert kept.read_text() == page().rstrip() + "\n"
