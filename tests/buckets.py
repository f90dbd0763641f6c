"""An object store on loopback that speaks S3's protocol: moto's server, in a process of its own."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from chaos_network import Proxy
from locard.schema import BucketPlace

REGION = "eu-central-1"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
_names = itertools.count()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def object_store() -> Iterator[int]:
    """The port of an object store."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | _CREDENTIALS
    ) as server:
        give_up = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < give_up, "the object store does not start"
                time.sleep(0.05)
        yield port
        server.kill()


@pytest.fixture
def bucket(object_store: int, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """A place for a lake, in a bucket of its own."""
    return a_bucket(object_store, monkeypatch)


@pytest.fixture
def bucket_behind_proxy(
    object_store: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[BucketPlace, Proxy]]:
    """The same behind a network that can be cut."""
    proxy = Proxy(listens_on=free_port(), leads_to=object_store)
    yield a_bucket(proxy.listens_on, monkeypatch), proxy
    proxy.close()


def a_bucket(port: int, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """Make a bucket and return a place in it; credentials come from the environment."""
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    place = BucketPlace(
        f"s3://evidence-{next(_names)}/a lake/here", f"http://127.0.0.1:{port}", REGION
    )
    make_bucket(place)
    return place


def make_bucket(place: BucketPlace) -> None:
    """Make the bucket of a place, as its owner would beforehand."""
    from pyarrow.fs import S3FileSystem

    name = place.uri.removeprefix("s3://").split("/", 1)[0]
    S3FileSystem(
        region=place.region, endpoint_override=place.endpoint, allow_bucket_creation=True
    ).create_dir(name)
