"""The collector API and identities: who sent an event is what the credential says."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import httpx
import pytest
from fastapi.testclient import TestClient

from collecting import ARRAY, LINES, array, is_one_line, some, stored
from eventlogs import LogUnderTest
from locard.evidence import SigningKey
from locard.ingest.collector import collector_app, credentials
from locard.ingest.collector.credentials import Gate
from locard.ingest.collector.refusals import refusal_records
from locard.ingest.identities import IdentityRegistry, Issued
from locard.ingest.stamping import ForeignClaim, Sender
from locard.schema import RetryableError, event_json, parse_event
from making import event
from servers import TOKEN, serving

CANARY = "CANARY-77ab"
KEY = SigningKey.generate()
STRANGE_KEY = SigningKey.generate()


@pytest.fixture
def log(tmp_path) -> LogUnderTest:
    """An empty embedded log."""
    return LogUnderTest(tmp_path)


@pytest.fixture
def identities(tmp_path) -> Iterator[IdentityRegistry]:
    """An empty registry."""
    with closing(IdentityRegistry(tmp_path / "identities.sqlite")) as identities:
        yield identities


@pytest.fixture
def payer(identities) -> Issued:
    """An agent of the workflow `payments`."""
    return identities.create("payments", "payer")


@pytest.fixture
def client(log, identities) -> Iterator[httpx.Client]:
    """A client of a collector that knows the identities; it presents the installation's token."""
    with collecting(log, identities) as client:
        yield client


@contextmanager
def collecting(log, identities, token: str | None = TOKEN) -> Iterator[httpx.Client]:
    """Serve a collector on the log."""
    with (
        log.writer() as writer,
        serving(collector_app(writer, token, identities=identities)) as client,
    ):
        yield client


def bearing(issued: Issued) -> dict[str, str]:
    """Return the headers of a request of an identity."""
    return {**ARRAY, "Authorization": f"Bearer {issued.token}"}


def post(client: httpx.Client, issued: Issued, *values: bytes, **headers: str) -> httpx.Response:
    """Send events as an identity."""
    return client.post("/v1/events", content=array(*values), headers={**bearing(issued), **headers})


def signed(body: bytes, key: SigningKey) -> dict[str, str]:
    """Return the headers of a signed body."""
    return {"Locard-Key": key.key_id, "Locard-Signature": key.sign(body)}


def test_an_event_carries_the_identity_of_its_sender(client, log, payer):
    """Principal, workflow and agent of a token are in each event that came with it, verified."""
    silent = event()
    claiming = event(workflow_id="payments", agent_id="payer", agent_name="Payer")
    answer = post(client, payer, event_json(silent), event_json(claiming)).json()
    assert answer == {"accepted": 2, "rejected": []}
    for found in stored(log):
        assert (found.principal, found.principal_verified) == (payer.identity.identity, True)
        assert (found.workflow_id, found.agent_id) == ("payments", "payer")
        assert found.extensions == {}


def test_an_identity_of_a_whole_workflow_leaves_the_agent_open(client, log, identities):
    """Without an agent of its own a token may send of every agent of its workflow."""
    issued = identities.create("payments")
    post(client, issued, *(event_json(event(agent_id=agent)) for agent in ("a", "b")))
    post(client, issued, event_json(event()))
    assert [(found.workflow_id, found.agent_id) for found in stored(log)] == [
        ("payments", "a"),
        ("payments", "b"),
        ("payments", None),
    ]


def test_the_shared_token_may_claim_any_workflow_and_vouches_for_nobody(client, log, payer):
    """Events that came with the installation's token keep what they claim, as unverified."""
    claims = event_json(event(workflow_id="payroll", agent_id="x", principal_verified=True))
    client.post("/v1/events", content=array(claims, *some(1)), headers=ARRAY)
    found = stored(log)
    assert [(e.principal, e.principal_verified) for e in found] == [("shared-token", False)] * 2
    assert [e.workflow_id for e in found] == ["payroll", None]


def test_a_forged_principal_is_kept_as_a_claim(client, log, payer):
    """Whatever an event says of its principal is an extension, and displaces nothing there."""
    forged = event(
        principal="billing/root", principal_verified=True, extensions={"claimed_principal": "own"}
    )
    post(client, payer, event_json(forged))
    (found,) = stored(log)
    assert (found.principal, found.principal_verified) == (payer.identity.identity, True)
    assert found.extensions == {"claimed_principal": "own", "claimed_principal'": "billing/root"}


