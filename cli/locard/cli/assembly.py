"""Putting the parts together from the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from locard.cli.settings import Settings
from locard.schema import CannotContinue

_SECONDS_TO_WAIT: Final = 60.0  # for another sealer
_SECONDS_UNTIL_SPOOLED: Final = 5.0  # that Kafka may take before events go to the disk

if TYPE_CHECKING:
    from locard.evidence.custody import Custodian
    from locard.evidence.keys import EvidenceKeys
    from locard.ingest.consumer import Consumer
    from locard.ingest.eventlog import EventLogReader, EventLogWriter
    from locard.ingest.eventlog.kafka_cluster import KafkaSettings
    from locard.ingest.retention import Retention
    from locard.ingest.sealer import Anchors, Sealer
    from locard.redaction import DetectionSettings, Keyring, RedactionPolicy, VaultSettings


def kafka_settings(settings: Settings, bootstrap: str) -> KafkaSettings:
    """Return what the Kafka log needs."""
    from locard.ingest.eventlog.kafka_cluster import KafkaSettings

    return KafkaSettings(
        bootstrap=bootstrap,
        topic=settings.kafka_topic,
        group=settings.kafka_group,
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        retention=timedelta(hours=settings.retention_hours),
        seconds_to_answer=settings.kafka_seconds,
        session_seconds=settings.kafka_session_seconds,
    )


@contextmanager
def log_writer(settings: Settings) -> Iterator[EventLogWriter]:
    """Open the configured event log for appending."""
    writer: EventLogWriter
    if settings.kafka:
        from locard.ingest.eventlog.kafka import KafkaWriter

        writer = KafkaWriter(kafka_settings(settings, settings.kafka))
    else:
        from locard.ingest.eventlog.embedded import EmbeddedWriter

        writer = EmbeddedWriter(settings.home / "log.sqlite")
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def collector_log(settings: Settings, spool_name: str = "spool.sqlite") -> Iterator[EventLogWriter]:
    """Open the configured event log for a service, which goes on while Kafka is away.

    On Kafka there is a spool in front, in the home, of each service its own. The embedded log is
    itself on this disk.
    """
    if not settings.kafka:
        with log_writer(settings) as writer:
            yield writer
        return
    from locard.ingest.eventlog.kafka import KafkaWriter
    from locard.ingest.spool import Spool, SpooledWriter

    kafka = kafka_settings(settings, settings.kafka)
    spool = Spool(settings.home / spool_name, settings.spool_bytes)
    spooled = SpooledWriter(lambda: KafkaWriter(kafka, _SECONDS_UNTIL_SPOOLED), spool)
    try:
        yield spooled
    finally:
        spooled.close()


@contextmanager
def log_reader(settings: Settings) -> Iterator[EventLogReader]:
    """Open the configured event log for reading."""
    reader: EventLogReader
    if settings.kafka:
        from locard.ingest.eventlog.kafka import KafkaReader

        reader = KafkaReader(kafka_settings(settings, settings.kafka))
    else:
        from locard.ingest.eventlog.embedded import EmbeddedReader

        retention = timedelta(hours=settings.retention_hours)
        reader = EmbeddedReader(settings.home / "log.sqlite", retention)
    try:
        yield reader
    finally:
        reader.close()


def redaction_policy(settings: Settings) -> RedactionPolicy:
    """Return the configured policy: a file's, else that of the home, else the default one.

    Raises:
        CannotContinue: there is a file, and it is no policy.
    """
    from locard.redaction import DEFAULT_POLICY, read_policy

    in_home = settings.home / "redaction.toml"
    if settings.redaction_policy:
        return read_policy(settings.redaction_policy)
    return read_policy(in_home) if in_home.exists() else DEFAULT_POLICY


def retention(settings: Settings) -> Retention:
    """Return what applies the retention policy: a configured file's, else that of the home.

    Raises:
        CannotContinue: there is a file, and it is no policy; or a configured one is not there.
    """
    from locard.ingest.retention import Holds, Retention, read_retention

    path = settings.retention_policy or settings.home / "retention.toml"
    if settings.retention_policy and not path.exists():
        raise CannotContinue(f"there is no retention policy {path}; put it back, or leave it out")
    return Retention(
        settings.lake_place,
        read_retention(path),
        Holds(settings.home / "holds.json"),
        custodian(settings),
        settings.home,
    )


def evidence_keys(settings: Settings) -> EvidenceKeys:
    """Return the keys that the evidence rests on."""
    from locard.evidence.keys import EvidenceKeys

    return EvidenceKeys(settings.home / "keys")


def custodian(settings: Settings) -> Custodian:
    """Return whoever works here, with the key that signs what lawfully goes."""
    from locard.evidence.custody import Custodian
    from locard.ingest.operators import operator

    return Custodian(evidence_keys(settings).custody_key(), operator())


def anchors(settings: Settings) -> Anchors:
    """Return the configured anchors of the transparency log."""
    from locard.evidence.anchors.cosigning import WitnessAddress
    from locard.evidence.log_files import DiskFiles
    from locard.ingest.sealer import Anchors, AnchorSettings, log_files

    wanted = AnchorSettings(
        [WitnessAddress.parse(text) for text in settings.witnesses],
        settings.anchor_seconds,
        [DiskFiles(path) for path in settings.checkpoint_copies],
        settings.timestamp_url,
        settings.timestamp_minutes * 60,
    )
    return Anchors(wanted, log_files(settings.lake_place))


@contextmanager
def sealer(settings: Settings) -> Iterator[Sealer]:
    """Give a sealer of the lake, the only one while the block runs.

    Raises:
        RetryableError: another one is at work for too long.
        CannotContinue: its key or its log cannot be used.
    """
    with nobody_else_seals(settings):
        yield new_sealer(settings)


def new_sealer(settings: Settings) -> Sealer:
    """Return a sealer of the lake, to be used while nobody else seals.

    Raises:
        CannotContinue: its key or its log cannot be used.
    """
    from locard.ingest.sealer import Sealer, log_files

    keys = evidence_keys(settings)
    key = keys.log_key(settings.log_origin)
    place = settings.lake_place
    return Sealer(place, log_files(place), key, keys.log_verifiers())


@contextmanager
def nobody_else_seals(settings: Settings) -> Iterator[None]:
    """Keep other processes of this home from sealing while the block runs.

    Raises:
        RetryableError: one was at it for too long.
    """
    from locard.ingest.file_lock import locked

    busy = f"another process has been sealing the lake at {settings.lake_place} for long; try again"
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = settings.home / "sealer.lock"
    with locked(lock, is_shared=False, seconds=_SECONDS_TO_WAIT, busy=busy):
        yield


def detection_settings(settings: Settings) -> DetectionSettings:
    """Return what is configured to look for personal data."""
    from locard.redaction import DetectionSettings

    return DetectionSettings(settings.redaction_model, settings.redaction_recognizers)


def _vault_settings(settings: Settings, keyring: Keyring) -> VaultSettings | None:
    from locard.redaction import VaultSettings

    if not settings.vault:
        return None
    return VaultSettings(settings.vault_path, keyring.vault_public_key().public_bytes_raw())


@contextmanager
def consumer(settings: Settings) -> Iterator[Consumer]:
    """Build the consumer on the configured log, lake, keys and quarantine."""
    from locard.evidence.rows import row_evidence
    from locard.ingest.batch import BatchLimits
    from locard.ingest.consumer import Consumer
    from locard.ingest.lake import LakeWriter
    from locard.ingest.quarantine import Quarantine
    from locard.redaction import Keyring, presidio_pool

    keyring = Keyring.open_or_create(settings.home / "keys")
    lake = LakeWriter(settings.lake_place)
    quarantine = Quarantine(
        settings.home / "quarantine", keyring.quarantine_public_key(), settings.quarantine_limit
    )
    pool = presidio_pool(
        keyring.pseudonymizer(),
        redaction_policy(settings),
        detection_settings(settings),
        _vault_settings(settings, keyring),
        workers=settings.redaction_workers,
        seconds_per_event=settings.redaction_seconds,
        attest=row_evidence,
    )
    limits = BatchLimits(rows=settings.batch_rows, age=settings.batch_seconds)
    with pool, log_reader(settings) as reader:
        yield Consumer(reader, pool, lake, quarantine, limits=limits)
