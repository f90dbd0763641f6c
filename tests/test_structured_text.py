"""Texts with a form of their own: lines with keys, tables, queries of addresses, JSON in prose."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.redaction import DEFAULT_POLICY, TOKEN, Pseudonymizer, presidio_redactor
from locard.redaction.json_text import json_in, json_parts
from locard.redaction.structure import decoded, pieces

KEY = Pseudonymizer("k1", b"0" * 32)


@pytest.fixture(scope="module")
def redacted():
    """A function that gives a tool's result as it would be stored."""
    redactor = presidio_redactor(KEY, DEFAULT_POLICY)

    def redact(result):
        return redactor.redact({"kind": "tool_result", "body": {"result": result}})[0]["body"][
            "result"
        ]

    return redact


def values(text):
    """Return the values that have a name in a text, by the words of the name."""
    return {" ".join(piece.words): text[piece.start : piece.end] for piece in pieces(text)}


def test_lines_with_keys_are_values_with_names():
    """Quotes, emphasis, bullets and indents belong to neither."""
    text = (
        'name: Mia\n  - "api_key": "abc"\n**Date of birth:** 1990-04-05\nretries=3\nnothing here\n'
    )
    assert values(text) == {
        "name": "Mia",
        "api key": "abc",
        "date of birth": "1990-04-05",
        "retries": "3",
    }


def test_a_table_gives_each_cell_the_name_of_its_column():
    """Markdown, CSV with quotes, tabs; a row of another length ends the table."""
    markdown = "see:\n| Name | IBAN |\n|---|:---:|\n| Mia | GB29 |\n| Bo | |\n\nafter | it"
    assert [(p.words, markdown[p.start : p.end]) for p in pieces(markdown)] == [
        (("name",), "Mia"),
        (("iban",), "GB29"),
        (("name",), "Bo"),
    ]
    separated = 'first_name,note\n"Mia, or ""M""",x\nBo,y\none cell\nLu,z\n'
    assert [separated[p.start : p.end] for p in pieces(separated) if "first" in p.words] == [
        'Mia, or ""M',
        "Bo",
    ]
    tabs = "phone\tcity\n079\tBern\n"
    assert values(tabs) == {"phone": "079", "city": "Bern"}


def test_prose_with_commas_is_no_table():
    """A first line that is no list of names heads nothing."""
    assert not list(pieces("Dear Mia, thank you.\nBest, Bo, and Lu\n"))


QUERY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(QUERY_TEXT, st.sampled_from([quote, quote_plus]), st.sampled_from(["", "see ", "\u202e"]))
@settings(deadline=None)
def test_each_character_of_a_query_is_known_by_where_it_is_written(value, encode, before):
    """Whatever is encoded: the value is what was meant, and offsets lead back to it."""
    text = f"{before}https://x.example/?q={encode(value, safe='')}&page=2"
    meant = decoded(text)
    if meant is None:
        assert encode(value, safe="") == value
        return
    assert meant.text == f"{before}https://x.example/?q={value}&page=2"
    assert len(meant.offsets) == len(meant.text) + 1
    assert list(meant.offsets) == sorted(meant.offsets)
    begin = meant.text.index("q=") + 2
    written = text[meant.offsets[begin] : meant.offsets[begin + len(value)]]
    assert parse_qsl(f"q={written}", keep_blank_values=True) == [("q", value)] or "&" in value


def test_bytes_that_are_no_text_stay_as_they_were_written():
    """Half a character, and a percent sign that begins nothing."""
    for text in ("https://x/?q=%ff%fe&r=1", "https://x/?q=100%&r=1", "a=%C3%28"):
        meant = decoded(text)
        assert meant is None or meant.text == text


def test_a_value_in_a_query_has_the_token_of_the_value(redacted):
    """However it is written, it is the same address; the other parameters stay."""
    query = urlencode({"email": "mia@example.com", "name": "Mia Smith", "page": 2})
    text = redacted(f"GET https://api.example.com/users?{query} gave 200")
    assert KEY.token("EMAIL_ADDRESS", "mia@example.com") in text
    assert KEY.token("PERSON", "Mia Smith") in text
    assert text.startswith("GET https://api.example.com/users?email=‹")
    assert "&page=2 gave 200" in text


def test_values_are_replaced_and_keys_stay(redacted):
    """In lines of keys and values, in a table, and in what Python prints of a dictionary."""
    lines = redacted("first_name: Zorblax\nphone: 079 555 12 34\npassword: hunter2\nretries: 3\n")
    assert TOKEN.sub("*", lines) == (
        "first_name: *\nphone: *\npassword: ‹PASSWORD:masked›\nretries: 3\n"
    )
    table = redacted("| Surname | bank account |\n|---|---|\n| Zorblax | 10203040506 |\n")
    assert TOKEN.sub("*", table) == "| Surname | bank account |\n|---|---|\n| * | * |\n"
    printed = redacted("{'last_name': 'Zorblax', 'api_key': 'abcdefgh', 'n': 1}")
    assert TOKEN.sub("*", printed) == ("{'last_name': '*', 'api_key': '‹API_KEY:masked›', 'n': 1}")


