"""`locard seal` and `locard verify`: what was published is signed, and held against that."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from locard.cli.assembly import anchors, evidence_keys, new_sealer, nobody_else_seals
from locard.cli.health import health, health_options
from locard.cli.settings import Settings
from locard.schema import CannotContinue, LocardError

if TYPE_CHECKING:
    from locard.evidence.verifier import Report, TrustPolicy
    from locard.ingest.sealer import Sealed

_WRONG: Final = 1


@click.command()
@click.option("--once", is_flag=True, help="Seal what was published until now, then end.")
@click.option(
    "--every",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="How often; default: seal_seconds.",
)
@health_options
@click.pass_obj
def seal(
    settings: Settings,
    once: bool,
    seconds: float | None,
    health_port: int | None,
    health_host: str,
) -> int:
    """Seal what was published into the transparency log, and have the witnesses vouch for it.

    Exit status 1: the rows of a segment are not those that were published.
    """
    from locard.ingest.sealer import SealerMetrics

    outside = anchors(settings)
    with nobody_else_seals(settings):
        working = new_sealer(settings)
        if once:
            done = working.seal()
            outside.anchor(working.log)
            return _tell(done)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    click.echo(f"sealing {settings.lake_place}", err=True)
    with health(SealerMetrics(working.counts), health_host, health_port) as heartbeat:
        while not stopping.wait(seconds or settings.seal_seconds):
            heartbeat.beat()
            try:
                with nobody_else_seals(settings):  # who erases or bundles seals in between
                    working.refresh()
                    working.seal(lambda _: heartbeat.beat())
                    outside.anchor(working.log)
            except LocardError as error:  # recording goes on; what is not sealed waits
                click.echo(f"seal: {error}", err=True)
    return 0


def _tell(done: Sealed) -> int:
    size = done.checkpoint.size if done.checkpoint else 0
    click.echo(
        f"sealed {done.rows:,} events in {done.segments:,} segments; the log has {size:,} entries"
    )
    for entry in done.mismatches:
        click.echo(
            f"entry {entry}: the rows are not those that were published; see `locard verify`",
            err=True,
        )
    return _WRONG if done.mismatches else 0


@click.command()
@click.argument("lake", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The trust policy; default: trust_policy, or else the keys of this installation.",
)
@click.option(
    "--checkpoint",
    "known",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint that was kept elsewhere; what was cut or forked since shows. Repeatable.",
)
@click.option(
    "--since",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint up to which the rows were verified before: only later ones are read.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to keep the checkpoint, if the lake is whole; for --checkpoint and --since.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Check an evidence bundle instead of a lake.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for machines.",
)
@click.pass_obj
def verify(
    settings: Settings,
    lake: Path | None,
    trust: Path | None,
    known: tuple[Path, ...],
    since: Path | None,
    save: Path | None,
    bundle: Path | None,
    format_name: Literal["text", "json"],
) -> int:
    """Hold the lake, or the copy of one in the directory LAKE, against its transparency log.

    Exit status 0: whole. 1: altered, lost, or unanchored beyond policy. 2: could not be checked.
    """
    from locard.evidence.verifier import verify_lake

    if bundle:
        return _verify_bundle(settings, bundle, trust, format_name)
    place = lake or settings.lake_place
    if not isinstance(place, Path):
        raise CannotContinue(
            f"{place} is a bucket; copy it to a directory, and name that to `locard verify`"
        )
    policy, whose = _policy(settings, trust)
    report = verify_lake(
        place,
        policy,
        known=[path.read_bytes() for path in known],
        since=since.read_bytes() if since else None,
        progress=_progress,
        processes=len(os.sched_getaffinity(0)),
    )
    report.facts["trusted"] = whose
    if save and report.is_whole:
        _save(place, save, report)
    return _show(report, format_name)


def _verify_bundle(
    settings: Settings, path: Path, trust: Path | None, format_name: Literal["text", "json"]
) -> int:
    from locard.evidence.bundle import verify_bundle
    from locard.evidence.verifier import read_trust

    given = trust or settings.trust_policy
    report = verify_bundle(path, read_trust(given) if given else None)
    report.facts["trusted"] = (
        f"the policy {given}"
        if given
        else "the keys in the bundle itself: it is whole in itself or not, and may be anybody's"
    )
    return _show(report, format_name)


def _show(report: Report, format_name: Literal["text", "json"]) -> int:
    from locard.evidence.verifier import report_object, report_text

    if format_name == "json":
        click.echo(json.dumps(report_object(report), indent=1))
    else:
        click.echo(report_text(report), nl=False)
    return 0 if report.is_whole else _WRONG


def _policy(settings: Settings, given: Path | None) -> tuple[TrustPolicy, str]:
    """Return whom to believe, and where that comes from."""
    from locard.evidence.verifier import own_policy, read_trust

    path = given or settings.trust_policy
    if path:
        return read_trust(path), f"the policy {path}"
    keys = evidence_keys(settings)
    if not (keys.directory / "log").exists():
        raise CannotContinue(
            "there is no trust policy, and this installation has no keys of a log; name the policy "
            "with --trust"
        )
    return own_policy(keys), "the keys of this installation, which whoever holds it can change"


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        shown = f"{done:,} of {total:,} rows" if done < total else ""
        click.echo(f"\r\x1b[2K{shown}", err=True, nl=False)


def _save(lake: Path, path: Path, report: Report) -> None:
    from locard.evidence.log_files import DiskFiles
    from locard.evidence.verifier import LOG_DIRECTORY

    DiskFiles(path.absolute().parent).write(
        path.name, (lake / LOG_DIRECTORY / "checkpoint").read_bytes()
    )
    size = report.facts.get("checkpoint", {}).get("size", 0)
    click.echo(f"kept the checkpoint of {size:,} entries in {path}", err=True)
