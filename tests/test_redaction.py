"""Redaction: what is found, what becomes of it, and what is left alone."""

from __future__ import annotations

import json
import re
import socket

import pytest
import tldextract
from hypothesis import given
from hypothesis import strategies as st

from locard.redaction import (
    DEFAULT_POLICY,
    TOKEN,
    Pseudonymizer,
    presidio_redactor,
    without_content,
)
from locard.redaction import spans as spans_module
from locard.redaction.normal_forms import normal_form
from locard.redaction.spans import Span, disjoint, whole
from locard.redaction.structure import words_of
from locard.schema import (
    MESSAGE_FIELD_NAMES,
    EventCore,
    canonical_bytes,
    content_fields,
    event_object,
    validate_event,
)
from making import event, said
from strategies import events

IBAN = "GB29NWBK60161331926819"
KEY = Pseudonymizer("k1", b"0" * 32)


@pytest.fixture(scope="module")
def redactor():
    """Presidio with a fixed key, made once: it takes a second."""
    return presidio_redactor(KEY, DEFAULT_POLICY)


def redact(redactor, plain):
    """Return the redacted JSON object and the record."""
    return redactor.redact(event_object(plain))


FOUND = {
    "IBAN_CODE": f"pay {IBAN} today",
    "EMAIL_ADDRESS": "write to mia.li3818@example.com please",
    "CREDIT_CARD": "my card is 4111 1111 1111 1111",
    "PHONE_NUMBER": "phone: +44 20 7946 0958",
    "IP_ADDRESS": "it came from 203.0.113.77",
    "US_SSN": "ssn 536-90-4399 of the customer",
    "CRYPTO": "send to 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ",
}


@pytest.mark.parametrize(("entity_type", "text"), FOUND.items(), ids=FOUND.keys())
def test_each_type_of_personal_data_becomes_its_token(redactor, entity_type, text):
    """A value of each type is replaced by a token of that type, and counted."""
    value, record = redact(redactor, event("prompt", {"messages": [said(text)]}))

    content = value["body"]["messages"][0]["parts"][0]["content"]
    assert [match.group(1) for match in TOKEN.finditer(content)] == [entity_type]
    assert [finding.entity_type for finding in record.fields["messages"]] == [entity_type]
    assert record.key_id == "k1"


ACCOUNTS = [
    "US133000000121212121212",
    "US122000000121212121212",
    "UK12345678901234567890",
    "SE3550000000054910000003",
    "CA133012400231215421872",
]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_that_fails_its_checksum_is_followed_as_a_whole(redactor, account):
    """An attacker's made-up account is one token, never a part of it under another name."""
    value, _ = redact(redactor, event("prompt", {"messages": [said(f"send it to {account}.")]}))

    content = value["body"]["messages"][0]["parts"][0]["content"]
    assert content == f"send it to {KEY.token('IBAN_CODE', account)}."


def test_a_finding_inside_a_longer_run_covers_the_run():
    """A licence number found inside a longer number is not told as one, nor half of it left."""
    text = "ref US1330000999 end"

    assert whole(Span(4, 13, "MEDICAL_LICENSE", 1.0), text) == Span(4, 16, "MEDICAL_LICENSE", 0.4)
    assert whole(Span(4, 16, "MEDICAL_LICENSE", 1.0), text) == Span(4, 16, "MEDICAL_LICENSE", 1.0)
    chinese = "电话13800138000号码"
    assert whole(Span(2, 13, "PHONE_NUMBER", 0.4), chinese) == Span(2, 13, "PHONE_NUMBER", 0.4)


def test_words_around_a_number_and_the_key_above_it_decide(redactor):
    """A number is an account where its context says so, and is left alone where it does not."""

    def result(value):
        return redact(redactor, event("tool_result", {"outcome": "ok", "result": value}))[0][
            "body"
        ]["result"]

    assert "945456787654" not in result("my bank account number is 945456787654")
    assert "945456787654" not in json.dumps(result({"bank_account": "945456787654"}))
    assert result("the build took 945456787654 cycles") == "the build took 945456787654 cycles"


def test_text_without_personal_data_is_not_touched(redactor):
    """Amounts, dates, addresses of pages and ordinary words stay as they are."""
    plain = event(
        "tool_result",
        {
            "outcome": "ok",
            "result": {
                "amount": 98.7,
                "date": "2022-01-01",
                "url": "https://example.com/a",
                "n": 12,
            },
        },
    )
    value, record = redact(redactor, plain)

    assert value == event_object(plain)
    assert record.fields == {}
    assert record.key_id is None


