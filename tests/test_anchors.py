"""Anchors: witnesses of C2SP, time stamps of RFC 3161, and copies; over real HTTP on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from locard.cli.serving import listen
from locard.evidence.anchors.cosigning import Cosigning, WitnessAddress
from locard.evidence.anchors.http import post
from locard.evidence.anchors.stamping import kept_stamps, stamp, stamped_at
from locard.evidence.anchors.witness import Witness, request_body
from locard.evidence.anchors.witness_app import witness_app
from locard.evidence.log_files import DiskFiles
from locard.evidence.merkle import consistency_proof, leaf_hash, nodes_of, root_of
from locard.evidence.notes import COSIGNATURE, Checkpoint, Note, NoteKey, note
from locard.evidence.transparency_log import CHECKPOINT, TransparencyLog
from locard.ingest.sealer import Anchors, AnchorSettings
from locard.schema import CannotContinue

LOG = NoteKey("log.example/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
LEAVES = [leaf_hash(b"entry %d" % number) for number in range(20)]
NODES = nodes_of(LEAVES)
NOW = 1_700_000_000
OPENSSL = shutil.which("openssl")


def signed(size: int, leaves: list[bytes] = LEAVES, key: NoteKey = LOG) -> bytes:
    """Return a checkpoint of the first leaves."""
    text = Checkpoint(key.name, size, root_of(leaves[:size])).text
    return note(text, [key.line(text)])


def asked(old: int, new: int, **told: object) -> bytes:
    """Return a request to cosign."""
    return request_body(old, consistency_proof(old, new, NODES), signed(new, **told))  # type: ignore[arg-type]


@pytest.fixture
def key() -> NoteKey:
    return NoteKey("w1.example", Ed25519PrivateKey.generate(), COSIGNATURE)


@pytest.fixture
def witness(key, tmp_path) -> Witness:
    return Witness(key, {LOG.name: [LOG.verifier]}, tmp_path / "witness.sqlite", lambda: NOW)


def test_a_witness_cosigns_what_continues(witness, key):
    """From nothing to 5, to 12, and 12 once more: each time the line fits the checkpoint."""
    for old, new in ((0, 5), (5, 12), (12, 12)):
        answer = witness.add_checkpoint(asked(old, new))
        assert answer.status == 200
        text = Checkpoint(LOG.name, new, root_of(LEAVES[:new])).text
        assert Note.parse(note(text, [answer.body])).verified([key.verifier]) == {key.verifier: NOW}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (asked(0, 12), 409, "5\n"),
        (asked(3, 12), 409, "5\n"),
        (request_body(5, [], signed(12)), 422, None),
        (request_body(5, [bytes(32)] * 3, signed(12)), 422, None),
        (request_body(5, [], signed(5, LEAVES[::-1])), 409, "5\n"),
        (request_body(6, [], signed(5)), 400, None),
        (request_body(5, [bytes(32)] * 64, signed(12)), 400, None),
        (request_body(5, [], signed(5).replace(b"log.example/1", b"log.example/2")), 404, None),
        (
            request_body(5, [], signed(5, key=NoteKey(LOG.name, Ed25519PrivateKey.generate()))),
            403,
            None,
        ),
        (request_body(5, [], signed(5).replace(b"\n5\n", b"\n4\n")), 403, None),
        (b"old 5\n" + signed(5), 400, None),
        (b"old 05\n\n" + signed(5), 400, None),
        (b"old -5\n\n" + signed(5), 400, None),
        (b"old 5\nAAAA\n\n" + signed(5), 400, None),
        (b"new 5\n\n" + signed(5), 400, None),
        (b"", 400, None),
        (b"old 5\n\nno note", 400, None),
        (b"\xff" * 70_000, 400, None),
    ],
)
def test_a_witness_says_what_is_wrong_as_the_specification_has_it(witness, body, status, told):
    """And what it has seen stays as it was."""
    assert witness.add_checkpoint(asked(0, 5)).status == 200
    answer = witness.add_checkpoint(body)
    assert answer.status == status
    if told is not None:
        assert (answer.body, answer.media_type) == (told, "text/x.tlog.size")
    assert witness.add_checkpoint(asked(5, 5)).status == 200


def test_of_two_that_ask_at_once_one_is_told_to_ask_again(witness):
    """To look and to note is one step, or a witness could be rolled back."""
    assert witness.add_checkpoint(asked(0, 5)).status == 200
    answers = []
    sizes = [6, 7, 8, 9, 10, 11, 12, 13]
    threads = [
        threading.Thread(target=lambda n=n: answers.append(witness.add_checkpoint(asked(5, n))))
        for n in sizes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7


def test_a_witness_that_cannot_keep_what_it_saw_signs_nothing(key, tmp_path):
    broken = Witness(key, {LOG.name: [LOG.verifier]}, tmp_path / "none/w.sqlite", lambda: NOW)
    with pytest.raises(CannotContinue, match="nothing was signed"):
        broken.add_checkpoint(asked(0, 5))


@contextmanager
def served(witness: Witness) -> Iterator[str]:
    """Serve a witness on loopback, and yield its address."""
    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(witness_app(witness), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def sealed(path: Path, count: int) -> TransparencyLog:
    """Return a log with so many entries."""
    log = TransparencyLog(DiskFiles(path), LOG)
    log.append([b"entry %d" % number for number in range(log.size, count)])
    return log


def test_a_log_collects_cosignatures_over_http(witness, key, tmp_path):
    """Also where the witness has seen it before and the client does not know: 409 tells."""
    files = DiskFiles(tmp_path / "log")
    with served(witness) as url:
        settings = AnchorSettings([WitnessAddress(url, key.verifier)], seconds=0)
        for count in (5, 12):
            log = sealed(tmp_path / "log", count)
            Anchors(settings, files).anchor(log, now=0)
            found = Note.parse(files.read(CHECKPOINT))
            assert found.verified([LOG.verifier, key.verifier]) == {
                LOG.verifier: None,
                key.verifier: NOW,
            }
        assert sealed(tmp_path / "log", 13).size == 13


def test_a_witness_that_has_seen_another_log_is_told_of(witness, key, tmp_path, caplog):
    """A log that was cut, and one that was written anew, get no cosignature."""
    with served(witness) as url:
        address = WitnessAddress(url, key.verifier)
        assert witness.add_checkpoint(asked(0, 12)).status == 200
        for path, entries in (("cut", 5), ("new", 12)):
            log = TransparencyLog(DiskFiles(tmp_path / path), LOG)
            log.append([b"forged %d" % n for n in range(entries)])
            lines = Cosigning([address], post).lines(
                log.checkpoint, DiskFiles(tmp_path / path).read(CHECKPOINT), log.reader
            )
            assert lines == []
    assert caplog.text.count("does not vouch") == 2


def test_nobody_at_the_address_costs_a_warning_alone(key, tmp_path, caplog):
    log = sealed(tmp_path / "log", 3)
    files = DiskFiles(tmp_path / "log")
    address = WitnessAddress("http://127.0.0.1:9", key.verifier)
    Anchors(AnchorSettings([address], seconds=0), files).anchor(log, now=0)
    assert "does not vouch" in caplog.text
    assert Note.parse(files.read(CHECKPOINT)).verified([LOG.verifier]) == {LOG.verifier: None}


def test_a_line_of_somebody_else_is_no_cosignature(key, tmp_path):
    """What a witness answers is checked before it is believed."""
    log = sealed(tmp_path / "log", 3)
    other = NoteKey("w1.example", Ed25519PrivateKey.generate(), COSIGNATURE)

    def lies(url: str, body: bytes, media_type: str) -> tuple[int, bytes]:
        return 200, other.line(log.checkpoint.text, NOW).encode()

    address = WitnessAddress("http://w", key.verifier)
    files = DiskFiles(tmp_path / "log")
    assert (
        Cosigning([address], lies).lines(log.checkpoint, files.read(CHECKPOINT), log.reader) == []
    )


def test_copies_are_made_once_and_never_written_over(tmp_path):
    """On write-once storage the second write would fail; here it must not even be tried."""
    log = sealed(tmp_path / "log", 3)
    copies = tmp_path / "copies"
    settings = AnchorSettings(copies=[DiskFiles(copies)], seconds=0)
    Anchors(settings, DiskFiles(tmp_path / "log")).anchor(log, now=0)
    (kept,) = copies.iterdir()
    assert kept.name == "000000000003.checkpoint"
    kept.write_bytes(b"as it was")
    Anchors(settings, DiskFiles(tmp_path / "log")).anchor(log, now=0)
    assert kept.read_bytes() == b"as it was"


class Authority:
    """A time stamping authority, made of `openssl ts`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        (path / "openssl.cnf").write_text(_CONFIGURATION.replace("DIRECTORY", str(path)))
        (path / "serial").write_text("01\n")
        self._run(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=root",
            "-keyout", path / "root.key", "-out", self.root, "-extensions", "root",
        )  # fmt: skip
        self._run(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa",
            "-keyout", path / "tsa.key", "-out", path / "tsa.csr",
        )  # fmt: skip
        self._run(
            "x509", "-req", "-in", path / "tsa.csr", "-CA", self.root, "-CAkey", path / "root.key",
            "-CAcreateserial", "-days", "3650", "-out", path / "tsa.pem",
            "-extfile", path / "openssl.cnf", "-extensions", "tsa",
        )  # fmt: skip

    @property
    def root(self) -> Path:
        return self.path / "root.pem"

    def answer(self, query: bytes) -> bytes:
        (self.path / "query").write_bytes(query)
        self._run(
            "ts", "-reply", "-queryfile", self.path / "query", "-out", self.path / "reply",
            "-config", self.path / "openssl.cnf", "-section", "tsa_policy",
        )  # fmt: skip
        return (self.path / "reply").read_bytes()

    def _run(self, *arguments: object) -> None:
        environment = {"OPENSSL_CONF": str(self.path / "openssl.cnf")}
        subprocess.run(
            [OPENSSL, *map(str, arguments)], check=True, capture_output=True, env=environment
        )


