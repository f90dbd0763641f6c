"""Where a lake is: a directory, or a prefix in a store that speaks Amazon's S3 protocol.

Credentials are never ours to keep: Arrow and delta-rs both take them where AWS's own tools do, from
`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or the machine's role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from locard.schema.errors import CannotContinue

if TYPE_CHECKING:
    import duckdb
    from pyarrow.fs import FileSystem

_SCHEME: Final = "s3://"
_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 60
_TRIES: Final = 3
# Whoever calls tries again for as long as it takes; a library that does so hides that it waits.
_PATIENCE: Final = {
    "connect_timeout": f"{_CONNECT_SECONDS}s",
    "timeout": f"{_ANSWER_SECONDS}s",
    "max_retries": f"{_TRIES}",
    "retry_timeout": f"{_ANSWER_SECONDS}s",
}
_BUCKET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+?)/*")


@dataclass(frozen=True)
class BucketPlace:
    """A prefix in a bucket.

    Args:
        uri: such as `s3://evidence/lake`.
        endpoint: of a store that is not Amazon's, such as `http://127.0.0.1:9000`.
        region: as the store calls it.
    """

    uri: str
    endpoint: str | None = None
    region: str = "us-east-1"

    def __str__(self) -> str:
        """The URI."""
        return self.uri

    @property
    def delta_options(self) -> dict[str, str]:
        """What delta-rs has to know; it commits by a conditional PUT."""
        options = {"AWS_REGION": self.region, "AWS_CONDITIONAL_PUT": "etag", **_PATIENCE}
        if self.endpoint:
            options["AWS_ENDPOINT_URL"] = self.endpoint
            options["AWS_ALLOW_HTTP"] = str(self.endpoint.startswith("http://")).lower()
        return options

    def file_system(self) -> FileSystem:
        """Return the files of the store, rooted at the lake."""
        from pyarrow.fs import SubTreeFileSystem

        return SubTreeFileSystem(self.uri.removeprefix(_SCHEME), self.store())

    def let_read(self, database: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection read files of the store by their URIs, without an extension.

        Raises:
            CannotContinue: what that takes is not installed.
        """
        try:
            from fsspec.implementations.arrow import ArrowFSWrapper
        except ImportError as error:
            raise CannotContinue(
                "a lake in a bucket needs one more package: pip install 'locard[s3]'"
            ) from error

        class Store(ArrowFSWrapper):  # type: ignore[misc]
            protocol = "s3"

        if not database.filesystem_is_registered("s3"):
            database.register_filesystem(Store(self.store()))

    def store(self) -> FileSystem:
        """Return the files of the store; a name begins with the bucket."""
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        scheme, _, host = (self.endpoint or "").rpartition("://")
        return S3FileSystem(
            region=self.region,
            endpoint_override=host or None,
            scheme=scheme or "https",
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_ANSWER_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        )


LakePlace: TypeAlias = Path | BucketPlace


def lake_place(told: str, *, endpoint: str | None = None, region: str | None = None) -> LakePlace:
    """Return the place that a setting names: `s3://BUCKET/PREFIX`, or else a directory.

    Raises:
        CannotContinue: it begins like a bucket's and is none.
    """
    if not told.startswith(_SCHEME):
        return Path(told)
    found = _BUCKET.fullmatch(told)
    if found is None:
        raise CannotContinue(f"{told} is no place for a lake: it has to be s3://BUCKET/PREFIX")
    uri = f"{_SCHEME}{found.group(1)}/{found.group(2)}"
    return BucketPlace(uri, endpoint, region or BucketPlace.region)
