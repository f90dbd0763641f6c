"""Attacks on the transparency log, by whoever may write its files, or even has its key."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attacks.cases import attack
from attacks.installation import NOW, Installation, event, made, numbered, said
from locard.evidence import SigningKey
from locard.evidence.custody import Custodian
from locard.evidence.log_files import DiskFiles
from locard.evidence.merkle import leaf_hash
from locard.evidence.notes import COSIGNATURE, Checkpoint, Note, NoteKey, note
from locard.evidence.tiles import bundle, bundle_path, tile_path
from locard.evidence.transparency_log import TransparencyLog
from locard.evidence.verifier import TrustPolicy, Verdict
from locard.ingest.erasure import Erasure, Subject

ALTERED, MISSING, FORKED = Verdict.ALTERED, Verdict.MISSING, Verdict.FORKED
LOG = "_transparency"


def entries(one: Installation) -> list[bytes]:
    """Return the entries of the log."""
    return list(one.sealer().log.reader.entries())


def log_file(one: Installation, path: str) -> Path:
    """Return a file of the log."""
    return one.lake / LOG / path


def rewrite_entries(one: Installation, changed: list[bytes]) -> None:
    """Put other entries where the log's own are."""
    log_file(one, bundle_path(0, len(changed))).write_bytes(bundle(changed))


def remake_log(one: Installation, told: list[bytes], key: NoteKey | None = None) -> None:
    """Write the whole log anew, as somebody can who has its key."""
    leaves = (one.lake / LOG / "leaves").rename(one.home / "leaves")
    shutil.rmtree(one.lake / LOG)
    TransparencyLog(DiskFiles(one.lake / LOG), key or one.keys.log_key()).append(told)
    leaves.rename(one.lake / LOG / "leaves")


def changed_entry(data: bytes, **members: object) -> bytes:
    """Return an entry with other members."""
    told = {**json.loads(data), **members}
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


@attack(ALTERED, entry=3)
def edits_the_root_of_a_segment(one: Installation) -> None:
    told = entries(one)
    told[3] = changed_entry(told[3], root=json.loads(told[2])["root"])
    rewrite_entries(one, told)


@attack(ALTERED, entry=2, others=(MISSING, Verdict.DUPLICATED))
def swaps_two_entries(one: Installation) -> None:
    told = entries(one)
    told[2], told[3] = told[3], told[2]
    rewrite_entries(one, told)


@attack(MISSING, file="tile/entries/000.p/10", others=(Verdict.UNSEALED,))
def removes_the_entries(one: Installation) -> None:
    log_file(one, bundle_path(0, len(entries(one)))).unlink()


@attack(MISSING, file="tile/entries/000.p/10", others=(Verdict.UNSEALED,))
def cuts_the_entries_short(one: Installation) -> None:
    path = log_file(one, bundle_path(0, len(entries(one))))
    path.write_bytes(path.read_bytes()[:-1])


@attack(ALTERED, file="tile/0/000.p/10")
def edits_a_tile(one: Installation) -> None:
    path = log_file(one, tile_path(0, 0, len(entries(one))))
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)


@attack(MISSING, file="tile/0/000.p/10")
def removes_a_tile(one: Installation) -> None:
    log_file(one, tile_path(0, 0, len(entries(one)))).unlink()


@attack(MISSING, file="checkpoint", others=(Verdict.UNSEALED,))
def removes_the_checkpoint(one: Installation) -> None:
    log_file(one, "checkpoint").unlink()


@attack(MISSING, file="checkpoint", others=(Verdict.UNSEALED,))
def removes_the_whole_log(one: Installation) -> None:
    shutil.rmtree(one.lake / LOG)


@attack(ALTERED, file="checkpoint", others=(Verdict.UNSEALED,))
def writes_another_size_into_the_checkpoint(one: Installation) -> None:
    path = log_file(one, "checkpoint")
    path.write_bytes(path.read_bytes().replace(b"\n10\n", b"\n9\n", 1))


@attack(ALTERED, file="checkpoint", others=(Verdict.UNSEALED,))
def signs_the_checkpoint_with_another_key(one: Installation) -> None:
    path = log_file(one, "checkpoint")
    text = Note.parse(path.read_bytes()).text
    key = NoteKey(one.keys.log_key().name, Ed25519PrivateKey.generate())
    path.write_bytes(note(text, [key.line(text)]))


@attack(ALTERED, file="checkpoint", others=(Verdict.UNSEALED,))
def takes_the_signature_away(one: Installation) -> None:
    path = log_file(one, "checkpoint")
    path.write_bytes(Note.parse(path.read_bytes()).text.encode())


