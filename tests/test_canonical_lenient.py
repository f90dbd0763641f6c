"""Reading other people's JSON: nothing is lost in a number, and what comes out is canonical."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from locard.ingest.importers.lenient import parse_json_keeping_numbers
from locard.schema import JsonError, canonical_bytes, parse_json

KEPT_AS_NUMBERS = {
    "0": 0,
    "-1": -1,
    "9007199254740991": 2**53 - 1,
    "-9007199254740992": -(2**53),
    "100000000000000000000": 10**20,
    "1.5": 1.5,
    "1e15": 1e15,
    "1e17": 1e17,
    "1e308": 1e308,
    "1e-400": 0.0,
}
KEPT_AS_TEXT = [
    "9007199254740993",
    "-9007199254740993",
    "12345678901234567890",
    "1000000000000000000000",
    "1" * 5_000,
    "1e400",
    "-1e400",
]


@pytest.mark.parametrize("digits", KEPT_AS_NUMBERS)
def test_numbers_that_every_reader_keeps_stay_numbers(digits):
    """A number within the limits is a number, also beside one that is not."""
    number = KEPT_AS_NUMBERS[digits]

    assert parse_json_keeping_numbers(digits.encode()) == (number, 0)
    assert parse_json_keeping_numbers(f'{{"n":{digits},"m":1e400}}'.encode()) == (
        {"n": number, "m": "1e400"},
        1,
    )


@pytest.mark.parametrize("digits", KEPT_AS_TEXT, ids=lambda digits: digits[:22])
def test_numbers_that_would_change_become_their_digits(digits):
    """A number beyond the limits is kept as the very text that stood there, and counted."""
    data = f'{{"a":[{digits},1,{{"b":{digits}}}],"c":"9007199254740993"}}'.encode()

    value, kept = parse_json_keeping_numbers(data)

    assert value == {"a": [digits, 1, {"b": digits}], "c": "9007199254740993"}
    assert kept == 2


FAULTS = {
    "a bare word": (b"Kanarienvogel", "syntax"),
    "not UTF-8": (b'"Kanarienvogel\xff"', "encoding"),
    "a lone surrogate": (rb'"Kanarienvogel\ud800"', "encoding"),
    "a key twice": (b'{"Kanarienvogel":1,"Kanarienvogel":2}', "duplicate_key"),
    "too deep": (b"[" * 10_000 + b'"Kanarienvogel"' + b"]" * 10_000, "too_deep"),
    "NaN": (b"NaN", "not_finite"),
    "an infinity": (b"-Infinity", "not_finite"),
}


@pytest.mark.parametrize(
    "digits", ["1", "1e400", "9007199254740993", "1" * 5_000], ids=lambda digits: digits[:9]
)
@pytest.mark.parametrize(("data", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_other_faults_are_errors_whatever_numbers_stand_beside_them(data, reason, digits):
    """A fault is refused for its own reason, and the error quotes nothing."""
    with pytest.raises(JsonError) as caught:
        parse_json_keeping_numbers(b'{"n":%s,"v":%s}' % (digits.encode(), data))

    assert caught.value.reason == reason
    assert "anarien" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"1 2", b"1e400 2", b"\xef\xbb\xbf1", b"\xef\xbb\xbf1e400"])
def test_what_is_not_one_json_text_is_an_error(data):
    """Nothing, two values and a byte order mark are refused, however large their numbers."""
    with pytest.raises(JsonError) as caught:
        parse_json_keeping_numbers(data)

    assert caught.value.reason == "syntax"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = (
    st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2.0**53, 1e17, 1e20, 1e21, 1e300])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


@given(values)
@example([2**53, 2**53 + 1, 2.0**53])
def test_whatever_is_read_has_canonical_bytes_that_read_back(value):
    """The result can be stored and read again, and only numbers that JSON rounds have changed."""
    read, kept = parse_json_keeping_numbers(json.dumps(value).encode())

    data = canonical_bytes(read)
    assert canonical_bytes(parse_json(data)) == data
    assert changes(value, read) == kept


def changes(value, read) -> int:
    """Count the numbers that became text, and fail where anything else differs."""
    if isinstance(value, dict):
        assert value.keys() == read.keys()
        return sum(changes(value[key], read[key]) for key in value)
    if isinstance(value, list):
        assert len(value) == len(read)
        return sum(map(changes, value, read))
    if isinstance(value, int | float) and not isinstance(value, bool) and isinstance(read, str):
        assert Decimal(read) == Decimal(repr(value))
        assert abs(value) > 2**53
        return 1
    assert value == read
    return 0