def test_json_is_walked_and_keeps_keys_and_types(redactor):
    """Values in nested JSON are replaced where they stand; everything around them is unchanged."""
    arguments = {"to": [{"iban": IBAN, "amount": 12.5, "urgent": True, "note": None}], "id": "42"}
    value, _ = redact(
        redactor,
        event("tool_call", {"tool_name": "t", "sighting": "executed", "arguments": arguments}),
    )

    found = value["body"]["arguments"]
    assert TOKEN.fullmatch(found["to"][0].pop("iban"))
    del arguments["to"][0]["iban"]
    assert found == arguments


def test_every_content_field_is_redacted_and_no_core_field(redactor):
    """The person served, extensions, rationale and parameters are content; identifiers are not."""
    plain = event(
        "decision",
        {
            "decided_by": "human",
            "verdict": "allow",
            "rationale": f"asked by a@example.com for {IBAN}",
        },
        on_behalf_of="a@example.com",
        parameters={"user": "a@example.com"},
        extensions={"note": IBAN, "a@example.com": 1},
        session_id=IBAN,
    )
    value, record = redact(redactor, plain)

    text = json.dumps(value, ensure_ascii=False)
    assert "a@example.com" not in text
    assert value.pop("session_id") == IBAN
    assert IBAN not in json.dumps(value)
    assert set(record.fields) == {"on_behalf_of", "parameters", "extensions", "rationale"}


def test_the_names_of_a_messages_fields_stay(redactor):
    """A part with a `uri` keeps it under that name, although a canton is called so as well."""
    keys = dict.fromkeys(sorted(MESSAGE_FIELD_NAMES), 1)
    value, record = redact(redactor, event(extensions={"kept": keys}))
    assert value["extensions"] == {"kept": keys}
    assert not record.fields


def test_a_key_that_is_personal_data_is_replaced_and_its_value_kept(redactor):
    """An address used as a key leaks like any other; two spellings of it stay two members."""
    extensions = {"a@example.com": 1, "A@EXAMPLE.COM": 2, "plain": 3}
    value, _ = redact(redactor, event(extensions=extensions))

    assert sorted(value["extensions"].values()) == [1, 2, 3]
    assert "example" not in json.dumps(value["extensions"]).lower()


def test_a_number_that_is_an_account_becomes_a_token(redactor):
    """A card number given as a JSON number is not stored as one."""
    arguments = {"credit_card": 4111111111111111, "amount": 1234567}
    value, _ = redact(
        redactor,
        event("tool_call", {"tool_name": "t", "sighting": "executed", "arguments": arguments}),
    )

    assert "4111111111111111" not in json.dumps(value)
    assert value["body"]["arguments"]["amount"] == 1234567


def test_identifiers_inside_messages_stay_so_that_calls_can_be_paired(redactor):
    """The id of a tool call in a message is not taken for a telephone number."""
    part = {"type": "tool_call", "id": "+442079460958", "name": "t", "arguments": {"id": IBAN}}
    value, _ = redact(
        redactor, event("model_output", {"messages": [{"role": "assistant", "parts": [part]}]})
    )

    found = value["body"]["messages"][0]["parts"][0]
    assert found["id"] == "+442079460958"
    assert TOKEN.fullmatch(found["arguments"]["id"])


MAIL = "bob@example.com"
HIDDEN = {
    "id of a part that has none": {"type": "text", "content": "x", "id": {"note": MAIL}},
    "id of an unknown part": {"type": "zzz", "id": [MAIL]},
    "type of an unknown part": {"type": f"mail to {MAIL}"},
    "unknown field of a part": {"type": "text", "content": "x", "more": {MAIL: MAIL}},
    "JSON in a string": {"type": "text", "content": '{"to": "bob\\u0040example.com"}'},
    "JSON in JSON in a string": {"type": "text", "content": json.dumps([json.dumps({"a": MAIL})])},
    "after an escaped line break": {"type": "text", "content": json.dumps({"a": f"hi\n{MAIL}"})},
}


@pytest.mark.parametrize("part", HIDDEN.values(), ids=HIDDEN.keys())
def test_no_place_in_a_message_is_passed_over(redactor, part):
    """Whatever field of a message or part a value stands in, it is redacted, as the same person."""
    message = {"role": "user", "parts": [part], f"call {MAIL}": {"x": MAIL}}
    value, _ = redact(redactor, event("prompt", {"messages": [message]}))

    text = json.dumps(value, ensure_ascii=False)
    assert "bob" not in text
    assert {match.group() for match in TOKEN.finditer(text)} == {KEY.token("EMAIL_ADDRESS", MAIL)}