_CONFIGURATION = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa_policy]
serial = DIRECTORY/serial
crypto_device = builtin
signer_cert = DIRECTORY/tsa.pem
signer_key = DIRECTORY/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    if OPENSSL is None and "openssl" not in os.environ.get("LOCARD_REQUIRE", ""):
        pytest.skip("needs openssl, which is the authority here")
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


@contextmanager
def answering(authority: Authority) -> Iterator[str]:
    """Serve an authority on loopback, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            reply = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_checkpoint_is_stamped_and_the_stamp_is_of_it_alone(authority, tmp_path):
    """Kept beside the log; of another checkpoint, or of another authority, it says nothing."""
    log = sealed(tmp_path / "log", 3)
    files = DiskFiles(tmp_path / "log")
    with answering(authority) as url:
        Anchors(AnchorSettings(stamp_url=url), files).anchor(log, now=0)
    ((size, response),) = kept_stamps(files)
    assert size == 3
    assert stamped_at(response, log.checkpoint, [authority.root]) is not None
    later = Checkpoint(LOG.name, 4, bytes(32))
    assert stamped_at(response, later, [authority.root]) is None
    other = Authority(tmp_path / "other")
    assert stamped_at(response, log.checkpoint, [other.root]) is None
    assert stamped_at(b"nonsense", log.checkpoint, [authority.root]) is None


def test_an_answer_that_is_no_stamp_is_not_kept(tmp_path):
    log = sealed(tmp_path / "log", 3)
    files = DiskFiles(tmp_path / "log")
    with pytest.raises(CannotContinue, match="gives no time stamp"):
        stamp(log.checkpoint, "http://tsa", files, lambda *_: (200, b"nonsense"))
    assert list(kept_stamps(files)) == []


def test_an_address_that_is_none_of_http_is_not_opened():
    with pytest.raises(CannotContinue, match="no address of HTTP"):
        post("file:///etc/passwd", b"", "text/plain")


def test_a_witness_is_configured_with_its_address_and_key(key):
    text = f"https://w.example/ {key.verifier}"
    assert WitnessAddress.parse(text) == WitnessAddress("https://w.example", key.verifier)
    for broken in ("https://w.example", f"{key.verifier}", "https://w.example nonsense"):
        with pytest.raises(CannotContinue, match="URL KEY"):
            WitnessAddress.parse(broken)