@attack(FORKED, file="checkpoint", others=(Verdict.UNSEALED,))
def puts_the_checkpoint_of_another_log_there(one: Installation) -> None:
    other = made(one.home.parent / "other")
    log_file(one, "checkpoint").write_bytes(other.checkpoint())


@attack(ALTERED, file="checkpoint", size=11)
def signs_a_root_that_the_entries_do_not_lead_to(one: Installation) -> None:
    """As only somebody who has the log's key can."""
    key = one.keys.log_key()
    told = [*entries(one), b"{}"]
    text = Checkpoint(key.name, len(told), bytes(32)).text
    log_file(one, "checkpoint").write_bytes(note(text, [key.line(text)]))
    rewrite_entries(one, told)
    tile = b"".join(map(leaf_hash, told))
    log_file(one, tile_path(0, 0, len(told))).write_bytes(tile)


@attack(MISSING, kept=(2,), first_entry=6, next_entry=10, others=(ALTERED, Verdict.UNSEALED))
def rolls_the_log_back(one: Installation) -> None:
    """Puts back an older checkpoint, which was signed once: only a newer one tells."""
    log_file(one, "checkpoint").write_bytes(one.kept[1])


@attack(MISSING, kept=(2,), first_entry=1)
def cuts_the_log_and_the_rows(one: Installation) -> None:
    """The lake as it was after its first segment: only a checkpoint that was kept tells."""
    first = one.home.parent / "first"
    first_only(one, first)
    shutil.rmtree(one.lake)
    (first / "lake").rename(one.lake)


def first_only(one: Installation, home: Path) -> None:
    """Make an installation with the same keys that has sealed one segment alone."""
    shutil.copytree(one.home / "keys", home / "keys")
    other = Installation(home, [])
    other.publish(event())
    other.seal()


@attack(FORKED, kept=(1,), next_entry=6)
def writes_history_anew(one: Installation) -> None:
    """With the log's key, rows and log can be made up: only a checkpoint that was kept tells."""
    home = one.home.parent / "forged"
    shutil.copytree(one.home / "keys", home / "keys")
    forged = Installation(home, [])
    for number in range(12):
        forged.publish(said(f"forged {number}"))
    forged.seal()
    shutil.rmtree(one.lake)
    forged.lake.rename(one.lake)


@attack(FORKED, kept=(2,), next_entry=10, others=(ALTERED, MISSING))
def merges_two_segments(one: Installation) -> None:
    """With the log's key: one entry in place of two, so that a row less is not missed."""
    told = entries(one)
    first, second = json.loads(told[1]), json.loads(told[2])
    merged = {**first, "next_offset": second["next_offset"], "rows": 5}
    told[1:3] = [json.dumps(merged, sort_keys=True, separators=(",", ":")).encode(), b"{}"]
    remake_log(one, told)


@attack(
    Verdict.DUPLICATED,
    partition=0,
    first_offset=9,
    next_offset=12,
    kept=(2,),
    others=(ALTERED,),
)
def seals_a_range_of_the_log_again(one: Installation) -> None:
    """A replayed range, with the log's key: it shows without any checkpoint that was kept."""
    told = entries(one)
    TransparencyLog(DiskFiles(one.lake / LOG), one.keys.log_key()).append([told[3]])


@attack(MISSING, partition=0, first_offset=6, next_offset=9, kept=(), others=(FORKED, ALTERED))
def leaves_a_segment_out(one: Installation) -> None:
    """With the log's key, and the rows taken out as well."""
    told = entries(one)
    remake_log(one, [*told[:2], *told[3:]])


@attack(ALTERED, entry=10, others=())
def forges_a_statement_of_custody(one: Installation) -> None:
    """Whoever may write the lake commits an erasure that nobody with the key has signed."""
    forger = Custodian(SigningKey.generate(), "tester")
    Erasure(one.lake, one.holds, forger).run(Subject(sessions=["s2"]), {"ticket": "T2"}, NOW)
    one.seal()


@attack(ALTERED, entry=10)
def widens_a_statement_of_custody(one: Installation) -> None:
    told = json.loads(entries(one)[8])
    told["statement"]["emptied"] = {"0a1b2c/0": [[0, 12]]}
    TransparencyLog(DiskFiles(one.lake / LOG), one.keys.log_key()).append(
        [json.dumps(told, sort_keys=True, separators=(",", ":")).encode()]
    )


