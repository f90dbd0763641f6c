"""The log on the disk: what other programs read of it, and what a crash leaves."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from locard.evidence.log_files import DiskFiles
from locard.evidence.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from locard.evidence.notes import Checkpoint, Note, NoteKey
from locard.evidence.tiles import TileError, bundle, bundle_path, entries_of, tile_path
from locard.evidence.transparency_log import CHECKPOINT, TransparencyLog
from locard.schema import CannotContinue

KEY = NoteKey("log.example/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
GO = shutil.which("go")
READER = Path(__file__).parent / "sumdb_reader.go"


def entry(number: int) -> bytes:
    """Return an entry that is not like any other."""
    return b"entry %d" % number


def filled(path: Path, *sizes: int) -> TransparencyLog:
    """Return a log to which so many entries were appended at a time."""
    log = TransparencyLog(DiskFiles(path), KEY)
    for size in sizes:
        log.append([entry(number) for number in range(log.size, log.size + size)])
    return log


def test_appending_in_any_portions_makes_the_same_log(tmp_path):
    """Every checkpoint on the way is that of its entries, also where another process goes on."""
    rng = random.Random(3)  # noqa: S311
    log = TransparencyLog(DiskFiles(tmp_path), KEY)
    hashes: list[bytes] = []
    while len(hashes) < 70_000:
        count = rng.choice([1, 2, 100, 255, 256, 257, 1000, 9000])
        added = [entry(number) for number in range(len(hashes), len(hashes) + count)]
        hashes += map(leaf_hash, added)
        made = log.append(added)
        if rng.random() < 0.1:
            assert made == Checkpoint(KEY.name, len(hashes), root_of(hashes))
            log = TransparencyLog(DiskFiles(tmp_path), KEY)
    reader = log.reader
    assert reader.root() == root_of(hashes)
    assert list(reader.entries(69_990))[:10] == [entry(n) for n in range(69_990, 70_000)]
    for index in (0, 255, 256, 65_535, 65_536, len(hashes) - 1):
        proof = inclusion_proof(index, log.size, reader.nodes)
        verify_inclusion(hashes[index], index, log.size, proof, reader.root())
    for old in (1, 255, 65_536, 69_999):
        proof = consistency_proof(old, log.size, reader.nodes)
        verify_consistency(old, log.size, proof, root_of(hashes[:old]), reader.root())


def test_files_lie_where_c2sp_tlog_tiles_has_them(tmp_path):
    filled(tmp_path, 256, 300)
    found = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {
        "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/44", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/44",
    } <= found  # fmt: skip
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert bundle_path(1000, 3) == "tile/entries/x001/000.p/3"


def test_narrow_tiles_do_not_pile_up(tmp_path):
    """Those of the last two checkpoints are there, and the full ones."""
    filled(tmp_path, *[1] * 200)
    assert len(list(tmp_path.glob("tile/0/000.p/*"))) <= 3


@pytest.mark.skipif(
    GO is None and "golang" not in os.environ.get("LOCARD_REQUIRE", ""),
    reason="needs Go, whose own packages read the log",
)
def test_the_tools_of_go_read_the_log(tmp_path):
    """`golang.org/x/mod/sumdb`, as it ships with Go: note, root, tiles, and proofs both ways."""
    log = filled(tmp_path / "log", 5, 400, 70_000)
    module = tmp_path / "reader"
    assert GO is not None, "Go was promised and is not on the path"
    goroot = subprocess.run([GO, "env", "GOROOT"], capture_output=True, text=True, check=True)
    packages = Path(goroot.stdout.strip()) / "src/cmd/vendor/golang.org/x/mod/sumdb"
    for name in ("note", "tlog"):
        shutil.copytree(packages / name, module / "vendor/golang.org/x/mod/sumdb" / name)
    shutil.copy(READER, module / "main.go")
    (module / "go.mod").write_text("module reader\n\ngo 1.23\n\nrequire golang.org/x/mod v0.17.0\n")
    (module / "vendor/modules.txt").write_text(
        "# golang.org/x/mod v0.17.0\n## explicit; go 1.23\n"
        "golang.org/x/mod/sumdb/note\ngolang.org/x/mod/sumdb/tlog\n"
    )
    environment = {
        **os.environ, "GOFLAGS": "-mod=vendor", "GOPROXY": "off", "GOTOOLCHAIN": "local",
        "HOME": str(tmp_path), "GOCACHE": str(tmp_path / "cache"), "GOSUMDB": "off",
    }  # fmt: skip
    done = subprocess.run(
        [GO, "run", ".", str(tmp_path / "log"), str(KEY.verifier)],
        cwd=module,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{log.size} entries, root {log.reader.root().hex()}"
    # What Go proves, we believe.
    for line in done.stdout.splitlines()[1:]:
        what, number, *proof = line.split()
        steps = [bytes.fromhex(step) for step in proof]
        if what == "record":
            index = int(number)
            leaf = leaf_hash(entry(index))
            verify_inclusion(leaf, index, log.size, steps, log.reader.root())
        else:
            old = int(number)
            before = root_of([leaf_hash(entry(n)) for n in range(old)])
            verify_consistency(old, log.size, steps, before, log.reader.root())


def test_a_log_of_another_name_or_key_is_not_gone_on_with(tmp_path):
    filled(tmp_path, 3)
    for name in ("log.example/1", "log.example/2"):
        with pytest.raises(CannotContinue, match="not signed by a key"):
            TransparencyLog(DiskFiles(tmp_path), NoteKey(name, Ed25519PrivateKey.generate()))


def test_a_log_whose_tiles_were_changed_is_not_signed_again(tmp_path):
    """The sealer must not vouch for a tree that does not go on from where it was."""
    log = filled(tmp_path, 300)
    path = tmp_path / tile_path(0, 1, 44)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(CannotContinue, match="do not lead to the root"):
        log.append([entry(300)])
    assert Checkpoint.parse(Note.parse((tmp_path / CHECKPOINT).read_bytes()).text).size == 300


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    """Tiles without a checkpoint are of no log: the next append makes its own."""
    log = filled(tmp_path, 10)
    before = (tmp_path / CHECKPOINT).read_bytes()
    log.append([entry(10)])
    (tmp_path / CHECKPOINT).write_bytes(before)
    again = TransparencyLog(DiskFiles(tmp_path), KEY)
    made = again.append([b"another"])
    assert made.root == root_of([*(leaf_hash(entry(n)) for n in range(10)), leaf_hash(b"another")])


def test_an_entry_has_a_largest_size_and_a_bundle_a_number():
    with pytest.raises(TileError):
        bundle([bytes(65_536)])
    data = bundle([b"a", b"", bytes(65_535)])
    assert entries_of(data, 3) == [b"a", b"", bytes(65_535)]
    for broken, width in ((data[:-1], 3), (data, 2), (data + b"\0", 3), (b"\0", 1)):
        with pytest.raises(TileError):
            entries_of(broken, width)
