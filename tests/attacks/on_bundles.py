"""Attacks on an evidence bundle, on its way from whoever made it to whoever reads it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from attacks.bundled import Bundled
from locard.evidence import SigningKey
from locard.schema import canonical_bytes

BUNDLE_ATTACKS: list[tuple[str, Callable[[Bundled], Any]]] = []


def attack(verdict: str) -> Callable[[Callable[[Bundled], Any]], Callable[[Bundled], Any]]:
    """Enter a function into the table."""

    def enter(act: Callable[[Bundled], Any]) -> Callable[[Bundled], Any]:
        BUNDLE_ATTACKS.append((verdict, act))
        return act

    return enter


def entries(one: Bundled) -> list[dict[str, Any]]:
    """Return the entries of the log that are in the bundle."""
    return [json.loads(line) for line in one.parts["entries.jsonl"].splitlines()]


def put_entries(one: Bundled, told: list[dict[str, Any]]) -> None:
    """Put other entries in their place."""
    one.parts["entries.jsonl"] = b"".join(canonical_bytes(entry) + b"\n" for entry in told)


@attack("ALTERED")
def edits_a_row_without_signing(one: Bundled) -> None:
    one.change_row(9, tool_name="transfer_money")


@attack("ALTERED")
def edits_the_report(one: Bundled) -> None:
    one.parts["README.txt"] = b"nothing to see here"


@attack("MISSING")
def takes_a_file_out(one: Bundled) -> None:
    del one.parts["README.txt"]


@attack("ALTERED")
def puts_a_file_in(one: Bundled) -> None:
    one.parts["addendum.txt"] = b"it was somebody else"


@attack("ALTERED")
def signs_with_another_key(one: Bundled) -> None:
    key = SigningKey.generate()
    one.parts["manifest.sig"] = canonical_bytes(
        {"key_id": key.key_id, "signature": key.sign(one.parts["manifest.json"])}
    )


@attack("ALTERED")
def edits_the_manifest(one: Bundled) -> None:
    told = {**one.manifest, "by": "somebody else"}
    one.parts["manifest.json"] = canonical_bytes(told)


@attack("ALTERED")
def edits_an_entry(one: Bundled) -> None:
    told = entries(one)
    told[3]["entry"] = told[3]["entry"].replace('"rows":3', '"rows":2')
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def gives_an_entry_another_index(one: Bundled) -> None:
    told = entries(one)
    told[3]["index"] = 2
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def gives_an_index_beyond_the_log(one: Bundled) -> None:
    told = entries(one)
    told[3]["index"] = 10_000
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def gives_a_negative_index(one: Bundled) -> None:
    told = entries(one)
    told[3]["index"] = -1
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def makes_a_proof_longer(one: Bundled) -> None:
    told = entries(one)
    told[3]["proof"].append(base64.b64encode(bytes(32)).decode())
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def makes_a_proof_shorter(one: Bundled) -> None:
    told = entries(one)
    told[3]["proof"].pop()
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def swaps_two_steps_of_a_proof(one: Bundled) -> None:
    told = entries(one)
    told[3]["proof"][:2] = reversed(told[3]["proof"][:2])
    put_entries(one, told)
    one.sign()


@attack("ALTERED")
def edits_the_size_in_the_checkpoint(one: Bundled) -> None:
    one.parts["checkpoint"] = one.parts["checkpoint"].replace(b"\n10\n", b"\n11\n", 1)
    one.sign()


@attack("ALTERED")
def takes_the_signature_of_the_log_away(one: Bundled) -> None:
    text, _, _ = one.parts["checkpoint"].partition(b"\n\n")
    one.parts["checkpoint"] = text + "\n\n— somebody AAAAAAAA\n".encode()
    one.sign()


@attack("ALTERED")
def edits_a_leaf(one: Bundled) -> None:
    data = bytearray(one.parts["leaves.bin"])
    data[0] ^= 1
    one.parts["leaves.bin"] = bytes(data)
    one.sign()


@attack("ALTERED")
def cuts_the_leaves_short(one: Bundled) -> None:
    one.parts["leaves.bin"] = one.parts["leaves.bin"][:-32]
    one.sign()


@attack("ALTERED")
def takes_the_statement_of_an_erasure_out(one: Bundled) -> None:
    put_entries(one, [told for told in entries(one) if '"erasure"' not in told["entry"]])
    one.sign()


@attack("MISSING")
def takes_a_row_out(one: Bundled) -> None:
    one.change_rows(lambda rows: rows.pop(1), 9)
    one.sign()


@attack("ALTERED")
def takes_a_segment_out_with_its_entry(one: Bundled) -> None:
    told = entries(one)
    put_entries(one, [*told[:3], *told[4:]])
    one.sign()


@attack("ALTERED")
def shows_a_row_that_was_not_chosen(one: Bundled) -> None:
    rows = dict(one.manifest["rows"])
    name = next(iter(rows))
    one.sign(rows={**rows, name: [[0, 4], [5, 11]]})


@attack("ALTERED")
def writes_nonsense_into_the_rows(one: Bundled) -> None:
    one.parts["rows.jsonl"] = b"nonsense\n"
    one.parts["rows.parquet"] = b"nonsense"
    one.sign()