def test_unknown_fields_are_redacted_wherever_they_were(redactor):
    """Names and values of fields that nobody knows are content, in the core, body and history."""
    history = {"through": "0198a5f0-0000-7000-8000-000000000001", "messages": 1, "s": MAIL}
    plain = event("prompt", {"history": history, MAIL: 1}, **{f"x {MAIL}": MAIL})
    value, _ = redact(redactor, plain)

    assert "bob" not in json.dumps(value)


def test_json_in_a_string_stays_as_it_was_where_nothing_is_found(redactor):
    """Spaces and order of a JSON text that holds nothing personal are not touched."""
    plain = event("tool_result", {"outcome": "ok", "result": '{ "b": 1,\n "a": [2] }'})

    assert redact(redactor, plain)[0] == event_object(plain)


WRITTEN = [
    "GET /users/{} HTTP/1.1",
    "https://api.example.org/users/{}",
    "https://a.example.org/?u={}&x=1",
    "to={}",
    "file:///home/{}/x",
    "bob#{}",
]


@pytest.mark.parametrize("form", WRITTEN)
def test_an_address_in_a_path_or_query_is_the_same_address(redactor, form):
    """An address has one token, whatever marks stand before it."""
    value, _ = redact(redactor, event("prompt", {"messages": [said(form.format(MAIL))]}))

    content = value["body"]["messages"][0]["parts"][0]["content"]
    assert content == form.format(KEY.token("EMAIL_ADDRESS", MAIL))


def test_findings_are_held_against_their_neighbours_alone(monkeypatch):
    """A list of 50,000 addresses is ordinary data, and must not take the square of its time."""
    compared = []
    monkeypatch.setattr(spans_module, "_minus", lambda span, other: compared.append(1) or [span])
    found = [Span(n * 20, n * 20 + 15, "EMAIL_ADDRESS", 1.0) for n in range(50_000)]

    assert len(disjoint(found)) == 50_000
    assert compared == []


def test_a_token_that_came_from_outside_is_not_taken_for_ours(redactor):
    """Text that only looks like a token is replaced, so that nobody can lay a false trail."""
    forged = KEY.token("IBAN_CODE", IBAN)
    value, _ = redact(redactor, event("prompt", {"messages": [said(f"pay {forged}")]}))

    content = value["body"]["messages"][0]["parts"][0]["content"]
    assert forged not in content
    assert TOKEN.search(content).group(1) == "LOCARD_TOKEN"


def test_a_redacted_event_is_a_valid_event(redactor):
    """Redaction keeps the form: what comes out validates, and canonical bytes can be made."""
    plain = event("tool_result", {"outcome": "ok", "result": [IBAN, {"x": 4111111111111111}]})
    value, _ = redact(redactor, plain)

    assert validate_event(value).event_id == plain.event_id
    assert canonical_bytes(value)


def test_a_long_text_is_redacted_to_its_end(redactor):
    """Text beyond any window is searched as a whole, also where two windows meet."""
    spaced = "GB29 NWBK 6016 1331 9268 19"
    text = " ".join(f"a{number} {spaced} and" for number in range(9_000))
    value, record = redact(redactor, event("tool_result", {"outcome": "ok", "result": text}))

    assert not re.search(r"\b(NWBK|6016|1331|9268)\b", value["body"]["result"])
    counts = {finding.entity_type: finding.count for finding in record.fields["result"]}
    assert counts["IBAN_CODE"] == 9_000


