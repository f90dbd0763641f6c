"""Canonical bytes are what digests are computed on: a wrong byte here is a broken proof.

The oracle for whole values is the `rfc8785` package; the tables of the RFC itself and a strict
reader built on the standard library stand beside it, so that no error is shared with one source.
"""

from __future__ import annotations

import enum
import inspect
import json
import math
import pickle
import struct
import sys
import traceback
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from locard.schema.canonical import canonical_bytes
from locard.schema.json_rules import MAX_DEPTH, MAX_INT, CanonicalError, JsonError
from locard.schema.strict_json import parse_json

CANARY = "Kanarienvogel-\u00e9-4711"

# --- generators, each aimed at one trap ----------------------------------------------------------

# Both sides of the place where UTF-16 order and code point order part, and every kind of escape.
EDGE_CHARACTERS = (
    '\0\b\t\n\x0b\f\r\x1f "/\\az\x7f\x80é\u2028\ud7ff\ue000\ufb33\uffff\U00010000😀\U0010ffff'
)
edge_text = st.text(st.sampled_from(EDGE_CHARACTERS), max_size=4)
any_text = edge_text | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

# Where ECMAScript or Python changes notation, and the ends of the doubles.
FLOAT_EDGES = [
    0.0, 5e-324, 2.2250738585072014e-308, 1e-8, 1e-7, 1.5e-7, 1e-6, 1.5e-6, 1e-5, 1e-4, 0.1, 1.0,
    1e15, 1e16, 12345678901234567.0, 2.0**53 - 1, 2.0**53, 2.0**53 + 2, 1e17, 1e20, 123e18, 1e21,
    1e22, 1e23, 1e99, 1e100, 1.7976931348623157e308,
]  # fmt: skip
near_edge = st.builds(
    lambda edge, direction, sign: sign * math.nextafter(edge, direction),
    st.sampled_from(FLOAT_EDGES[:-1]),
    st.sampled_from([0.0, math.inf]),
    st.sampled_from([1, -1]),
)
any_bits = st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack("<d", b)[0])
by_exponent = st.builds(
    lambda digits, power: float(f"{digits}e{power}"),
    st.integers(-(10**17), 10**17),
    st.integers(-30, 10),
)
floats = st.one_of(
    st.sampled_from([*FLOAT_EDGES, *(-edge for edge in FLOAT_EDGES)]),
    near_edge,
    by_exponent,
    any_bits.filter(math.isfinite),
)
integers = st.integers(-MAX_INT, MAX_INT) | st.sampled_from([MAX_INT, -MAX_INT, 0, 10**15])
scalars = st.one_of(st.none(), st.booleans(), integers, floats, any_text)


def nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(keys, inner, max_size=5),
        ),
        max_leaves=12,
    )


json_values = nested(scalars, any_text)

# Integral floats come back as integers of the same digits, see `test_integral_floats_come_back`.
readable_scalars = scalars.filter(
    lambda v: not (isinstance(v, float) and MAX_INT < abs(v) < 1e21 and v.is_integer())
)
readable_values = nested(readable_scalars, any_text)


def rounded(number: int) -> bool:
    """Whether a reader of doubles would not see this integer, told by the oracle's spelling."""
    return abs(number) >= 10**21 or rfc8785.dumps(float(number)) != b"%d" % number


lone_surrogate = st.integers(0xD800, 0xDFFF).map(chr)
broken_text = st.tuples(any_text, lone_surrogate, any_text).map("".join)
refused_leaves = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, b"bytes", Decimal(1), 1j, object(), {1}]),
    st.one_of(st.integers(min_value=MAX_INT + 1), st.integers(max_value=-MAX_INT - 1)).filter(
        rounded
    ),
    broken_text,
)
refused_keys = broken_text | st.sampled_from([None, True, 0, 1.5, b"k", ("k",)])


# --- helpers -------------------------------------------------------------------------------------


