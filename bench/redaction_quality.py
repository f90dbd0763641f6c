"""What redaction finds and what it finds in vain, next to Presidio with its patterns alone.

    script/bench redaction-quality [--quick] [--corpora DIR]

Both look at the same texts: Presidio with its default English recognizers and no language model,
and Locard's default, which is the same recognizers, its own and the model of names that ships with
it. Scores below the default policy's threshold do not count, overlaps are decided as in redaction.

Labels of the short texts and what they are called here:

    GPE, STREET_ADDRESS                        LOCATION
    DOMAIN_NAME                                URL
    all others                                 as they are
    findings DATE_OF_BIRTH                     DATE_TIME, of which the labels have no kinds

Matching: *characters* compares letters and digits one by one, with their type. *spans* wants
intersection over union of at least one half and the same type; *spans, untyped* as
presidio-research reports its overall figures: at least 0.9 and any type. See `matching.py`.

On the airline's runs each occurrence of a known e-mail address, date of birth or street address
counts, in prose and in JSON; it is found if findings cover all of it. A date of birth has to be
found as one, since other dates stay. Findings on agents' traffic are counted per 1000 characters
of distinct texts: there are few people in it, so most of them should not be there.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.corpora import CORPORA, rows
from bench.matching import Labelled, Tally, by_characters, by_spans, is_covered
from bench.reporting import Report

Find = Callable[[str, tuple[str, ...]], list[Labelled]]

_NAMES_OF_LABELS: Final = {"GPE": "LOCATION", "STREET_ADDRESS": "LOCATION", "DOMAIN_NAME": "URL"}
_OF_NAMES: Final = ("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_OF_BIRTH", "TITLE", "AGE")
_QUICK_SHARE: Final = 8


def _presidio() -> Find:
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    from locard.redaction.analyzer import LANGUAGE, blank_engine

    # With the suffixes that ship with it, since it would fetch a list on its first e-mail address.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = blank_engine()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=engine)
    registry.remove_recognizer("SpacyRecognizer")
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])
    return _disjoint(lambda text, context: _analyzed(analyzer, text, context))


def _locard() -> Find:
    from locard.redaction import DetectionSettings
    from locard.redaction.detection import detection

    found = detection(DetectionSettings())
    names: Any = found.names
    return _disjoint(
        lambda text, context: [
            *_analyzed(found.analyzer, text, context),
            *names.find(text, context),
        ]
    )


def _analyzed(analyzer: Any, text: str, context: tuple[str, ...]) -> list[Any]:
    found: list[Any] = analyzer.analyze(text, "en", context=context or None)
    return found


def _disjoint(find: Callable[[str, tuple[str, ...]], Iterable[Any]]) -> Find:
    from locard.redaction.policy import DEFAULT_POLICY
    from locard.redaction.spans import Span, disjoint

    def found(text: str, context: tuple[str, ...] = ()) -> list[Labelled]:
        spans = [
            Span(f.start, f.end, f.entity_type, f.score)
            for f in find(text, context)
            if f.score >= DEFAULT_POLICY.threshold
        ]
        return [Labelled(s.start, s.end, s.entity_type) for s in disjoint(spans)]

    return found


def _short_texts(report: Report, texts: list[Any], side: str, find: Find) -> None:
    """Report precision and recall on short texts with labels, by entity and for all."""
    tallies = {"characters": Tally(), "spans": Tally(), "spans, untyped": Tally()}
    for row in texts:
        text = row["text"]
        labels = [
            Labelled(
                s["start_position"],
                s["end_position"],
                _NAMES_OF_LABELS.get(s["entity_type"], s["entity_type"]),
            )
            for s in row["spans"]
        ]
        found = [
            f._replace(entity_type="DATE_TIME") if f.entity_type == "DATE_OF_BIRTH" else f
            for f in find(text, ())
        ]
        by_characters(tallies["characters"], text, labels, found)
        by_spans(tallies["spans"], text, labels, found, least_overlap=0.5)
        by_spans(tallies["spans, untyped"], text, labels, found, least_overlap=0.9, typed=False)
    for name, tally in tallies.items():
        is_aim = side == "locard" and name == "characters"
        case = f"presidio-synth, {side}, {name}"
        report.figure(case, "recall", tally.recall(), "share", ">=0.85" if is_aim else None)
        report.figure(case, "precision", tally.precision(), "share", ">=0.8" if is_aim else None)
    for entity_type in tallies["characters"].types():
        for name in ("characters", "spans"):
            case = f"presidio-synth, {side}, {name}, {entity_type}"
            report.figure(case, "recall", tallies[name].recall(entity_type), "share")
            report.figure(case, "precision", tallies[name].precision(entity_type), "share")


class _Leaves:
    """Stands where redaction's texts would be redacted, and collects them."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, tuple[str, ...]], None] = {}

    def redact(self, text: str, _: object, context: tuple[str, ...] = ()) -> Any:
        from locard.redaction.text import RedactedText

        self.texts[text, context] = None
        return RedactedText(text)