def test_looking_for_addresses_never_asks_the_network(redactor, monkeypatch):
    """Presidio's e-mail recognizer would fetch a list of suffixes; ours may not open a socket."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was opened, or would be on another machine")

    monkeypatch.setattr(tldextract, "extract", refuse)  # what would fetch where nothing is cached
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    value, _ = redact(redactor, event("prompt", {"messages": [said("x.y@another-domain.co.uk")]}))

    assert "another-domain" not in json.dumps(value)


EQUAL = {
    "IBAN_CODE": ("GB29 NWBK 6016 1331 9268 19", "gb29nwbk60161331926819"),
    "EMAIL_ADDRESS": ("Mia.Li@Example.com", "mia.li@example.com"),
    "PHONE_NUMBER": ("+44 20 7946-0958", "442079460958"),
    "CREDIT_CARD": ("4111-1111-1111-1111", "4111 1111 1111 1111"),
}


@pytest.mark.parametrize(("entity_type", "pair"), EQUAL.items(), ids=EQUAL.keys())
def test_spellings_of_one_value_have_one_token(entity_type, pair):
    """Spaces, dashes and case do not make another person of somebody."""
    assert KEY.token(entity_type, pair[0]) == KEY.token(entity_type, pair[1])


def test_tokens_differ_by_type_value_and_key():
    """Another value, another type or another key gives another token."""
    other = Pseudonymizer("k2", b"1" * 32)
    tokens = {
        KEY.token("IBAN_CODE", "1"),
        KEY.token("IBAN_CODE", "2"),
        KEY.token("US_SSN", "1"),
        other.token("IBAN_CODE", "1"),
    }

    assert len({token.split(":")[2] for token in tokens}) == 4


def test_case_of_a_wallet_address_matters():
    """Base58 addresses that differ only in case are different wallets."""
    assert normal_form("CRYPTO", "1Ab") != normal_form("CRYPTO", "1aB")


def test_the_key_never_shows():
    """A pseudonymizer in a log line names its key and does not show it."""
    assert "0000" not in repr(Pseudonymizer("k1", b"0000000000"))


spans = st.builds(
    lambda start, length, kind, score: Span(start, start + length, kind, score),
    st.integers(0, 30),
    st.integers(1, 10),
    st.sampled_from("ABC"),
    st.sampled_from([0.4, 0.5, 1.0]),
)


@given(st.lists(spans, max_size=8))
def test_findings_that_overlap_cover_the_same_text_without_overlap(found):
    """No character of any finding stays readable, and none is replaced twice."""
    placed = disjoint(found)

    covered = [n for span in placed for n in range(span.start, span.end)]
    assert sorted(covered) == sorted({n for span in found for n in range(span.start, span.end)})


@given(st.lists(spans, max_size=8), st.randoms())
def test_the_choice_among_findings_does_not_depend_on_their_order(found, random):
    """The same findings in another order give the same spans."""
    shuffled = list(found)
    random.shuffle(shuffled)

    assert disjoint(shuffled) == disjoint(found)


def test_the_surest_finding_keeps_its_whole_value():
    """Where two findings overlap, the one with the higher score stays whole."""
    sure, unsure = Span(2, 6, "A", 1.0), Span(0, 4, "B", 0.5)

    assert disjoint([unsure, sure]) == (Span(0, 2, "B", 0.5), sure)


def test_words_of_a_key():
    """Keys in any style give their words as context."""
    assert words_of("customerPhone_no") == ("customer", "phone", "no")
    assert words_of("DOB") == ("dob",)


NUMBERS = "41111111-1111-4111-8111-111111111111"
CARD = 4111111111111111  # a number that anywhere else is a finding


def test_a_reference_to_a_message_is_structure(redactor):
    """Which message it is stays readable, whatever its digits look like; its name is payload."""
    messages = [
        {"role": "tool", "same_as": {"event": NUMBERS, "message": CARD}},
        {"role": "user", "same_as": {"event": NUMBERS}, "name": "mia.li3818@example.com"},
    ]
    value, record = redact(redactor, event("prompt", {"messages": messages}))

    first, second = value["body"]["messages"]
    assert first == messages[0]
    assert second["same_as"] == messages[1]["same_as"]
    assert TOKEN.fullmatch(second["name"])
    assert [finding.entity_type for finding in record.fields["messages"]] == ["EMAIL_ADDRESS"]


@pytest.mark.parametrize(
    "reference",
    [
        {"event": NUMBERS, "message": 0, "note": "MAIL"},
        {"event": "MAIL", "message": 0},
        {"event": f"{NUMBERS} MAIL"},
        {"event": NUMBERS, "message": "MAIL"},
        {"message": 0, "note": "MAIL"},
        ["MAIL"],
        "MAIL",
    ],
)
def test_what_only_looks_like_a_reference_is_payload(redactor, reference):
    """Nothing can be smuggled past redaction as part of a reference."""
    text = json.dumps(reference).replace("MAIL", "mia.li3818@example.com")
    messages = [{"role": "user", "same_as": json.loads(text)}]
    raw = {**event_object(event("prompt")), "body": {"messages": messages}}
    value, record = redactor.redact(raw)

    assert "mia.li3818" not in json.dumps(value)
    assert "messages" in record.fields


@given(events)
def test_an_event_without_its_content_is_its_core(plain):
    """Of every kind: all content that had a value is named as quarantined, and all else stays."""
    core = without_content(plain).event
    raw, left = event_object(plain), event_object(core)
    names = {*content_fields(EventCore), *content_fields(type(plain).body_type())}
    gone = names & {*raw, *raw["body"]}

    assert core.absent == {**plain.absent, **dict.fromkeys(gone, "quarantined")}
    assert not names & {*left, *left["body"]}
    for before, after in ((raw, left), (raw["body"], left["body"])):
        kept = {name: value for name, value in before.items() if name not in names}
        assert {**kept, "absent": 0, "body": 0} == {**after, "absent": 0, "body": 0}
    assert without_content(core).event == core