def oracle(value: Any) -> bytes | None:
    """The oracle's bytes, or None where it refuses; it lets UnicodeEncodeError through for keys."""
    try:
        return rfc8785.dumps(value)
    except ValueError:
        return None


def ours(value: Any) -> bytes | None:
    try:
        return canonical_bytes(value)
    except CanonicalError:
        return None


def strict_standard_reader(data: bytes) -> Any:
    """What `parse_json` promises, written a second time: slowly, on the standard library."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        assert len(members) == len(pairs)
        return members

    def integer(text: str) -> int:
        assert len(text) < 23
        assert abs(int(text)) <= MAX_INT or not rounded(int(text))
        return int(text)

    def double(text: str) -> float:
        assert math.isfinite(float(text))
        return float(text)

    def constant(text: str) -> None:
        raise AssertionError

    value = json.loads(
        data.decode(),
        object_pairs_hook=unique,
        parse_int=integer,
        parse_float=double,
        parse_constant=constant,
    )
    json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    return value


def array(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def object_(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def mixed(depth: int) -> Any:
    value: Any = ()
    for level in range(depth - 1):
        value = [[value], (value,), {"k": value}, OrderedDict(k=value)][level % 4]
    return value


# --- writing: the RFC's own tables ---------------------------------------------------------------

APPENDIX_B = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), APPENDIX_B)
def test_numbers_are_written_as_appendix_b_lists_them(bits: str, text: str) -> None:
    """A double is written as in RFC 8785 appendix B: alone, in an array and in an object."""
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert canonical_bytes(number) == text.encode()
    assert canonical_bytes([number]) == f"[{text}]".encode()
    assert canonical_bytes({"n": number}) == f'{{"n":{text}}}'.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_numbers_appendix_b_calls_errors_are_refused(bits: str) -> None:
    """NaN and the infinities are refused wherever they stand."""
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    for value in (number, [number], {"n": number}):
        with pytest.raises(CanonicalError) as caught:
            canonical_bytes(value)
        assert caught.value.reason == "not_finite"


def test_the_sample_of_section_3_2_2_gives_the_bytes_of_the_rfc() -> None:
    """The worked example of RFC 8785 section 3.2.2 gives the result printed in 3.2.3."""
    source = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + r"'" + r'B\"\\\\\"/"}'
    )
    assert canonical_bytes(parse_json(source)) == expected.encode()


def test_the_sorting_sample_of_section_3_2_3_keeps_its_order() -> None:
    """Keys are ordered by UTF-16 code units, as in the example of RFC 8785 section 3.2.3."""
    in_order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    written = canonical_bytes(dict.fromkeys(sorted(in_order), 0))
    assert list(json.loads(written)) == in_order


# --- writing: against the oracle -----------------------------------------------------------------


@given(json_values)
def test_any_json_value_has_the_bytes_of_the_oracle(value: Any) -> None:
    """A JSON value is written byte for byte as an independent RFC 8785 implementation does."""
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(floats)
@example(-0.0)
@example(-1.5e-6)
@example(-1e20)
def test_floats_have_the_bytes_of_the_oracle(number: float) -> None:
    """Every finite double is written as the oracle writes it and reads back as the same double."""
    written = canonical_bytes(number)
    assert written == rfc8785.dumps(number)
    assert float(written) == number


@pytest.mark.parametrize("edge", FLOAT_EDGES)
def test_doubles_beside_a_change_of_notation_have_the_bytes_of_the_oracle(edge: float) -> None:
    """The doubles just below, at and just above each boundary are written as the oracle does."""
    for number in (math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf)):
        for signed in (number, -number):
            assert ours(signed) == oracle(signed)


by_code_unit_only = st.text(
    st.sampled_from("a\ud7ff\ue000\uefff\uf000\uffff\U00010000😀\U000fffff\U00100000"), max_size=3
)


@given(
    st.dictionaries(by_code_unit_only, integers),
    st.sampled_from([lambda v: v, lambda v: [v], lambda v: {"k": v}, lambda v: {"k": [v]}]),
)
def test_keys_are_ordered_by_utf16_code_units(members: Any, wrap: Callable[[Any], Any]) -> None:
    """Keys with characters beyond the BMP are ordered by code units, however deep they are."""
    in_order = {key: members[key] for key in sorted(members, key=_units)}
    expected = json.dumps(wrap(in_order), ensure_ascii=False, separators=(",", ":"))
    assert canonical_bytes(wrap(members)) == expected.encode()


@pytest.mark.parametrize("bmp", ["\ue000", "\uefff", "\uf000", "\uffff"])
@pytest.mark.parametrize(
    "astral", ["\U00010000", "\U0003ffff", "\U00040000", "\U000fffff", "\U00100000", "\U0010ffff"]
)
def test_astral_keys_stand_before_the_end_of_the_bmp(astral: str, bmp: str) -> None:
    """A key of one astral character goes before each of U+E000..U+FFFF, and nothing else moves."""
    assert canonical_bytes({bmp: 1, astral: 2}) == f'{{"{astral}":2,"{bmp}":1}}'.encode()
    assert canonical_bytes({"\ud7ff": 1, astral: 2}) == f'{{"\ud7ff":1,"{astral}":2}}'.encode()


ESCAPES = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


@pytest.mark.parametrize("code", [*range(0x100), 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x1F600, 0x10FFFF])
def test_only_what_must_be_escaped_is_escaped(code: int) -> None:
    """A character is written as section 3.2.2.2 says: short escape, lower \\u00xx or itself."""
    char = chr(code)
    text = ESCAPES.get(char, f"\\u{code:04x}" if code < 0x20 else char)
    assert canonical_bytes(char) == f'"{text}"'.encode()
    assert canonical_bytes([char]) == f'["{text}"]'.encode()
    assert canonical_bytes({char: char}) == f'{{"{text}":"{text}"}}'.encode()


@given(nested(scalars | refused_leaves, any_text | refused_keys))
@example({1: 1, "a": 2})
@example({1: 1, 2: 2})
@example({"\ud800": 1})
@example([{"k": ["\udfff"]}])
def test_what_the_oracle_refuses_is_refused(value: Any) -> None:
    """A value is refused exactly where the oracle refuses it, and written alike elsewhere."""
    assert ours(value) == oracle(value)


# --- writing: what is refused, and how -----------------------------------------------------------


@pytest.mark.parametrize(
    "number", [2**53 + 1, -(2**53) - 1, 2**63, 10**400, -(10**5000)], ids=range(5)
)
@pytest.mark.parametrize("place", [lambda v: v, lambda v: [v], lambda v: {"k": v}])
def test_integers_that_json_does_not_keep_exact_are_refused(
    number: int, place: Callable[[Any], Any]
) -> None:
    """An integer beyond 2^53-1 is refused wherever it stands; 2^53-1 itself is written."""
    assert ours(place(MAX_INT)) == oracle(place(MAX_INT)) is not None
    assert ours(place(-MAX_INT)) == oracle(place(-MAX_INT)) is not None
    with pytest.raises(CanonicalError) as caught:
        canonical_bytes(place(number))
    assert caught.value.reason == "number_range"


FAULTY_VALUES: list[tuple[Any, str, str]] = [
    ([1, {"a": 0, "b": [0, 2**53 + 1]}], "number_range", "position 1/1/1"),
    ({"b": [math.inf], "a": 0}, "not_finite", "position 0/0"),
    ({"z": math.nan, "a": 2**53 + 1}, "number_range", "position 1"),
    (math.nan, "not_finite", "top level"),
    (["", "\ud800"], "encoding", "position 1"),
    ({"\udfff": 0}, "encoding", "top level"),
    ([{"\ud83d": 0}], "encoding", "position 0"),
    ({1: 0}, "key_type", "top level"),
    ({"a": 0, None: 0}, "key_type", "top level"),
    ({"a": {"b": {True: 0}}}, "key_type", "position 0/0"),
    ([{"a": b""}], "value_type", "position 0/0"),
    ([(), {1, 2}], "value_type", "position 1"),
    (MappingProxyType({}), "value_type", "top level"),
    (array(MAX_DEPTH + 1), "too_deep", "below the top level"),
]


@pytest.mark.parametrize(("value", "reason", "where"), FAULTY_VALUES)
def test_a_refused_value_is_reported_with_reason_and_position(
    value: Any, reason: str, where: str
) -> None:
    """The error of a refused value names the kind of fault and the path of positions to it."""
    with pytest.raises(CanonicalError) as caught:
        canonical_bytes(value)
    assert caught.value.reason == reason
    assert caught.value.where.removesuffix(" counted from 0").endswith(where)
    assert caught.value.where in str(caught.value)


# --- writing: subclasses -------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "red"


class Mixed(str, enum.Enum):  # noqa: UP042 - the older spelling, whose str() is "Mixed.A"
    A = "a"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**53 + 1


class OddInt(int):
    def __repr__(self) -> str:
        return "odd"

    __str__ = __repr__

    def __int__(self) -> int:
        return 7


class OddFloat(float):
    def __repr__(self) -> str:
        return "odd"


class Apart(str):
    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Backwards(str):
    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Colour.RED, b'"red"'),
        ({"k": Mixed.A, "l": [Mixed.A]}, b'{"k":"a","l":["a"]}'),
        ({Colour.RED: 1, Mixed.A: 2}, b'{"a":2,"red":1}'),
        ([Level.LOW, {"k": Level.LOW}], b'[1,{"k":1}]'),
        ([OddInt(3), {"k": OddInt(3)}], b'[3,{"k":3}]'),
        ([OddFloat(1.0), {"k": OddFloat(0.5)}], b'[1,{"k":0.5}]'),
        (OrderedDict(b=1, a=Pair(1, 2)), b'{"a":[1,2],"b":1}'),
        ({Backwards("a"): 1, Backwards("b"): 2, "c": 3}, b'{"a":1,"b":2,"c":3}'),
        ([True, 1, False, 0, None, {"k": True, "l": False}],
         b'[true,1,false,0,null,{"k":true,"l":false}]'),
    ],
)  # fmt: skip
def test_subclasses_are_written_as_the_value_they_hold(value: Any, written: bytes) -> None:
    """A subclass or enum member is written as its plain value, whatever it overrides."""
    assert canonical_bytes(value) == written


def test_an_integer_enum_beyond_the_range_is_refused() -> None:
    """The range of integers holds for members of enums as well."""
    assert ours(Level.HIGH) is ours([Level.HIGH]) is ours({"k": Level.HIGH}) is None


def test_keys_that_differ_only_for_python_are_refused() -> None:
    """Two keys with the same text are refused, though a subclass lets a dict hold both."""
    value: Any = {"red": 1, Apart("red"): 2}
    assert len(value) == 2
    with pytest.raises(CanonicalError) as caught:
        canonical_bytes(value)
    assert caught.value.reason == "duplicate_key"


# --- writing and reading back --------------------------------------------------------------------


@given(readable_values)
def test_canonical_bytes_read_back_as_the_same_value(value: Any) -> None:
    """Canonical bytes parse to an equal value, and that value has the same canonical bytes."""
    written = canonical_bytes(value)
    read = parse_json(written)
    assert read == json.loads(json.dumps(value))
    assert canonical_bytes(read) == written


@pytest.mark.parametrize("number", [2.0**53, -(2.0**53), 1e20, math.nextafter(1e21, 0)])
def test_integral_floats_come_back(number: float) -> None:
    """A float written as an integer beyond 2^53-1 is read as the same number, and written again."""
    written = canonical_bytes(number)
    assert float(str(parse_json(written))) == number
    assert canonical_bytes(parse_json(written)) == written


@pytest.mark.parametrize("digits", [b"9007199254740993", b"12345678901234567890", b"9" * 21])
def test_integers_that_a_double_would_round_are_refused(digits: bytes) -> None:
    """An account number beyond 2^53-1 must not lose its last digit to a reader of doubles."""
    with pytest.raises(JsonError) as caught:
        parse_json(digits)
    assert caught.value.reason == "number_range"
    with pytest.raises(CanonicalError):
        canonical_bytes(int(digits))


# --- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [array, object_, mixed])
def test_nesting_is_accepted_up_to_the_limit(shape: Callable[[int], Any]) -> None:
    """Nesting of exactly MAX_DEPTH is written and read back; one level more is refused by both."""
    written = canonical_bytes(shape(MAX_DEPTH))
    assert written == rfc8785.dumps(shape(MAX_DEPTH))
    assert canonical_bytes(parse_json(written)) == written
    with pytest.raises(CanonicalError) as unwritten:
        canonical_bytes(shape(MAX_DEPTH + 1))
    with pytest.raises(JsonError) as unread:
        parse_json(rfc8785.dumps(shape(MAX_DEPTH + 1)))
    assert unwritten.value.reason == unread.value.reason == "too_deep"


@pytest.mark.parametrize("leaf", [0, "x", None, [], {}, [0], {"a": 0}])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"k":', b"}"), (b'[{"k":', b"}]")])
@pytest.mark.parametrize("depth", range(MAX_DEPTH - 3, MAX_DEPTH + 4))
def test_reader_and_writer_share_one_limit(
    depth: int, brackets: tuple[bytes, bytes], leaf: Any
) -> None:
    """A text is too deep for the reader exactly where its value is too deep for the writer."""
    opening, closing = brackets
    times = depth // (2 if opening.startswith(b"[{") else 1)
    data = opening * times + json.dumps(leaf).encode() + closing * times
    if ours(json.loads(data)) is not None:
        assert parse_json(data) == json.loads(data)
        return
    with pytest.raises(JsonError) as caught:
        parse_json(data)
    assert caught.value.reason == "too_deep"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """Breadth is not depth: thousands of shallow objects are written and read."""
    value: Any = [{"a": [i, "[[[{{{"]} for i in range(3000)]
    assert parse_json(canonical_bytes(value)) == value


@pytest.mark.parametrize("shape", [array, object_])
def test_extreme_nesting_and_cycles_are_refused_not_crashed(shape: Callable[[int], Any]) -> None:
    """A hundred thousand levels, or a value inside itself, is refused with an ordinary error."""
    cycle: Any = [2**53 + 1]
    cycle.insert(0, cycle)
    ring: dict[str, Any] = {"b": 2**53 + 1}
    ring["a"] = ring["c"] = ring
    late: dict[str, Any] = {}
    late["z"], late["a"] = late, 2**53 + 1
    for value in (shape(100_000), cycle, ring, late):
        with pytest.raises(CanonicalError):
            canonical_bytes(value)
    for opening in (b"[", b'{"k":'):
        with pytest.raises(JsonError) as caught:
            parse_json(opening * 100_000)
        assert caught.value.reason == "too_deep"


def test_a_caller_deep_in_the_stack_gets_no_recursion_error() -> None:
    """With the stack almost used up, writing gives an ordinary error and reading works."""
    value = array(150)
    data = canonical_bytes(value)

    def down(levels: int) -> Any:
        if levels:
            return down(levels - 1)
        with pytest.raises(CanonicalError) as caught:
            canonical_bytes(value)
        return caught.value.reason, parse_json(data)

    room = sys.getrecursionlimit() - len(inspect.stack(0))
    assert down(room - 100) == ("too_deep", value)


# --- reading -------------------------------------------------------------------------------------


@given(readable_values, st.booleans(), st.sampled_from([None, 0, 1]))
def test_any_spelling_of_a_value_is_read(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Escaped or raw characters, spaces and line breaks make no difference to what is read."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    read = parse_json(text.encode())
    assert read == json.loads(text)
    assert canonical_bytes(read) == canonical_bytes(value)


json_pieces = st.sampled_from([
    *"[]{},:\"\\ \n-+.eE019ax", "\u00e9", '"a"', '"a":', '"b":1', '{"a":1}', "null", "true", "NaN",
    "Infinity", "1e308", "e9", "9007199254740991", "9007199254740993",
    "\\ud83d", "\\ude00", '"\\u0061"',
])  # fmt: skip
almost_json = st.lists(json_pieces, max_size=12).map(lambda pieces: "".join(pieces).encode())
dented_json = st.builds(
    lambda value, at, cut, piece: (
        lambda data: data[: at % (len(data) + 1)] + piece + data[at % (len(data) + 1) + cut :]
    )(json.dumps(value, ensure_ascii=False).encode()),
    readable_values,
    st.integers(0, 400),
    st.integers(0, 2),
    json_pieces.map(str.encode) | st.binary(max_size=2),
)


@given(almost_json | dented_json | st.binary(max_size=12))
@example(b'"\\ud83d\\ude00"')
@example(b'"\\ude00\\ud83d"')
@example(b"1e400")
@example(b"-1E+400")
@example(b"1" * 310 + b".0")
@example(b"1e-400")
@example(b"-0")
@example(b'{"\xc3\xa9":1,"\\u00e9":2}')
def test_reading_agrees_with_a_strict_reader_on_the_standard_library(data: bytes) -> None:
    """Any bytes are accepted exactly where a second strict reader accepts them, and read alike."""
    try:
        expected = strict_standard_reader(data)
    except (ValueError, AssertionError):
        with pytest.raises(JsonError):
            parse_json(data)
    else:
        read = parse_json(data)
        assert read == expected
        assert repr(read) == repr(expected)  # tells 1 from 1.0 and from True


@given(st.text(max_size=6), st.lists(any_text, max_size=3), st.booleans())
def test_duplicate_keys_are_refused_at_any_depth(key: str, wrap: list[str], escaped: bool) -> None:
    """The same key twice in one object is refused, however it is spelled and however deep it is."""
    first = json.dumps(key, ensure_ascii=False)
    second = '"' + "".join(rf"\u{unit:04x}" for unit in _units(key)) + '"' if escaped else first
    text = f'{{{first}:1,"other {len(key)}":{{{first}:0}},{second}:[]}}'
    for name in wrap:
        text = f"[0,{{{json.dumps(name)}:{text}}}]"
    with pytest.raises(JsonError) as caught:
        parse_json(text.encode())
    assert caught.value.reason == "duplicate_key"


def _units(text: str) -> tuple[int, ...]:
    data = text.encode("utf-16-be")
    return struct.unpack(f">{len(data) // 2}H", data)


FAULTY_TEXTS: list[tuple[bytes, str, int]] = [
    (b"", "syntax", 0),
    (b" ", "syntax", 0),
    (b"{} x", "syntax", 3),
    (b"{}\x00", "syntax", 2),
    (b'{\n "a": 1,\n "b": oops}', "syntax", 17),
    (b"[1,]", "syntax", 3),
    (b"01", "syntax", 1),
    (b"+1", "syntax", 0),
    (b"'a'", "syntax", 0),
    (b'"\n"', "syntax", 1),
    (b"// c\n1", "syntax", 0),
    (b"\xef\xbb\xbf{}", "syntax", 0),
    (b'{"a":1,"a":2}', "duplicate_key", 11),
    (b'{"a":1,"a":NaN}', "duplicate_key", 11),
    (b'{"a at line 1 column 3":1,"a at line 1 column 3":2}', "duplicate_key", 49),
    (b"[0,\nNaN]", "not_finite", 4),
    (b"-Infinity", "not_finite", 1),
    (b'["NaN", x]', "syntax", 8),
    (b'["ok","\xff"]', "encoding", 7),
    (b'"\xed\xa0\x80"', "encoding", 1),
    ('"é"'.encode("latin-1"), "encoding", 1),
    ('{"a":1}'.encode("utf-16"), "encoding", 0),
    (rb'"\ud800"', "encoding", 7),
    (rb'"\udc00 "', "encoding", 6),
    (rb'{"\ud83d\u0041":1}', "encoding", 13),
    (b"9007199254740993", "number_range", 0),
    (b'["9007199254740993",\n-9007199254740993]', "number_range", 21),
    (b'{"a":9007199254740991,"b":' + b"9" * 400 + b"}", "number_range", 26),
    (b"[" + b"9" * 5000 + b"]", "number_range", 4302),
    (b'["\\"1e999", 1e999]', "number_range", 12),
    (b"[1e308,-1e309]", "number_range", 7),
    (b"[" + b"[]," * 300 + b"1e999]", "number_range", 901),
    (b'["]", ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"]", "too_deep", 5 + MAX_DEPTH),
    (b"[0," * (MAX_DEPTH + 1), "too_deep", 3 * MAX_DEPTH + 1),
]


@pytest.mark.parametrize(("data", "reason", "offset"), FAULTY_TEXTS)
def test_a_refused_text_is_reported_with_reason_and_offset(
    data: bytes, reason: str, offset: int
) -> None:
    """The error of a refused text names the kind of fault and the byte it was noticed at."""
    with pytest.raises(JsonError) as caught:
        parse_json(data)
    assert caught.value.reason == reason
    assert caught.value.where == f"near byte {offset}"
    assert caught.value.where in str(caught.value)


# --- errors --------------------------------------------------------------------------------------

LEAKY_TEXTS = [
    '{"%s":1,"%s":2}',
    '{"%s at line 7 column 7":1,"%s at line 7 column 7":2}',
    '["%s" "%s"]',
    "%s%s",
    '{"%s":%s}',
    '["%s\ud800","%s"]',
    r'["%s\ud800","%s"]',
    '["%s","%s\x01"]',
    '{"%s":["%s",1e999]}',
    '{"%s":["%s",9007199254740993]}',
    '{"%s":"%s"' + '[{"k":' * 300,
    '{"%s":["%s",' + "[" * 199 + "]" * 201 + "}",
]
LEAKY_VALUES: list[Any] = [
    {CANARY: CANARY + "\ud800"},
    {CANARY + "\udc00": CANARY},
    {CANARY: [CANARY, math.nan]},
    {CANARY: [CANARY, 2**53 + 1]},
    {CANARY: {CANARY, 0}},
    {CANARY: CANARY.encode()},
    {CANARY: {(CANARY,): CANARY}},
    {CANARY: 0, 1: CANARY},
    {CANARY: [CANARY, array(300)]},
]


def assert_silent(error: BaseException) -> None:
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    shown += traceback.format_exception(error)
    for text in shown:
        assert "Kanarienvogel" not in text
        assert "4711" not in text
    assert error.__cause__ is None
    assert error.__context__ is None  # log formatters and error trackers follow the chain


@pytest.mark.parametrize("template", LEAKY_TEXTS)
def test_errors_of_reading_never_show_the_text(template: str) -> None:
    """No error of reading, nor any error chained to it, contains text of the input."""
    data = template.replace("%s", CANARY).encode("utf-8", "surrogatepass")
    with pytest.raises(JsonError) as caught:
        parse_json(data)
    assert_silent(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("number", range(len(LEAKY_VALUES)))
def test_errors_of_writing_never_show_the_value(number: int) -> None:
    """No error of writing, nor any error chained to it, contains text of the value."""
    with pytest.raises(CanonicalError) as caught:
        canonical_bytes(LEAKY_VALUES[number])
    assert_silent(caught.value)
    assert len(str(caught.value)) < 200


def test_errors_survive_a_process_boundary() -> None:
    """Both errors are ValueErrors that keep reason, position and message when pickled."""
    with pytest.raises(CanonicalError) as unwritten:
        canonical_bytes([math.nan])
    with pytest.raises(JsonError) as unread:
        parse_json(b"[")
    for error in (unwritten.value, unread.value):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made two words earlier
        assert isinstance(copy, ValueError)
        assert type(copy) is type(error)
        assert (copy.reason, copy.where, str(copy)) == (error.reason, error.where, str(error))