def _leaves(value: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the distinct texts of a value with the words of their keys, as redaction walks it."""
    from locard.redaction.policy import DEFAULT_POLICY
    from locard.redaction.walk import Walk

    leaves = _Leaves()
    texts: Any = leaves
    Walk(texts, DEFAULT_POLICY.rules(None, "messages")).value(value)
    yield from leaves.texts


def _airline(report: Report, folder: Path, side: str, find: Find, every: int) -> None:
    """Report the recall of personal data that certainly occurs in the runs."""
    known = {row["run_id"]: row["pii"] for row in rows(folder / "airline-dev-pii.jsonl.gz")}
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    remembered: dict[tuple[str, tuple[str, ...]], list[Labelled]] = {}
    for run in rows(folder / "airline-dev.jsonl.gz")[::every]:
        for text, context in _leaves(run["messages"]):
            places = [(item, at) for item in known[run["run_id"]] for at in _places(text, item)]
            if not places:
                continue
            found = remembered.get((text, context))
            if found is None:
                found = remembered[text, context] = find(text, context)
            for item, at in places:
                kind = item["entity_type"]
                counting = found
                if kind == "DATE_TIME":
                    counting = [f for f in found if f.entity_type == "DATE_OF_BIRTH"]
                total[kind] += 1
                hit[kind] += is_covered(at, at + len(item["value"]), counting)
    for kind in sorted(total):
        name = "DATE_OF_BIRTH" if kind == "DATE_TIME" else kind
        aim = ">=0.98" if side == "locard" else None
        report.figure(f"airline, {side}, {name}", "recall", hit[kind] / total[kind], "share", aim)
        report.figure(f"airline, {side}, {name}", "occurrences", total[kind], "count")


def _places(text: str, item: dict[str, str]) -> Iterator[int]:
    at = text.find(item["value"])
    while at >= 0:
        yield at
        at = text.find(item["value"], at + 1)


def _traffic(report: Report, path: Path, name: str, find: Find, every: int) -> None:
    """Report how much is found in agents' traffic, where there is little to find."""
    texts = dict.fromkeys(leaf for run in rows(path)[::every] for leaf in _leaves(run["messages"]))
    found = Counter(f.entity_type for text, context in texts for f in find(text, context))
    characters = sum(len(text) for text, _ in texts)
    for entity_type in _OF_NAMES:
        value = 1000 * found[entity_type] / characters
        report.figure(f"{name}, locard, {entity_type}", "findings", value, "1/kB")


def main() -> None:
    """Run all parts; a part whose corpus is missing is told on stderr and left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the long runs")
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    arguments = parser.parse_args()
    report = Report("redaction-quality")
    folder: Path = arguments.corpora
    every = _QUICK_SHARE if arguments.quick else 1
    if not folder.exists():
        sys.exit(f"redaction-quality: no corpora in {folder}; name their folder with --corpora")
    sides = {"presidio": _presidio(), "locard": _locard()}
    for side, find in sides.items():
        for path in sorted((folder / "pii").glob("*.jsonl.gz")):
            _short_texts(report, rows(path), side, find)
        _airline(report, folder / "tau", side, find, every)
    _traffic(
        report, folder / "agentdojo" / "runs-dev.jsonl.gz", "agentdojo", sides["locard"], every
    )
    _traffic(report, folder / "tau" / "airline-dev.jsonl.gz", "airline", sides["locard"], every)


if __name__ == "__main__":
    main()
