"""The Kafka cluster: how to reach it, the topic there, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaConfigurationError, KafkaError, TopicAlreadyExistsError

from locard.ingest.eventlog import LARGEST_RECORD
from locard.schema import CannotContinue, RetryableError

LARGEST_REQUEST: Final = LARGEST_RECORD + 64 * 1024
"""A record's value with room for its key and framing, in bytes."""


@dataclass(frozen=True)
class KafkaSettings:
    """Which topic on which cluster.

    Args:
        bootstrap: `host:port`, several separated by commas.
        topic: made if it does not exist.
        group: the consumer group; its members share the partitions.
        partitions: of a topic that is made.
        replication: of a topic that is made.
        retention: of a topic that is made. The topic holds what redaction has not seen: short.
        seconds_to_answer: how long the cluster may take to answer at first.
        session_seconds: how long a consumer may be silent before its partitions go to others.
        security: more settings of kafka-python's clients, such as `sasl_mechanism`.
    """

    bootstrap: str
    topic: str = "locard.events"
    group: str = "locard-consumer"
    partitions: int = 6
    replication: int = 1
    retention: timedelta = timedelta(hours=24)
    seconds_to_answer: float = 10.0
    session_seconds: float = 45.0
    security: tuple[tuple[str, Any], ...] = ()

    @property
    def client(self) -> dict[str, Any]:
        """The settings that every client needs."""
        return {
            "bootstrap_servers": self.bootstrap.split(","),
            "bootstrap_timeout_ms": int(self.seconds_to_answer * 1000),
            **dict(self.security),
        }


def ensure_topic(settings: KafkaSettings) -> str:
    """Make the topic if it does not exist, and return its id.

    Raises:
        RetryableError: the cluster cannot be reached.
        CannotContinue: the cluster refuses.
    """
    with translated(settings), _closing(KafkaAdminClient(**settings.client)) as admin:
        found = admin.describe_topics([settings.topic])[0]
        if found["topic_id"] is None or found["error_code"]:
            _create_topic(admin, settings)
            found = admin.describe_topics([settings.topic])[0]
        return str(found["topic_id"])


@dataclass(frozen=True)
class TopicDescription:
    """A topic as the cluster has it.

    Args:
        config: its settings, defaults included.
        ranges: the first and the next offset of each partition.
    """

    topic_id: str
    config: dict[str, str]
    ranges: dict[int, tuple[int, int]]


def describe_topic(settings: KafkaSettings) -> TopicDescription | None:
    """Return what the cluster says of the topic; `None` where there is none.

    Raises:
        RetryableError: the cluster cannot be reached.
        CannotContinue: the cluster refuses.
    """
    with translated(settings), _closing(KafkaAdminClient(**settings.client)) as admin:
        found = admin.describe_topics([settings.topic])[0]
        if found["topic_id"] is None or found["error_code"]:
            return None
        resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic)
        described = admin.describe_configs([resource], config_filter="all")
        (entries,) = (topics[settings.topic] for topics in described.values() if topics)
        partitions = [
            TopicPartition(settings.topic, partition["partition_index"])
            for partition in found["partitions"]
        ]
        first, following = (
            admin.list_partition_offsets(dict.fromkeys(partitions, spec))
            for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
        )
        return TopicDescription(
            str(found["topic_id"]),
            {key: str(entry["value"]) for key, entry in entries.items()},
            {one.partition: (first[one].offset, following[one].offset) for one in partitions},
        )


def _create_topic(admin: KafkaAdminClient, settings: KafkaSettings) -> None:
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(int(settings.retention.total_seconds() * 1000)),
        "max.message.bytes": str(LARGEST_REQUEST),
    }
    topic = {
        "num_partitions": settings.partitions,
        "replication_factor": settings.replication,
        "configs": config,
    }
    try:
        admin.create_topics({settings.topic: topic}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another process was faster


@contextmanager
def _closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        client.close()


@contextmanager
def translated(settings: KafkaSettings) -> Iterator[None]:
    """Turn what the client raises into what the caller has to do. Its text quotes no record."""
    try:
        yield
    except (KafkaConfigurationError, ValueError) as error:
        raise CannotContinue(
            f"Kafka at {settings.bootstrap} cannot be used as configured: {error}; "
            "correct LOCARD_KAFKA and what belongs to it"
        ) from error
    except KafkaError as error:
        what = f"Kafka at {settings.bootstrap} did not answer ({type(error).__name__})"
        if getattr(error, "retriable", True):
            raise RetryableError(
                f"{what}; see that it runs and is reachable, then again"
            ) from error
        raise CannotContinue(f"{what}; the cluster refuses, see its log") from error
