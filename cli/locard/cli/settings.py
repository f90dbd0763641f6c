"""Configuration: `locard.toml` in the home directory, and `LOCARD_*` variables over it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from locard.cli.log_lines import LogFormat
from locard.schema import CannotContinue, LakePlace, lake_place

DEFAULT_HOME = Path(".locard")


class Settings(BaseSettings):
    """Everything that can be configured; `docs/configuration.md` says what each key is worth."""

    model_config = SettingsConfigDict(
        env_prefix="LOCARD_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Path = Field(DEFAULT_HOME, description="Where log, lake, keys and quarantine are kept.")
    lake: str | None = Field(
        None,
        min_length=1,
        description="The lake, where it is not `lake` in the home: a directory or s3://BUCKET/PREFIX.",
    )
    s3_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="The object store of a lake in a bucket, where it is not Amazon's.",
    )
    s3_region: str | None = Field(None, description="Its region.")
    kafka: str | None = Field(
        None, description="`host:port` of Kafka; without it the embedded log is used."
    )
    kafka_topic: str = Field("locard.events", description="The raw topic.")
    kafka_group: str = Field("locard-consumer", description="The consumer group.")
    kafka_partitions: int = Field(6, ge=1, description="Partitions of a topic that is made.")
    kafka_replication: int = Field(1, ge=1, description="Replicas of a topic that is made.")
    kafka_seconds: float = Field(
        10, gt=0, description="How long Kafka may take to answer when a command starts."
    )
    kafka_session_seconds: float = Field(
        45, ge=6, le=1800, description="How long a consumer may be silent before others take over."
    )
    retention_hours: float = Field(
        24,
        gt=0,
        le=100_000,
        description="How long the event log keeps what redaction has not seen.",
    )
    collector_token: SecretStr | None = Field(
        None, description="What senders of events must present to the collector."
    )
    collector_shared_token: Literal["accepted", "refused"] = Field(
        "accepted", description="Whether that one token is good beside those of identities."
    )
    collector_bytes_per_second: float = Field(
        32 * 1024 * 1024, ge=0, description="Bytes that one sender may send; 0: any."
    )
    collector_events_per_second: float = Field(
        10_000, ge=0, description="Events that one sender may send; 0: any."
    )
    spool_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="What the collector keeps on its disk while Kafka is away, in bytes.",
    )
    api_token: SecretStr | None = Field(None, description="What readers must present to the API.")
    oidc_issuer: str | None = Field(
        None,
        pattern="^https?://",
        description="An OpenID Connect provider whose tokens the API takes too.",
    )
    oidc_audience: str = Field("locard", description="The name by which it knows the API.")
    oidc_role_claim: str = Field("locard_role", description="The claim that has a role.")
    oidc_workflows_claim: str = Field(
        "locard_workflows", description="The claim that has workflows; `*` is all of them."
    )
    access_trail: Literal["on", "off"] = Field(
        "on",
        description="Whether reading the record is itself recorded, before the answer is seen.",
    )
    cases_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL database for cases (postgresql://…), instead of a file in the "
        "home.",
    )
    case: str | None = Field(None, description="The case that what you do is for; it is recorded.")
    purpose: str | None = Field(None, description="Why you do it; it is recorded.")
    log_format: LogFormat = Field(
        "text", description="How services write to standard error: text or json."
    )
    retention_policy: Path | None = Field(
        None, description="How long what is kept, where it is not `retention.toml` in the home."
    )
    redaction_policy: Path | None = Field(
        None, description="The policy, where it is not `redaction.toml` in the home."
    )
    redaction_model: str = Field(
        "built-in",
        description="What finds names: built-in, none, spacy:NAME, gliner:NAME, or the path of "
        "Presidio's configuration of a model (.yaml).",
    )
    redaction_recognizers: Path | None = Field(
        None, description="Recognizers beside Presidio's, as its YAML describes them."
    )
    vault: bool = Field(
        False, description="Whether originals of tokens are kept, sealed, in the home."
    )
    redaction_workers: int = Field(2, ge=1, description="Processes that redact.")
    redaction_seconds: float = Field(
        30, gt=0, description="What redacting one event may take before it goes to quarantine."
    )
    quarantine_limit: int = Field(
        10_000, ge=1, description="Quarantined records at which the consumer stops."
    )
    batch_rows: int = Field(20_000, ge=1, description="Rows at which a batch is published.")
    lake_grace_hours: float = Field(
        24, ge=0, description="How long files stay that the lake no longer consists of."
    )
    upkeep_minutes: float = Field(
        15, gt=0, description="How often `locard up` keeps the lake in order."
    )
    log_origin: str | None = Field(
        None,
        pattern=r"^[^\s+]+$",
        description="The name of the transparency log, chosen once, such as example.com/locard.",
    )
    seal_seconds: float = Field(
        5, gt=0, description="How often `locard up` seals what was published."
    )
    witnesses: list[str] = Field(
        [],
        description="Who is asked to cosign checkpoints, each as `URL KEY` with a space between.",
    )
    anchor_seconds: float = Field(
        60, ge=0, description="How often witnesses are asked and copies of the checkpoint made."
    )
    checkpoint_copies: list[Path] = Field(
        [], description="Directories, such as mounts of write-once storage, for copies of it."
    )
    timestamp_url: str | None = Field(
        None, pattern="^https?://", description="A time stamping authority (RFC 3161)."
    )
    timestamp_minutes: float = Field(60, gt=0, description="How often it stamps a checkpoint.")
    trust_policy: Path | None = Field(
        None, description="Whom `locard verify` believes, where it is not this installation's keys."
    )
    batch_seconds: float = Field(1, gt=0, description="Age at which a batch is published.")

    @property
    def lake_place(self) -> LakePlace:
        """Where the lake is."""
        if self.lake is None:
            return self.home / "lake"
        return lake_place(self.lake, endpoint=self.s3_endpoint, region=self.s3_region)

    @property
    def vault_path(self) -> Path:
        """Where originals of tokens are kept, if they are."""
        return self.home / "vault.sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the interface's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the interface's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, and variables over the file."""
        home = init_settings().get("home") or env_settings().get("home") or DEFAULT_HOME
        file = TomlConfigSettingsSource(settings_cls, Path(home) / "locard.toml")
        return init_settings, env_settings, file


def load_settings(home: Path | None) -> Settings:
    """Return the configuration for this home, or for the default one.

    Raises:
        CannotContinue: the file or a variable has a value that is not allowed.
    """
    given: dict[str, Any] = {"home": home} if home else {}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise CannotContinue(
                f"configuration key `{key}` is not known; docs/configuration.md lists all keys"
            ) from None
        raise CannotContinue(
            f"configuration key `{key}`: {first['msg']}; correct LOCARD_{key.upper()} or `{key}` "
            "in locard.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CannotContinue(f"locard.toml cannot be read: {error}; correct it") from error