@attack(ALTERED, entry=3)
def edits_a_row_and_its_leaf(one: Installation) -> None:
    """Without the leaves nobody can say which row it was; that it was one shows all the same."""
    one.change_row(9, tool_name="transfer_money")
    for path in (one.lake / LOG / "leaves").iterdir():
        path.write_bytes(bytes(len(path.read_bytes())))


@attack(ALTERED, entry=10, partition=0)
def edits_a_row_before_it_is_sealed(one: Installation) -> None:
    """The sealer reads from the disk, and signs what it finds beside what was published."""
    one.publish(said("late"))
    one.change_row(12, tool_name="transfer_money")
    one.seal()


@attack(ALTERED, entry=3)
def edits_a_leaf_hash(one: Installation) -> None:
    """The rows are whole, but when one expires the others could not be proved any more."""
    for path in (one.lake / LOG / "leaves").iterdir():
        data = bytearray(path.read_bytes())
        for at in range(0, len(data), 32):
            data[at] ^= 1
        path.write_bytes(data)


@attack(ALTERED, entry=3)
def removes_the_leaf_hashes(one: Installation) -> None:
    shutil.rmtree(one.lake / LOG / "leaves")


def with_witnesses(one: Installation, quorum: int, *keys: NoteKey) -> TrustPolicy:
    """Return the installation's policy with witnesses in it."""
    told = one.policy.model_dump()
    witnesses = {"keys": [str(key.verifier) for key in keys], "quorum": quorum}
    return TrustPolicy.model_validate({**told, "witnesses": witnesses})


def witness(name: str) -> NoteKey:
    """Return the key of a witness."""
    return NoteKey(name, Ed25519PrivateKey.generate(), COSIGNATURE)


@attack(Verdict.UNANCHORED, file="checkpoint")
def lacks_the_witnesses_that_the_policy_wants(one: Installation) -> TrustPolicy:
    return with_witnesses(one, 1, witness("w1.example"))


@attack(ALTERED, file="checkpoint", others=(Verdict.UNANCHORED,))
def forges_the_signature_of_a_witness(one: Installation) -> TrustPolicy:
    key = witness("w1.example")
    data = base64.b64encode(key.verifier.key_id + bytes(8) + bytes(64)).decode()
    path = log_file(one, "checkpoint")
    path.write_bytes(path.read_bytes() + f"— w1.example {data}\n".encode())
    return with_witnesses(one, 1, key)


@attack(Verdict.UNANCHORED, file="checkpoint")
def takes_a_witness_for_two(one: Installation) -> TrustPolicy:
    """One witness that has signed twice is one."""
    key = witness("w1.example")
    path = log_file(one, "checkpoint")
    text = Note.parse(path.read_bytes()).text
    path.write_bytes(path.read_bytes() + (key.line(text, 1) + key.line(text, 2)).encode())
    return with_witnesses(one, 2, key, witness("w2.example"))


@attack(Verdict.UNANCHORED, file="checkpoint")
def takes_the_signature_of_an_older_checkpoint(one: Installation) -> TrustPolicy:
    """A witness has vouched for what was then, and not for what is now."""
    key = witness("w1.example")
    line = key.line(Note.parse(one.kept[0]).text, 1)
    other = witness("w2.example")
    path = log_file(one, "checkpoint")
    path.write_bytes(path.read_bytes() + line.replace("w1", "w3").encode())
    return with_witnesses(one, 1, key, other)


@attack(Verdict.UNEXPLAINED_LOSS, collector_id="c1", first_seq=7, next_seq=8)
def loses_an_event_before_the_lake(one: Installation) -> None:
    """The consumer, or whoever may write to the event log, left one out."""
    one.publish(numbered(8, session_id="s9"), partition=1)
    one.seal()


@attack(Verdict.DUPLICATED, collector_id="c1", seqs=[[2, 3]])
def gives_a_number_to_another_event(one: Installation) -> None:
    """The same stream and number, and another event: somebody speaks for the collector."""
    one.publish(numbered(2, session_id="s9"), partition=1)
    one.seal()


@attack(Verdict.UNEXPLAINED_LOSS, collector_id="c1", first_seq=7, next_seq=9)
def declares_a_loss_without_a_signature(one: Installation) -> None:
    """Anybody can say that nothing else was sent: only a signature makes it count."""
    drops = [{"first_seq": 7, "last_seq": 8, "reason": "queue_full"}]
    body = {"statement": "interval", "drops": drops, "declared_drops": 2}
    one.publish(numbered(9, "accounting", body=body), partition=1)
    one.seal()