def test_an_event_of_another_workflow_is_refused_and_leaves_a_record(client, log, payer, caplog):
    """It costs its neighbours nothing, and the name it claims is told in the record alone."""
    caplog.set_level("DEBUG")
    own = some(2)
    foreign = [event_json(event(workflow_id=CANARY)) for _ in range(3)]
    other = event_json(event(workflow_id="payments", agent_id=CANARY))
    response = post(client, payer, own[0], *foreign, own[1], other)
    answer = response.json()
    assert answer["accepted"] == 2
    assert [(r["index"], r["error_class"]) for r in answer["rejected"]] == [
        (1, "other_workflow"),
        (2, "other_workflow"),
        (3, "other_workflow"),
        (5, "other_agent"),
    ]
    assert len(stored(log, "tool_call")) == 2
    records = stored(log, "access")
    assert {(found.body.row_count, *sorted(found.extensions.items())) for found in records} == {
        (3, ("claimed_workflow_id", CANARY), ("error_class", "other_workflow")),
        (1, ("claimed_agent_id", CANARY), ("error_class", "other_agent")),
    }
    for found in records:
        assert found.body.action == "record_refused"
        assert (found.principal, found.workflow_id) == (payer.identity.identity, "payments")
    metrics = client.get("/metrics").text
    assert 'claims_refused_total{error_class="other_workflow"} 3.0' in metrics
    assert 'claims_refused_total{error_class="other_agent"} 1.0' in metrics
    assert CANARY not in response.text + metrics + caplog.text


def test_a_request_of_foreign_events_alone_leaves_its_record(client, log, payer):
    """Where nothing is accepted the refusals are in the log all the same."""
    answer = post(client, payer, event_json(event(workflow_id="payroll"))).json()
    assert answer["accepted"] == 0
    assert [found.body.row_count for found in stored(log)] == [1]


def test_foreign_claims_cannot_fill_the_log():
    """However many names a request claims, however long, its records are few, and count all."""
    claims = Counter({ForeignClaim("other_workflow", f"{n}-{'x' * 9_999}"): 2 for n in range(500)})
    claims[ForeignClaim("other_agent", "a")] = 1
    sender = Sender("payments-1", "payments", "payer")
    records = [parse_event(record.value) for record in refusal_records(claims, sender)]
    assert len(records) == 22
    assert sum(found.body.row_count for found in records) == 1001
    assert all(len(str(found.extensions)) < 400 for found in records)


def test_an_empty_name_claims_nothing(client, log, payer):
    """An event that leaves its workflow empty gets that of its sender."""
    post(client, payer, event_json(event(workflow_id="", agent_id="")))
    assert [(e.workflow_id, e.agent_id) for e in stored(log)] == [("payments", "payer")]


def test_tokens_that_are_not_good_any_more_are_refused(client, log, identities):
    """An expired, a revoked, and a rotated token is a 401 from that moment, and tells no more."""
    expired = identities.create("w", lifetime=timedelta())
    revoked, rotated = identities.create("w"), identities.create("w")
    for issued in (revoked, rotated):
        assert post(client, issued, *some(1)).status_code == 200
    identities.revoke(revoked.identity.identity)
    replaced = identities.rotate(rotated.identity.identity)
    answers = [post(client, issued, *some(1)) for issued in (expired, revoked, rotated)]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.text for answer in answers}) == 1
    assert all(map(is_one_line, answers))
    assert post(client, replaced, *some(1)).status_code == 200
    assert len(stored(log)) == 3


def test_the_shared_token_can_be_switched_off(log, identities, payer):
    """Without it only identities are let in."""
    with collecting(log, identities, token=None) as client:
        assert client.post("/v1/events", content=b"[]", headers=ARRAY).status_code == 401
        assert post(client, payer).status_code == 200


@pytest.mark.parametrize("token", ["", None])
def test_somebody_has_to_be_let_in(token):
    """A collector without a token and without identities is refused; an empty token is none."""
    with pytest.raises(ValueError, match="token"):
        collector_app(None, token)  # type: ignore[arg-type]


def test_tokens_are_compared_in_constant_time(monkeypatch):
    """The installation's token is compared by what tells nothing by its time."""
    compared = []
    monkeypatch.setattr(
        credentials.secrets, "compare_digest", lambda *both: bool(compared.append(both))
    )
    assert not Gate(TOKEN, None)._is_shared(TOKEN)
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


BODY = array(*some(1))
FORMS = {
    "unsigned": {},
    "signed": signed(BODY, KEY),
    "another key": signed(BODY, STRANGE_KEY),
    "another body": signed(BODY + b" ", KEY),
    "another key's signature": {**signed(BODY, STRANGE_KEY), "Locard-Key": KEY.key_id},
    "no signature": {"Locard-Key": KEY.key_id},
    "no key": {"Locard-Signature": KEY.sign(BODY)},
    "nonsense": {"Locard-Key": "x" * 99, "Locard-Signature": "é".encode("latin-1")},
}


