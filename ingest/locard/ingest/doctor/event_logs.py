"""The event log, and whether the lake stands where the log can go on from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from locard.ingest.doctor.finding import Finding, ok, warning, wrong
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.lake import LakeWriter
from locard.ingest.lake_store import has_lake
from locard.schema import LakePlace, LocardError

_CANNOT_BE_TOLD: Final = "the positions could not be compared"


def examine_embedded(path: Path, lake: LakePlace) -> Iterator[Finding]:
    """Yield what is found of the embedded log at this path."""
    if not path.exists():
        yield ok("event log", "there is none yet; it is made when the first event comes")
        return
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            problems = [told for (told,) in connection.execute("PRAGMA quick_check(1)")]
            (topic_id,) = connection.execute("SELECT topic_id FROM about").fetchone()
            rows = connection.execute("SELECT partition, begin_offset, end_offset FROM partitions")
            ranges = {partition: (begin, end) for partition, begin, end in rows}
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield wrong(
            "event log",
            f"{path} cannot be read: {error}",
            "restore it from a copy; what was accepted and not published is in it alone",
        )
        return
    if problems != ["ok"]:
        yield wrong("event log", f"{path} is damaged", "keep it, and restore the file from a copy")
    yield from _positions(topic_id, ranges, lake)


def examine_kafka(settings: Any, lake: LakePlace) -> Iterator[Finding]:
    """Yield what is found of the topic of these `KafkaSettings`, without making it."""
    from locard.ingest.eventlog.kafka_cluster import describe_topic

    try:
        topic = describe_topic(settings)
    except LocardError as error:
        yield wrong("event log", str(error), "the collector keeps events on its disk meanwhile")
        return
    if topic is None:
        yield ok("event log", f"topic {settings.topic} is made when the first event comes")
        return
    yield from _topic_settings(settings.topic, topic.config)
    yield from _positions(topic.topic_id, topic.ranges, lake)


def _topic_settings(name: str, config: Mapping[str, str]) -> Iterator[Finding]:
    what = f"topic {name}"
    if config.get("cleanup.policy") != "delete":
        yield wrong(
            what,
            f"cleanup.policy is {config.get('cleanup.policy')}: records with the same key replace "
            "each other, and events vanish",
            "set it to delete",
        )
    longest = config.get("max.message.bytes", "0")
    if int(longest) < LARGEST_RECORD:
        yield warning(
            what,
            f"max.message.bytes is {longest}: larger events are refused by the broker",
            f"set it to {LARGEST_RECORD + 64 * 1024}",
        )
    kept = timedelta(milliseconds=int(config.get("retention.ms", "0")))
    if kept < timedelta(0):
        yield warning(
            what, "keeps raw text for ever", "set retention.ms, for instance to a day: 86400000"
        )
    elif kept < timedelta(hours=1):
        yield warning(
            what,
            f"keeps records for {kept}: a consumer that is away for longer loses them",
            "set retention.ms to a day: 86400000",
        )
    else:
        yield ok(what, f"keeps records for {kept}")


def _positions(
    topic_id: str, ranges: Mapping[int, tuple[int, int]], lake: LakePlace
) -> Iterator[Finding]:
    """Yield how the lake's positions lie to what the log has.

    Args:
        ranges: the first and the next offset of each partition.
    """
    if not has_lake(lake):
        waiting = sum(end - begin for begin, end in ranges.values())
        yield ok("positions", f"{waiting:,} records wait, and there is no lake yet")
        return
    try:
        positions = LakeWriter(lake).next_offsets(topic_id, ranges)
    except LocardError:
        yield warning("positions", _CANNOT_BE_TOLD, "see what is told of the lake")
        return
    waiting = 0
    is_sound = True
    for partition, (begin, end) in sorted(ranges.items()):
        position = positions.get(partition, 0)
        waiting += max(0, end - max(position, begin))
        if position > end:
            is_sound = False
            yield wrong(
                f"partition {partition}",
                f"the lake has records up to {position} and the log ends at {end}: it was cut, "
                "or restored from an older copy, or is of another lake",
                "use the log that fits",
            )
        elif position < begin:
            is_sound = False
            yield warning(
                f"partition {partition}",
                f"records {position} to {begin - 1} left the log unread; the consumer records "
                "that as a gap",
                "keep the log's retention longer than the consumer is ever away",
            )
    if is_sound:
        yield ok("positions", f"the lake fits the log; {waiting:,} records wait")
