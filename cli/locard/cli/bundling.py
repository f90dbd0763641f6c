"""`locard bundle`: sessions, or a window of time, with their proof in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from locard.cli.assembly import evidence_keys, sealer
from locard.cli.cases import cases_of
from locard.cli.settings import Settings
from locard.cli.trail import note_access
from locard.schema import CannotContinue, utc_now

if TYPE_CHECKING:
    from locard.evidence.verifier import Report
    from locard.query.cases import Case


@click.command()
@click.option("--case", "case_id", help="The case that it is for; with it alone, what it holds.")
@click.option("--session", "given", multiple=True, help="A session, as for `timeline`. Repeatable.")
@click.option("--since", help="Events from then on: 2026-05-04, 2026-05-04T09:32Z or 2h.")
@click.option("--until", help="Events until then; a day counts whole. UTC, as --since.")
@click.option("--withhold", "withheld", multiple=True, help="A content field to leave out, such as "
    "`arguments`; repeatable. The proof stays whole.")  # fmt: skip
@click.option("--purpose", help="Why; it is recorded, and stands in the bundle.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write, such as case-7.zip.",
)
@click.pass_obj
def bundle(
    settings: Settings,
    case_id: str | None,
    given: tuple[str, ...],
    since: str | None,
    until: str | None,
    withheld: tuple[str, ...],
    purpose: str | None,
    output: Path,
) -> int:
    """Write an evidence bundle: events, proof, report, and a verifier that needs Python alone.

    That it was made is recorded before the file is there. Exit status 1: the lake is not whole, and
    the report says so.
    """
    from locard.evidence.bundle import BundleOrder, Selection, make_bundle
    from locard.evidence.verifier import own_policy, report_text, verify_lake
    from locard.evidence.verifier.columns import CONTENT
    from locard.ingest.operators import operator
    from locard.query import connect, find_session, incident_report, sessions_between
    from locard.query.moments import moment

    if unknown := set(withheld) - CONTENT:
        raise CannotContinue(
            f"{', '.join(sorted(unknown))}: no such content field; there are "
            f"{', '.join(sorted(CONTENT))}"
        )
    place = settings.lake_place
    if not isinstance(place, Path):
        raise CannotContinue(f"{place} is a bucket; copy it to a directory and use that as `lake`")
    now = utc_now()
    begin = moment(since, now) if since else None
    end = moment(until, now, is_end=True) if until else None
    with sealer(settings) as working:
        working.seal()
    keys = evidence_keys(settings)
    trust = own_policy(keys)
    with connect(place) as connection:
        found = _case(settings, case_id)
        named = given or sorted({*_held(settings, case_id), *(found.sessions if found else ())})
        sessions = [find_session(connection, one) for one in named]
        if not (sessions or since or until):
            raise CannotContinue(
                "a bundle is of sessions, of a window of time, or of a case that pins events or "
                "that a hold names"
            )
        told = sessions or sessions_between(connection, begin, end)
        verified = verify_lake(place, trust)
        facts = _facts(case_id, operator(), purpose, verified)
        report = incident_report(
            connection, told, f"Evidence of case {case_id or 'without a name'}", facts, withheld
        )
    order = BundleOrder(
        Selection(sessions, begin, end),
        operator(),
        case_id,
        purpose,
        withheld,
        {
            "report.html": report.html(),
            "report.txt": report.text(),
            "gaps.jsonl": report.gap_lines(),
            "verification.txt": report_text(verified).encode(),
            **_told(found, withheld),
        },
    )
    made = make_bundle(place, order, trust, keys.custody_key())
    note_access(
        settings,
        "bundled",
        row_count=made.rows,
        case_id=case_id,
        purpose=purpose,
        told={"sessions": list(sessions), "since": since, "until": until, "file": output.name},
    )
    _write(output, made.data)
    click.echo(f"{output}: {made.rows:,} events, {len(made.data):,} bytes")
    if made.unsealed:
        click.echo(f"{made.unsealed:,} events are not sealed yet and are not in it", err=True)
    if not verified.is_whole:
        click.echo("the lake is not whole; verification.txt in the bundle says what is", err=True)
    return 0 if verified.is_whole else 1


def _case(settings: Settings, case_id: str | None) -> Case | None:
    """Return the case of this id; `None` where only a hold or nobody knows it."""
    return cases_of(settings).find(case_id) if case_id is not None else None


def _told(found: Case | None, withheld: tuple[str, ...]) -> dict[str, bytes]:
    """Return what responders wrote, as files; nothing where content is withheld, they quote it."""
    from locard.query.cases.export import json_lines, markdown

    if found is None or withheld:
        return {}
    standing = "see verification.txt"
    return {
        "case.md": markdown(found, {}, standing).encode(),
        "case.jsonl": json_lines(found, {}, standing).encode(),
    }


def _held(settings: Settings, case_id: str | None) -> list[str]:
    """Return the sessions that holds of a case name."""
    from locard.ingest.retention import Holds

    if case_id is None:
        return []
    holds = Holds(settings.home / "holds.json").all()
    return sorted({name for hold in holds if hold.case_id == case_id for name in hold.sessions})


def _facts(case_id: str | None, by: str, purpose: str | None, verified: Report) -> dict[str, str]:
    told = {"case": case_id, "made by": by, "purpose": purpose}
    facts = {name: value for name, value in told.items() if value}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verified.counts.items())
    verdict = "whole" if verified.is_whole else "NOT whole"
    facts["the lake as a whole"] = verdict + (f" ({counts})" if counts else "")
    if checkpoint := verified.facts.get("checkpoint"):
        facts["checkpoint"] = (
            f"{checkpoint['origin']}, {checkpoint['size']} entries, root {checkpoint['root']}"
        )
    return facts


def _write(path: Path, data: bytes) -> None:
    from locard.evidence.log_files import DiskFiles

    try:
        DiskFiles(path.absolute().parent).write(path.name, data)
    except OSError as error:
        raise CannotContinue(
            f"{path} cannot be written: {error.strerror}; choose another --output"
        ) from error
