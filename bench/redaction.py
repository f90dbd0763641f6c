"""Presidio and Locard on the same texts, by turns on one core: how fast, and the same findings.

    script/bench redaction [--quick] [--corpora DIR]

Both have the same recognizers: Presidio's default English ones, its own of Locard, and those of
secrets. Context words work in both. Neither looks for names here; what that costs is a case of its
own, `names`, without a ratio, since Presidio would need a model for it.

Cases:

    agents, unique      what agents read and wrote, each text once, nothing remembered before
    calls, history      each call of a model with its whole history, as a log would send it: Locard
                        remembers texts, Presidio has no memory; every eighth call is measured there
    short, dense        short texts full of personal data
    long                results of tools joined to 4 to 16 kB
    hostile             texts that are made to take long; Locard alone, in ms per kB: its engine,
                        and all that a text goes through, names and structure included

Texts go through by turns, in 24 chunks, so that both see the same noise of the machine. What is
made once for a process, such as compiled patterns, is not counted.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import phonenumbers

from bench.corpora import CORPORA, rows, texts_of
from bench.reporting import Report

_TURNS: Final = 24  # of each side in a case
_SAMPLED: Final = 8  # every eighth call is measured with Presidio
_LANGUAGE: Final = "en"
_WARM: Final = (
    "mia@example.com 079 555 12 34 http://a.ch/ GB29NWBK60161331926819 bank account 123456789"
)
# The patterns of each country are compiled when its first number is seen.
_TELEPHONES: Final = [f"phone +{code} 5551234" for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]

Texts = Sequence[str]


class _Sides:
    """Both engines, and what they have taken."""

    def __init__(self) -> None:
        from locard.redaction.analyzer import offline_analyzer
        from locard.redaction.engine import FastAnalyzer

        self.presidio = offline_analyzer()
        self._make = lambda: FastAnalyzer(self.presidio, has_lower_case_lemmas=True)
        self.ours = self.fresh()
        gc.collect()
        gc.freeze()

    def fresh(self) -> Any:
        """Return an engine that has seen no text but those that make its patterns."""
        made = self._make()
        for text in _WARM, *_TELEPHONES:
            made.analyze(text, _LANGUAGE)
        return made


def _told(results: Iterable[Any]) -> list[tuple[str, int, int, float]]:
    return [(r.entity_type, r.start, r.end, r.score) for r in results]


def _compare(report: Report, case: str, sides: _Sides, texts: Texts, aim: str | None) -> None:
    """Report speeds, their ratio and how many texts have other findings."""
    ours = sides.fresh()
    taken = {"presidio": 0.0, "locard": 0.0}
    differences = 0
    size = -(-len(texts) // _TURNS)
    for at in range(0, len(texts), size):
        chunk = texts[at : at + size]
        began = time.perf_counter()
        theirs = [sides.presidio.analyze(text, _LANGUAGE) for text in chunk]
        between = time.perf_counter()
        own = [ours.analyze(text, _LANGUAGE) for text in chunk]
        ended = time.perf_counter()
        taken["presidio"] += between - began
        taken["locard"] += ended - between
        differences += sum(_told(a) != _told(b) for a, b in zip(theirs, own, strict=True))
    characters = sum(map(len, texts))
    for side, seconds in taken.items():
        report.figure(case, f"{side} speed", characters / seconds / 1e6, "MB/s")
        report.figure(case, f"{side} texts", len(texts) / seconds, "1/s")
    report.figure(case, "ratio", taken["presidio"] / taken["locard"], "x", aim)
    report.figure(case, "texts with other findings", differences, "count", "<=0")


def _history(report: Report, sides: _Sides, calls: Sequence[Texts]) -> None:
    """Report calls with their whole history: through the memory of redaction, and without one."""
    from locard.redaction.findings import TextFinder

    entities = tuple(sides.presidio.get_supported_entities(_LANGUAGE))
    finder = TextFinder(sides.fresh(), None, entity_types=entities, lowest_score=0.0)
    finder.find(_WARM)
    presidio = locard = 0.0
    sampled = 0
    for number, texts in enumerate(calls):
        began = time.perf_counter()
        for text in texts:
            finder.find(text)
        locard += time.perf_counter() - began
        if number % _SAMPLED == 0:
            sampled += 1
            began = time.perf_counter()
            for text in texts:
                sides.presidio.analyze(text, _LANGUAGE)
            presidio += time.perf_counter() - began
    each, theirs = locard / len(calls), presidio / sampled
    report.figure("calls, history", "presidio", theirs * 1e3, "ms per call")
    report.figure("calls, history", "locard", each * 1e3, "ms per call")
    report.figure("calls, history", "ratio", theirs / each, "x", ">=200")


def _names(report: Report, texts: Texts) -> None:
    """Report what looking for names adds."""
    from locard.redaction.names import default_finder

    finder = default_finder()
    finder.find(_WARM)
    began = time.perf_counter()
    for text in texts:
        finder.find(text)
    seconds = time.perf_counter() - began
    report.figure("names", "locard speed", sum(map(len, texts)) / seconds / 1e6, "MB/s")


def _repeated(unit: str) -> Callable[[int], str]:
    return lambda size: unit * (size // len(unit))


def _numbered(unit: str) -> Callable[[int], str]:
    return lambda size: "".join(unit % number for number in range(size // len(unit)))


def _chosen(signs: str) -> Callable[[int], str]:
    # The same signs in each run.
    return lambda size: "".join(random.Random(1).choices(signs, k=size))  # noqa: S311


HOSTILE: Final[dict[str, Callable[[int], str]]] = {
    "mail without domain": lambda size: "a." * (size // 2) + "@",
    "mail of hyphens": lambda size: "a-" * (size // 2) + "a@a",
    "dot leaders": _repeated("."),
    "hosts": _repeated("a.b."),
    "top-level domains": _repeated(".com"),
    "colons": _repeated("a:"),
    "letters": _repeated("A"),
    "hexadecimal": _chosen("0123456789abcdef"),
    "base64": _chosen("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
    "blanks": _repeated(" "),
    "digits": _repeated("1"),
    "digits and blanks": _chosen("0123456789 "),
    "digits and marks": _chosen("0123456789 .-/"),
    "digits of another script": _repeated("١٢٣٤٥٦٧٨٩ "),
    "dates": _numbered("2024-01-%02d "),
    "amounts": _numbered("%d.00 - 6.00 "),
    "telephones": _numbered("phone 079 5%d\n"),
    "telephones abroad": _numbered("+41%d "),
    "accounts": _repeated("GB29NWBK6016 "),
    "bank accounts": _numbered("bank account %d "),
    "IPv4": _repeated("1.1.1.1 "),
    "IPv6": _repeated("::1 "),
    "mails": _numbered("a%d@example.com "),
    "pages": _numbered("http://a%d.com/x "),
    "private keys": _repeated("-----BEGIN PRIVATE KEY-----"),
    "tokens": _repeated("eyJaaaaaaaa."),
    "connection strings": _repeated("a://b:"),
    "passwords": _repeated("password=a"),
    "requests": _repeated("curl -u a "),
    "elements": _repeated("<a b='c'>"),
    "mails within": _repeated("a@a.a."),
}


def _hostile(report: Report, sides: _Sides, sizes: Sequence[int]) -> None:
    from locard.redaction import DEFAULT_POLICY, DetectionSettings
    from locard.redaction.detection import detection

    finder = detection(DetectionSettings()).finder(DEFAULT_POLICY)
    finder.find(_WARM)
    ways = {"engine": lambda text: sides.ours.analyze(text, _LANGUAGE), "whole": finder.find}
    for name, make in HOSTILE.items():
        for way, look in ways.items():
            worst = 0.0
            for text in map(make, sizes):
                began = time.perf_counter()
                look(text)
                worst = max(worst, (time.perf_counter() - began) * 1e6 / len(text))
            report.figure(f"hostile, {name}", way, worst, "ms/kB", "<=10")


def main() -> None:
    """Run all cases; `--quick` takes a part of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some hundred texts of each kind")
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    arguments = parser.parse_args()
    folder: Path = arguments.corpora
    if not folder.exists():
        sys.exit(f"redaction: no corpora in {folder}; name their folder with --corpora")
    most = 240 if arguments.quick else 10_000
    report, sides = Report("redaction"), _Sides()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = [
        [list(texts_of(message)) for message in row["messages"]]
        for path in ("agentdojo/runs-dev.jsonl.gz", "tau/airline-dev.jsonl.gz")
        for row in rows(folder / path)
    ]
    chance = random.Random(1)  # noqa: S311 - a fixed order
    unique = list(dict.fromkeys(text for run in runs for message in run for text in message))
    chance.shuffle(unique)
    _compare(report, "agents, unique", sides, unique[:most], ">=50")
    calls = [
        [text for message in run[:end] for text in message]
        for run in (runs[::40] if arguments.quick else runs)
        for end in range(1, len(run) + 1)
        if end % 2
    ]
    _history(report, sides, calls)
    short = [row["text"] for row in rows(folder / "pii" / "presidio-synth-dev.jsonl.gz")]
    _compare(report, "short, dense", sides, short[:most], ">=20")
    _compare(report, "long", sides, _joined(unique, chance)[: most // 30], None)
    _names(report, unique[:most])
    _hostile(report, sides, (1_000, 8_000) if arguments.quick else (1_000, 8_000, 50_000))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    report.figure("all", "memory beside what is loaded", grown, "MB")


def _joined(texts: Texts, chance: random.Random) -> list[str]:
    """Return documents of 4 to 16 kB of longer texts."""
    documents, document, size = [], "", chance.randint(4_000, 16_000)
    for text in texts:
        if len(text) > 300:
            document += text + "\n"
        if len(document) >= size:
            documents.append(document)
            document, size = "", chance.randint(4_000, 16_000)
    return documents


if __name__ == "__main__":
    main()
