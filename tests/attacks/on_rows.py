"""Attacks by whoever may write the files of the lake."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from attacks.cases import attack, row_attack
from attacks.installation import NOW, Installation
from locard.evidence.commitments import new_seed
from locard.evidence.emptied import emptied_evidence
from locard.evidence.verifier import TrustPolicy, Verdict

ALTERED, MISSING = Verdict.ALTERED, Verdict.MISSING

# A file with more or fewer rows than Delta's log says is altered as well, and that is told too.
AND_THE_COUNT = (ALTERED,)


def at(offset: int, entry: int = 3) -> dict[str, object]:
    """Return the place of one row of partition 0."""
    return {"entry": entry, "partition": 0, "offsets": [[offset, offset + 1]]}


@row_attack(ALTERED, **at(9))
def edits_the_name_of_a_tool(one: Installation) -> None:
    one.change_row(9, tool_name="transfer_money")


@row_attack(ALTERED, **at(9))
def edits_a_value_that_redaction_left(one: Installation) -> None:
    one.change_row(9, on_behalf_of="Noa")


@row_attack(ALTERED, **at(9))
def edits_a_value_that_redaction_made(one: Installation) -> None:
    one.change_row(9, result=lambda value: value.replace("plan", "plot"))


@row_attack(ALTERED, **at(9))
def changes_a_time_by_a_microsecond(one: Installation) -> None:
    one.change_row(9, occurred_at=lambda moment: moment.replace(microsecond=1))


@row_attack(ALTERED, **at(9))
def changes_when_it_was_ingested(one: Installation) -> None:
    one.change_row(9, ingested_at=lambda moment: moment.replace(minute=1))


@row_attack(ALTERED, entry=4, partition=1, offsets=[[0, 1]], others=(Verdict.UNEXPLAINED_LOSS,))
def changes_who_sent_it(one: Installation) -> None:
    one.change_row(0, 1, principal="somebody-else")


@row_attack(ALTERED, **at(9))
def says_that_its_sender_was_verified(one: Installation) -> None:
    one.change_row(9, principal_verified=True)


@row_attack(ALTERED, **at(9))
def edits_the_record_of_redaction(one: Installation) -> None:
    one.change_row(9, redaction='{"engine":"test","policy":"another/1"}')


@row_attack(ALTERED, **at(9))
def moves_an_event_to_another_session(one: Installation) -> None:
    one.change_row(9, session_id="s2")


@row_attack(ALTERED, **at(9))
def gives_an_event_another_id(one: Installation) -> None:
    one.change_row(9, event_id="01890000-0000-7000-8000-000000000000")


@row_attack(ALTERED, **at(9))
def changes_the_kind(one: Installation) -> None:
    one.change_row(9, kind="content")


@row_attack(ALTERED, **at(9))
def writes_a_name_in_another_normal_form(one: Installation) -> None:
    one.change_row(9, on_behalf_of=lambda value: unicodedata.normalize("NFD", value))


@row_attack(ALTERED, **at(9))
def writes_a_number_as_another_type(one: Installation) -> None:
    one.change_row(9, result=lambda value: value.replace(":1,", ":1.0,"))


def give_type(one: Installation, name: str, kind: pa.DataType) -> None:
    """Write the file that has row 9 anew, with another type for a column."""
    path = one.file_with(9)
    table = pq.ParquetFile(path).read()
    number = table.schema.get_field_index(name)
    pq.write_table(table.set_column(number, name, table.column(number).cast(kind)), path)


@attack(ALTERED, others=(MISSING,))
def turns_content_into_bytes(one: Installation) -> None:
    give_type(one, "result", pa.binary())


@attack(ALTERED, others=(MISSING,))
def turns_the_name_of_the_log_into_bytes(one: Installation) -> None:
    give_type(one, "log_topic_id", pa.binary())


@attack(ALTERED, others=(MISSING,))
def turns_partitions_into_texts(one: Installation) -> None:
    give_type(one, "log_partition", pa.string())


@attack(ALTERED, others=(MISSING,))
def turns_offsets_into_fractions(one: Installation) -> None:
    give_type(one, "log_offset", pa.float64())


def patch_footer(
    one: Installation, pattern: bytes, replacement: Callable[[re.Match[bytes]], bytes]
) -> None:
    """Change bytes in the footer of the file that has row 9, without a change of length."""
    path = one.file_with(9)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer, count = re.subn(pattern, replacement, data[begin:], flags=re.DOTALL)
    if not count or len(footer) != len(data) - begin:
        raise LookupError(pattern)
    path.write_bytes(data[:begin] + footer)


@attack(ALTERED, others=(MISSING,))
def hides_values_behind_a_count_of_nulls(one: Installation) -> None:
    """DuckDB answers NULL for a column that is said to have nothing else."""
    patch_footer(one, rb"(on_behalf_of.{10,20}?\x1c\x36).", lambda found: found[1] + b"\x06")


@attack(ALTERED, others=(MISSING,))
def hides_rows_behind_a_greatest_value(one: Installation) -> None:
    """DuckDB passes over rows whose session cannot be among them."""

    def renamed(found: re.Match[bytes]) -> bytes:
        return found[1] + b"a" + found[2] + b"a"

    patch_footer(one, rb"(\x28\x02)s(.\x18\x02)s", renamed)


def patch_delta_log(one: Installation, pattern: str, replacement: str) -> None:
    """Change what Delta's log says of files, wherever it says it."""
    changed = 0
    for path in (one.lake / "_delta_log").glob("*.json"):
        text, count = re.subn(pattern, replacement, path.read_text())
        path.write_text(text)
        changed += count
    if not changed:
        raise LookupError(pattern)


