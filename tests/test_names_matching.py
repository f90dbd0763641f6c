"""How the quality bench counts: by characters and by spans."""

from __future__ import annotations

from bench.matching import Labelled, Tally, by_characters, by_spans, is_covered, merged

TEXT = "Ana Li, Porto 12"
ANA = Labelled(0, 6, "PERSON")
PORTO = Labelled(8, 13, "LOCATION")


def counted(count, labels, found, **options):
    """Return precision and recall."""
    tally = Tally()
    count(tally, TEXT, labels, found, **options)
    return tally.precision(), tally.recall()


def test_what_is_found_exactly_counts_in_full():
    """Both ways of counting agree where nothing is wrong."""
    assert counted(by_characters, [ANA, PORTO], [PORTO, ANA]) == (1, 1)
    assert counted(by_spans, [ANA, PORTO], [PORTO, ANA], least_overlap=1) == (1, 1)


def test_characters_count_letters_and_digits_alone():
    """Half a name is half right; the comma after it is neither right nor wrong."""
    assert counted(by_characters, [ANA], [Labelled(0, 3, "PERSON")]) == (1, 3 / 5)
    assert counted(by_characters, [ANA], [Labelled(0, 8, "PERSON")]) == (1, 1)


def test_another_type_is_a_miss_and_a_finding_in_vain():
    """A place that is called a person is wrong twice."""
    as_person = Labelled(8, 13, "PERSON")
    assert counted(by_characters, [PORTO], [as_person]) == (0, 0)
    assert counted(by_spans, [PORTO], [as_person], least_overlap=0.5) == (0, 0)
    assert counted(by_spans, [PORTO], [as_person], least_overlap=0.5, typed=False) == (1, 1)


def test_a_span_has_to_overlap_enough():
    """Three of five letters are enough for one half and not for nine tenths."""
    part = Labelled(0, 3, "PERSON")
    assert counted(by_spans, [ANA], [part], least_overlap=0.5) == (1, 1)
    assert counted(by_spans, [ANA], [part], least_overlap=0.9) == (0, 0)


def test_each_finding_matches_once():
    """One finding over two labels cannot be right twice."""
    labels = [Labelled(0, 6, "PERSON"), Labelled(8, 13, "PERSON")]
    text_between = "Ana Li x Porto"
    tally = Tally()
    by_spans(tally, text_between, labels, [Labelled(0, 14, "PERSON")], least_overlap=0.3)
    assert tally.right["all"] == 1
    assert tally.missed["all"] == 1


def test_neighbours_of_one_type_are_one_span():
    """Street and town of one address count once, whoever parts them."""
    parts = [Labelled(8, 13, "LOCATION"), Labelled(14, 16, "LOCATION"), ANA]
    assert merged(TEXT, parts) == [ANA, Labelled(8, 16, "LOCATION")]


def test_several_findings_can_cover_one_value():
    """A value is found if nothing of it stays readable."""
    assert is_covered(0, 6, [Labelled(3, 6, "B"), Labelled(0, 4, "A")])
    assert not is_covered(0, 6, [Labelled(0, 3, "A"), Labelled(4, 6, "B")])
    assert not is_covered(0, 6, [])