@pytest.mark.parametrize(
    ("registered", "form", "doubt"),
    [
        ("none", "unsigned", None),
        ("none", "signed", "unregistered_key"),
        ("none", "no signature", "missing_signature"),
        ("key", "signed", None),
        ("key", "unsigned", "missing_signature"),
        ("key", "another key", "unregistered_key"),
        ("key", "another body", "wrong_signature"),
        ("key", "another key's signature", "wrong_signature"),
        ("key", "no signature", "missing_signature"),
        ("key", "no key", "missing_signature"),
        ("key", "nonsense", "unregistered_key"),
        ("revoked", "signed", "unregistered_key"),
        ("revoked", "unsigned", "missing_signature"),
    ],
)
def test_a_signature_decides_whether_an_event_is_verified(
    client, log, identities, payer, caplog, registered, form, doubt
):
    """Events are kept in every case; they are verified where nobody else can have sent them."""
    if registered != "none":
        identities.add_key(payer.identity.identity, KEY.key_id)
    if registered == "revoked":
        identities.revoke_key(payer.identity.identity, KEY.key_id)
    headers = {**bearing(payer), **FORMS[form]}
    response = client.post("/v1/events", content=BODY, headers=headers)
    assert response.json() == {"accepted": 1, "rejected": []}
    (found,) = stored(log)
    assert found.principal == payer.identity.identity
    assert found.principal_verified == (doubt is None)
    metrics = client.get("/metrics").text
    told = [record.message for record in caplog.records if "unverified" in record.message]
    if doubt is None:
        assert "locard_collector_events_unverified_total{" not in metrics
        assert told == []
    else:
        assert f'events_unverified_total{{reason="{doubt}"}} 1.0' in metrics
        assert len(told) == 1
        named = str(FORMS[form].get("Locard-Key", "missing"))
        assert (named if named[0] != "x" else "of no known form") in told[0]
        assert doubt in told[0]


def test_a_compressed_body_is_signed_as_it_is_sent(client, log, identities, payer):
    """The signature is of the bytes on the wire."""
    import gzip

    identities.add_key(payer.identity.identity, KEY.key_id)
    body = gzip.compress(BODY)
    headers = {**bearing(payer), "Content-Encoding": "gzip", **signed(body, KEY)}
    client.post("/v1/events", content=body, headers=headers)
    assert [found.principal_verified for found in stored(log)] == [True]


def test_the_same_doubt_is_told_once(client, payer, identities, caplog):
    """A recorder that is not registered does not fill the collector's log."""
    identities.add_key(payer.identity.identity, KEY.key_id)
    for _ in range(3):
        post(client, payer, *some(1))
    assert len([r for r in caplog.records if "unverified" in r.message]) == 1


def test_the_last_use_is_noted_once_a_minute(log, identities, payer):
    """The registry has when a token was presented; many requests in a minute are one writing."""
    noted: list[str] = []
    identities.note_use, note = noted.append, identities.note_use  # type: ignore[method-assign]
    with collecting(log, identities) as client:
        assert identities.identities()[0].used_at is None
        for _ in range(3):
            post(client, payer, *some(1))
    assert noted == [payer.identity.identity]
    note(payer.identity.identity)
    assert identities.identities()[0].used_at


def test_an_answer_does_not_wait_for_the_last_use(log, identities, payer):
    """Where the last use cannot be noted the events are taken all the same."""

    def fail(_: str) -> None:
        raise RetryableError("held")

    identities.note_use = fail  # type: ignore[method-assign]
    with collecting(log, identities) as client:
        assert post(client, payer, *some(1)).status_code == 200


def test_while_the_registry_cannot_be_read_senders_are_told_to_wait(log, identities, payer):
    """It is a 503 and no 401, which would make a sender give up; the shared token goes on."""

    def fail(_: str) -> None:
        raise RetryableError("the identity registry /secret/place is held; try again")

    identities.identify = fail  # type: ignore[method-assign]
    with collecting(log, identities) as client:
        answer = post(client, payer, *some(1))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert is_one_line(answer)
        assert "secret" not in answer.text
        assert client.post("/v1/events", content=b"[]", headers=ARRAY).status_code == 200


def test_a_token_is_in_no_answer_and_no_log(client, identities, payer, caplog):
    """Neither a good token nor a bad one is ever repeated."""
    caplog.set_level(logging.DEBUG)
    for module in ("httpx", "httpcore"):  # the client's own, which may tell what it sends
        caplog.set_level(logging.WARNING, module)
    identities.add_key(payer.identity.identity, KEY.key_id)
    bad = payer.token[:-1] + ("A" if payer.token[-1] != "A" else "B")
    told = []
    for token in (payer.token, bad, "locard_" + CANARY):
        for body, form in ((array(*some(1)), ARRAY), (b"{", ARRAY), (b"", LINES)):
            headers = {**form, "Authorization": f"Bearer {token}"}
            response = client.post("/v1/events", content=body, headers=headers)
            told.append(response.text + str(response.headers))
    told += [client.get("/metrics").text, caplog.text]
    for secret in (payer.token, bad, CANARY, TOKEN):
        assert not re.search(re.escape(secret), "".join(told))


@pytest.mark.parametrize("role", ["responder", "analyst", "auditor", "admin"])
def test_a_readers_token_sends_nothing(tmp_path, role):
    """Who may read what agents did must not be able to write it."""
    log = LogUnderTest(tmp_path)
    with log.writer() as writer, closing(IdentityRegistry(tmp_path / "i.sqlite")) as identities:
        token = identities.create("payments", role=role).token
        app = collector_app(writer, None, identities=identities)
        headers = {"Authorization": f"Bearer {token}"}
        response = TestClient(app).post("/v1/events", content=b"", headers=headers)
    assert response.status_code == 401