def test_what_a_key_says_is_surer_than_the_words_around(redacted):
    """A surname that is also a town is a person under its key."""
    rows = redacted("first_name,last_name\nMia,Thornbury\nLu,Paris\n")
    assert rows.count("PERSON") == 4
    assert "LOCATION" not in rows


def test_json_in_prose_is_walked(redacted):
    """An escape neither hides a value nor becomes a part of one, and it stays JSON."""
    inner = json.dumps({"note": "a\nmia@example.com", "last_name": "Zorblax"})
    text = redacted(f"The tool said {inner} and [1, 2] for bo@example.com.")
    (part,) = json_parts(text.replace("[1, 2]", ""))
    assert part.value["note"] == f"a\n{KEY.token('EMAIL_ADDRESS', 'mia@example.com')}"
    assert part.value["last_name"] == KEY.token("PERSON", "Zorblax")
    assert "bo@example.com" not in text


def test_json_in_prose_without_findings_stays_as_it_was(redacted):
    """Not even its spaces change."""
    text = 'The tool said {"b":  1, "a": ["x", null]} at last.'
    assert redacted(text) == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.sampled_from(["mia@example.com", "call 079 555 12 34", "Mia Smith", "a=1&b=%40"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), JSON, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_was_json_stays_json(redacted, value):
    """As an object, as text, as text within text, and with prose around; keys stay in number."""
    texts = [json.dumps(value), json.dumps({"result": json.dumps(value)})]
    assert len(redacted(value)) == len(value)
    for text in texts:
        assert json_in(redacted(text)) is not None
    around = redacted(f"It said {texts[0]} then.")
    assert around.startswith("It said ")
    assert [type(part.value) for part in json_parts(around)] == [dict]


def test_many_beginnings_of_json_end_the_search():
    """Eight that are none, and the rest is prose; what came before them counts."""
    text = '{"a": 1} ' + '{"b' * 1_000 + ' {"c": 2}'
    assert [part.value for part in json_parts(text)] == [{"a": 1}]


@pytest.mark.parametrize(
    "unit",
    [
        "a: 1\n",
        "| a | b |\n",
        "|---|\n",
        "a,b\n",
        "a=b&",
        "'a': 'b', ",
        '{"a',
        "---|",
        "a|b\n-|-\n",
    ],
)
def test_no_text_has_more_than_so_many_values(unit):
    """What a text can cost is bounded, however many lines it has."""
    assert len(list(pieces(unit * 20_000))) <= 2_000


def test_elements_and_attributes_are_values_with_names():
    """XML and HTML: with prefixes, other attributes beside, and no mark-up in the value."""
    text = (
        '<soap:password kind="x">hunter2</soap:password>\n<user name="Mia Smith" '
        "pin='4711'/><td><b>bold</b></td>"
    )
    assert values(text) == {
        "password": "hunter2",
        "kind": "x",
        "name": "Mia Smith",
        "pin": "4711",
        "b": "bold",
    }


def test_secrets_in_markup_are_masked(redacted):
    """The mark-up stays what it was."""
    text = '<login user="app" password="hunter2"><token>abcdef0123456789abcdef</token></login>'
    assert redacted(text) == (
        '<login user="app" password="‹PASSWORD:masked›">'
        "<token>‹ACCESS_TOKEN:masked›</token></login>"
    )


def test_a_short_number_is_a_secret_under_the_name_of_one(redacted):
    """A PIN or a password of digits is as much a secret as any; an amount is none."""
    found = redacted({"pin": 4711, "password": 12345, "cvv": 123, "amount": 4711, "pins": 3})
    assert found == {
        "pin": "‹PASSWORD:masked›",
        "password": "‹PASSWORD:masked›",
        "cvv": "‹PASSWORD:masked›",
        "amount": 4711,
        "pins": 3,
    }


@pytest.mark.parametrize(
    "address",
    ["mia.smith@corp.local", "root@localhost", "jonas@weber.example", "a+b@x.y.internal"],
)
def test_addresses_within_a_company_are_found(redacted, address):
    """Their domains are not public, and they name people all the same."""
    found = redacted(f"ask <{address}>, please")
    assert found.startswith("ask <‹EMAIL_ADDRESS:k1:")
    assert found.endswith("›>, please")


def test_the_scheme_of_a_header_is_no_name(redacted):
    """`Bearer` is kept, and what follows it is masked."""
    found = redacted({"Authorization": "Bearer sk-live-4242424242424242abcdEFGH"})
    assert found == {"Authorization": "Bearer ‹API_KEY:masked›"}