@attack(ALTERED)
def hides_files_behind_a_latest_time_in_the_log(one: Installation) -> None:
    """Spark and delta-rs pass over files that end before what is asked for."""
    patch_delta_log(one, r"(maxValues[^}]*?)2026", r"\g<1>2025")


@row_attack(ALTERED, **at(9))
def repeats_a_key_in_json(one: Installation) -> None:
    one.change_row(9, result=lambda value: '{"amount":1,' + value[1:])


@row_attack(ALTERED, **at(9))
def puts_a_blank_into_json(one: Installation) -> None:
    one.change_row(9, result=lambda value: value.replace(",", ", ", 1))


@row_attack(ALTERED, **at(9))
def fills_a_column_of_the_core_that_was_empty(one: Installation) -> None:
    one.change_row(9, agent_name="somebody")


@row_attack(ALTERED, **at(9))
def fills_a_column_of_another_kind(one: Installation) -> None:
    one.change_row(9, verdict="allow")


@row_attack(ALTERED, **at(9))
def adds_content_that_nothing_vouches_for(one: Installation) -> None:
    one.change_row(9, rationale="because I was asked to")


@row_attack(ALTERED, **at(9))
def empties_a_column_of_the_core(one: Installation) -> None:
    one.change_row(9, session_id=None)


@row_attack(Verdict.REORDERED, entry=3, partition=0, offsets=[[9, 11]])
def swaps_two_rows(one: Installation) -> None:
    def swap(rows):
        rows[0]["log_offset"], rows[1]["log_offset"] = rows[1]["log_offset"], rows[0]["log_offset"]

    one.change_rows(swap, 9)


@row_attack(ALTERED, entry=3, partition=0, offsets=[[9, 11]])
def swaps_what_two_rows_say(one: Installation) -> None:
    def swap(rows):
        for name in ("result", "evidence"):
            rows[0][name], rows[1][name] = rows[1][name], rows[0][name]

    one.change_rows(swap, 9)


@row_attack(MISSING, **at(10), others=AND_THE_COUNT)
def drops_a_row(one: Installation) -> None:
    one.change_rows(lambda rows: rows.pop(1), 9)


@attack(MISSING, entry=3, partition=0, offsets=[[9, 12]], others=(ALTERED,))
def deletes_a_file(one: Installation) -> None:
    one.file_with(9).unlink()


@attack(MISSING, entry=3, partition=0, offsets=[[9, 12]])
def takes_a_file_out_of_the_lake(one: Installation) -> None:
    table = DeltaTable(one.lake)
    path = one.file_with(9)
    relative = path.relative_to(one.lake).as_posix()
    day = {"ingest_date": f"{NOW:%Y-%m-%d}"}
    removed = RemoveAction(relative, True, 0, path.stat().st_size, day)
    table.create_write_transaction([removed], "append", table.schema(), ["ingest_date"])


@row_attack(Verdict.DUPLICATED, **at(9), others=AND_THE_COUNT)
def repeats_a_row(one: Installation) -> None:
    one.change_rows(lambda rows: rows.append(dict(rows[0])), 9)


@row_attack(Verdict.DUPLICATED, **at(9), others=AND_THE_COUNT)
def adds_a_false_row_beside_a_true_one(one: Installation) -> None:
    def add(rows):
        rows.insert(0, {**rows[0], "tool_name": "innocent"})

    one.change_rows(add, 9)


@attack(Verdict.DUPLICATED, entry=3, offsets=[[9, 12]])
def adds_a_file_twice(one: Installation) -> None:
    add_file(one, one.file_with(9).read_bytes())


@row_attack(ALTERED, **at(4, entry=1))
def puts_a_row_where_the_log_had_none(one: Installation) -> None:
    def add(rows):
        rows.append({**rows[0], "log_offset": 4})

    one.change_rows(add, 3)


@attack(Verdict.UNSEALED, partition=0, first_offset=12, next_offset=13, others=AND_THE_COUNT)
def adds_a_row_at_the_end(one: Installation) -> TrustPolicy:
    def add(rows):
        rows.append({**rows[0], "log_offset": 12})

    one.change_rows(add, 9)
    told = one.policy.model_dump()
    return TrustPolicy.model_validate({**told, "refuse": {"verdicts": ["UNSEALED"]}})


@row_attack(Verdict.UNSEALED, topic_id="another", others=(MISSING,))
def moves_rows_to_another_topic(one: Installation) -> None:
    def move(rows):
        for row in rows:
            row["log_topic_id"] = "another"

    one.change_rows(move, 9)


@row_attack(ALTERED, **at(9))
def moves_a_row_to_another_partition(one: Installation) -> None:
    one.change_row(9, evidence=lambda value: value.replace('"sealed_by"', '"sealed_bx"'))
    one.change_row(9, log_partition=0, tool_name="moved")


@row_attack(ALTERED, entry=3, partition=0, offsets=[[9, 11]])
def swaps_the_salts_of_two_rows(one: Installation) -> None:
    def swap(rows):
        rows[0]["evidence"], rows[1]["evidence"] = rows[1]["evidence"], rows[0]["evidence"]

    one.change_rows(swap, 9)


@row_attack(ALTERED, **at(9))
def forges_a_value_with_a_salt_of_its_own(one: Installation) -> None:
    def forged(evidence):
        told = json.loads(evidence)
        told["fields"]["on_behalf_of"] = {"salt": new_seed().hex()}
        return json.dumps(told, separators=(",", ":"), sort_keys=True)

    one.change_row(9, on_behalf_of="Noa", evidence=forged)


def hide(one: Installation, offset: int, word: str | None, *, with_evidence: bool = True) -> None:
    """Take a row's content out as an erasure would."""

    def change(rows):
        for row in rows:
            if row["log_offset"] != offset:
                continue
            values = {
                "result": row["result"].encode(),
                "on_behalf_of": json.dumps(row["on_behalf_of"], ensure_ascii=False).encode(),
            }
            if with_evidence:
                row["evidence"] = emptied_evidence(row["evidence"], values)
            row["result"] = row["on_behalf_of"] = None
            if word:
                row["absent"] = f'{{"on_behalf_of":"{word}","result":"{word}"}}'

    one.change_rows(change, offset)


@row_attack(ALTERED, **at(9))
def takes_content_out_and_calls_it_erased(one: Installation) -> None:
    hide(one, 9, "erased")


@row_attack(ALTERED, **at(9))
def takes_content_out_and_calls_it_expired(one: Installation) -> None:
    hide(one, 9, "expired")


@row_attack(ALTERED, **at(9))
def takes_content_out_and_calls_it_quarantined(one: Installation) -> None:
    hide(one, 9, "quarantined")


@row_attack(ALTERED, **at(9))
def takes_content_out_and_says_nothing(one: Installation) -> None:
    hide(one, 9, None)


@row_attack(ALTERED, **at(9))
def takes_content_out_and_leaves_its_salts(one: Installation) -> None:
    hide(one, 9, "erased", with_evidence=False)


@row_attack(ALTERED, **at(7, entry=2))
def erases_more_than_the_statement_says(one: Installation) -> None:
    hide(one, 7, "erased")


@row_attack(ALTERED, entry=0, partition=0, offsets=[[0, 1]])
def calls_what_expired_erased(one: Installation) -> None:
    one.change_row(0, absent=lambda value: value.replace("expired", "erased"))


@row_attack(ALTERED, **at(5, entry=1))
def calls_what_is_quarantined_erased(one: Installation) -> None:
    one.change_row(5, absent=lambda value: value.replace("quarantined", "erased"))


@row_attack(ALTERED, **at(9))
def says_that_content_is_absent_that_is_there(one: Installation) -> None:
    one.change_row(9, absent='{"result":"erased"}')


@row_attack(ALTERED, **at(9))
def says_that_a_field_was_stamped(one: Installation) -> None:
    def stamped(evidence):
        told = json.loads(evidence)
        return json.dumps({**told, "stamped": ["tool_name"]}, separators=(",", ":"))

    one.change_row(9, tool_name="transfer_money", evidence=stamped)


@row_attack(ALTERED, **at(9))
def says_that_somebody_else_sealed_it(one: Installation) -> None:
    def by_consumer(evidence):
        told = {**json.loads(evidence), "sealed_by": "consumer"}
        return json.dumps(told, separators=(",", ":"), sort_keys=True)

    one.change_row(9, evidence=by_consumer)


@row_attack(ALTERED, **at(9))
def takes_the_evidence_away(one: Installation) -> None:
    one.change_row(9, evidence=None)


@attack(ALTERED, entry=3, offsets=[[9, 12]])
def adds_a_column_of_its_own(one: Installation) -> None:
    path = one.file_with(9)
    table = pq.ParquetFile(path).read()
    pq.write_table(table.append_column("verdict_of_court", pa.array(["guilty"] * 3)), path)


@attack(ALTERED, entry=3, offsets=[[9, 12]])
def takes_a_column_out(one: Installation) -> None:
    path = one.file_with(9)
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["tool_name"]), path)


@attack(ALTERED, entry=3, offsets=[[9, 12]])
def moves_a_file_to_another_day(one: Installation) -> None:
    """So that it expires earlier than it should."""
    path = one.file_with(9)
    table = DeltaTable(one.lake)
    relative = path.relative_to(one.lake).as_posix()
    size = path.stat().st_size
    older = "ingest_date=2025-01-01"
    (one.lake / older).mkdir()
    moved = f"{older}/{path.name}"
    (one.lake / moved).write_bytes(path.read_bytes())
    day = {"ingest_date": f"{NOW:%Y-%m-%d}"}
    table.create_write_transaction(
        [
            RemoveAction(relative, True, 0, size, day),
            AddAction(moved, size, {"ingest_date": "2025-01-01"}, 0, True, "{}"),
        ],
        "append",
        table.schema(),
        ["ingest_date"],
    )


@attack(MISSING, entry=3, others=(ALTERED,))
def cuts_a_file_short(one: Installation) -> None:
    path = one.file_with(9)
    os.truncate(path, path.stat().st_size - 10)


@attack(MISSING, entry=3, others=(ALTERED,))
def flips_a_bit_of_a_page(one: Installation) -> None:
    path = one.file_with(9)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


@attack(MISSING, entry=3, others=(ALTERED,))
def puts_text_in_the_place_of_a_file(one: Installation) -> None:
    one.file_with(9).write_text("nothing to see here")


@attack(ALTERED, file="_delta_log", others=(MISSING,))
def names_a_file_outside_of_the_lake(one: Installation) -> None:
    outside = one.home / "outside.parquet"
    one.file_with(9).rename(outside)
    table = DeltaTable(one.lake)
    size = outside.stat().st_size
    day = {"ingest_date": f"{NOW:%Y-%m-%d}"}
    table.create_write_transaction(
        [AddAction(str(outside), size, day, 0, True, "{}")],
        "append",
        table.schema(),
        ["ingest_date"],
    )


def add_file(one: Installation, data: bytes) -> None:
    """Have the lake consist of one more file."""
    table = DeltaTable(one.lake)
    day = f"{NOW:%Y-%m-%d}"
    path = f"ingest_date={day}/events-forged.parquet"
    (one.lake / path).write_bytes(data)
    table.create_write_transaction(
        [AddAction(path, len(data), {"ingest_date": day}, 0, True, "{}")],
        "append",
        table.schema(),
        ["ingest_date"],
    )


@attack(Verdict.DUPLICATED, entry=3, others=(ALTERED,))
def publishes_a_changed_copy_of_a_file(one: Installation) -> None:
    table = pq.ParquetFile(one.file_with(9)).read()
    number = table.schema.get_field_index("tool_name")
    forged = table.set_column(number, "tool_name", pa.array(["innocent"] * 3))
    sink = pa.BufferOutputStream()
    pq.write_table(forged, sink)
    add_file(one, sink.getvalue().to_pybytes())


@attack(MISSING, file="_delta_log", others=(MISSING,))
def removes_the_lakes_own_log(one: Installation) -> None:
    (one.lake / "_delta_log").rename(one.lake / "_gone")
