"""Kafka brokers for the tests: one that a whole run shares, and ones that a test may kill."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "script" / "kafka"
NEEDED = "Kafka tests need Java 17 and Maven, or LOCARD_KAFKA=host:port"
LONGEST_RUN = 600.0  # the first start on a machine has Maven fetch Kafka


def script_kafka(
    *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs script/kafka to its end, in this environment or in exactly the given one."""
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN,
        check=False,
    )


class BrokerError(Exception):
    """script/kafka did not do what a test asked of it."""

    def __init__(self, run: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"exit status {run.returncode}: {run.stderr.strip()}")
        self.status = run.returncode


class Broker:
    """A broker with its own data, which it keeps, like its port, when it is started again.

    Args:
        behind: the ports that it listens on for clients behind a proxy, and of the proxy.
    """

    def __init__(self, data: Path, behind: tuple[int, int] | None = None) -> None:
        self.data = data
        self.bootstrap = ""
        self._behind = ["--behind", "{}:{}".format(*behind)] if behind else []

    def start(self) -> str:
        """Starts it, for the first time or again, and returns its address once it answers."""
        same_port = ["--port", self.bootstrap.rpartition(":")[2]] if self.bootstrap else []
        self.bootstrap = self._run("start", "--quiet", *same_port, *self._behind)
        return self.bootstrap

    def stop(self) -> None:
        """Lets it end in good order."""
        self._run("stop")

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._run("stop", "--kill")

    def _run(self, command: str, *options: str) -> str:
        run = script_kafka(command, "--data", self.data, *options)
        if run.returncode != 0:
            raise BrokerError(run)
        return run.stdout.strip()


@contextlib.contextmanager
def own_broker(data: Path) -> Iterator[Broker]:
    """A started broker that the caller may stop, kill and start again; it ends with the block."""
    broker = Broker(data)
    try:
        broker.start()
    except BrokerError as error:
        if error.status != 2:
            raise
        do_without_kafka(error)
    try:
        yield broker
    finally:
        script_kafka("stop", "--kill", "--data", data)


def do_without_kafka(reason: BrokerError) -> NoReturn:
    """Skips the test, or fails it on a machine that promised to have what Kafka needs."""
    message = f"{NEEDED} ({reason})"
    if "kafka" in os.environ.get("LOCARD_REQUIRE", "").replace(" ", "").split(","):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the broker that LOCARD_KAFKA names, or else of one started for this run.

    Tests share it, so each makes topics and groups of its own names. Where a run is spread over
    several workers, each worker starts its own.
    """
    given = os.environ.get("LOCARD_KAFKA")
    if given:
        yield given
        return
    with own_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap
