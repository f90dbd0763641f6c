"""Locard's own events in a file: they come back as they were, but for what nobody may claim."""

from __future__ import annotations

import pytest
from hypothesis import given

from importing import OBSERVED, START, events_in_log, line, send
from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.jsonl import CLAIMS, Jsonl
from locard.schema import RejectedRecord, event_json
from making import event
from strategies import events

AROUND = Surroundings(START, OBSERVED)


def converted_line(data):
    """Convert one line."""
    return Jsonl().convert(line(data), AROUND)


@given(given_event=events)
def test_every_event_comes_back_as_it_was(given_event):
    """An exported event is imported with its id, lane, times and content."""
    data = event_json(given_event)
    if given_event.kind in ("access", "custody"):
        with pytest.raises(RejectedRecord) as caught:
            converted_line(data)
        assert caught.value.error_class == "kind_not_accepted"
        return
    (back,) = converted_line(data).events

    if given_event.principal is None and not given_event.principal_verified:
        assert back == given_event
    assert event_json(back.model_copy(update={"extensions": {}})) == event_json(
        given_event.model_copy(
            update={"extensions": {}, "principal": None, "principal_verified": False}
        )
    )


def test_a_claimed_principal_is_kept_as_a_claim():
    """Who sent an event cannot be said by the event; what it says is kept and noticed."""
    claims = event("lifecycle", principal="root", principal_verified=True)
    result = converted_line(event_json(claims))
    (taken,) = result.events

    assert (taken.principal, taken.principal_verified) == (None, False)
    assert taken.extensions["claimed_principal"] == "root"
    assert result.notices == {CLAIMS: 1}


def test_a_claim_overwrites_nothing():
    """An event that has the very name of the claim keeps both."""
    claims = event("lifecycle", principal="root", extensions={"claimed_principal": "mine"})
    (taken,) = converted_line(event_json(claims)).events

    assert taken.extensions == {"claimed_principal": "mine", "claimed_principal'": "root"}


@pytest.mark.parametrize(
    ("data", "error_class"),
    [
        (b"{", "json_syntax"),
        (b"[]", "invalid_event"),
        (b'{"kind": "prompt", "kind": "prompt"}', "json_duplicate_key"),
        (b'{"kind": "of tomorrow"}', "invalid_event"),
    ],
)
def test_what_is_no_event_is_refused(data, error_class):
    """A line that holds no event is refused with its class."""
    with pytest.raises(RejectedRecord) as caught:
        converted_line(data)

    assert caught.value.error_class == error_class


def test_exported_lines_are_imported_once(tmp_path):
    """A file of events ends in the log as it was, and a second time adds nothing."""
    home, file = tmp_path / "home", tmp_path / "events.jsonl"
    sent = [event("lifecycle", session_id=f"s{number % 2}") for number in range(10)]
    file.write_bytes(b"".join(event_json(one) + b"\n" for one in sent))
    first, second = send(home, file, "jsonl"), send(home, file, "jsonl")

    assert (first.unit, first.lines, first.events, first.rejected) == ("lines", 10, 10, 0)
    assert (second.lines, second.known_lines) == (0, 10)
    found = {one.event_id: one for one in events_in_log(home / "log.sqlite")}
    assert found == {one.event_id: one for one in sent}
