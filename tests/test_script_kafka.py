"""script/kafka: what a person or a script that calls it can rely on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import SCRIPT, Broker, own_broker, script_kafka

# kafka-python reads its message definitions through functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated:DeprecationWarning")

FAKE_JAVA = """\
#!/bin/sh
case "$*" in
  -version) echo 'openjdk version "{version}"' >&2 ;;
  *StorageTool*) exit {format_status} ;;
  *) echo 'this broker dies'; exit 3 ;;
esac
"""
FAKE_MAVEN = """\
#!/bin/sh
for argument; do
  case "$argument" in -Dkafka.jars=*) mkdir "${argument#-Dkafka.jars=}" ;; esac
done
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with own_broker(tmp_path / "kafka") as started:
        yield started


class Machine:
    """A made-up machine: nothing on its PATH and in its cache but what a test installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.programs = folder / "bin"
        self.programs.mkdir()

    def install(self, name: str, text: str) -> None:
        """Puts a program on the PATH."""
        program = self.programs / name
        program.write_text(text)
        program.chmod(0o755)

    def install_java(self, version: str = "17.0.1", format_status: int = 0) -> None:
        """Puts a java on the PATH that runs no broker."""
        self.install("java", FAKE_JAVA.format(version=version, format_status=format_status))

    def start(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Has script/kafka start a broker there."""
        environment = {"PATH": str(self.programs), "LOCARD_CACHE": str(self.folder / "cache")}
        return script_kafka("start", "--data", self.data, *options, environment=environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_one_line(run: subprocess.CompletedProcess[str], status: int, told: str) -> None:
    assert run.returncode == status
    assert run.stdout == ""
    assert run.stderr.startswith("script/kafka: ")
    assert run.stderr.count("\n") == 1
    assert run.stderr.endswith("\n")
    assert told in run.stderr


@pytest.mark.kafka
def test_a_record_outlives_a_killed_broker(broker: Broker) -> None:
    """An acknowledged record is read back after SIGKILL and a start on the same port and data."""
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

    address = broker.bootstrap
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        one = {"events": {"num_partitions": 1, "replication_factor": 1}}
        admin.create_topics(one, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=address, acks="all")
    sent = producer.send("events", key=b"k", value=b"v").get(timeout=30)
    producer.close()

    broker.kill()

    assert broker.start() == address
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=None)
    partition = TopicPartition("events", 0)
    consumer.assign([partition])
    consumer.seek(partition, sent.offset)
    (record,) = consumer.poll(timeout_ms=30_000)[partition]
    consumer.close()
    assert (record.offset, record.key, record.value) == (sent.offset, b"k", b"v")


@pytest.mark.kafka
def test_stop_and_start_keep_port_and_cluster(broker: Broker) -> None:
    """A broker stopped in good order comes back on its port as the same cluster."""
    from kafka import KafkaAdminClient

    def cluster() -> object:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            return admin.describe_cluster()["cluster_id"]

    address, before = broker.bootstrap, cluster()
    broker.stop()
    assert broker.start() == address
    assert cluster() == before


@pytest.mark.kafka
def test_starts_on_the_same_data_share_one_broker(broker: Broker) -> None:
    """Further starts on a data directory, even at the same moment, print the first's address."""
    command = [sys.executable, str(SCRIPT), "start", "--data", str(broker.data)]
    broker.kill()
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [start.communicate(timeout=120)[0] for start in together]
    later = script_kafka("start", "--data", broker.data)
    assert printed == [later.stdout] * 2
    assert later.returncode == 0


@pytest.mark.kafka
def test_status_tells_whether_the_broker_answers(broker: Broker) -> None:
    """Status prints the address with status 0 while the broker runs, and fails with 1 after."""
    running = script_kafka("status", "--data", broker.data)
    broker.kill()
    assert (running.returncode, running.stdout) == (0, broker.bootstrap + "\n")
    assert_one_line(script_kafka("status", "--data", broker.data), 1, str(broker.data))


@pytest.mark.kafka
def test_the_broker_listens_on_loopback_only(broker: Broker) -> None:
    """Every port that the broker listens on is bound to 127.0.0.1."""
    process = json.loads((broker.data / "state.json").read_text())["pid"]
    opened = {str(handle.readlink()) for handle in Path(f"/proc/{process}/fd").iterdir()}
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]
    ]
    listening = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in opened]
    hosts = [row[1].split(":")[0] for row in listening]
    assert len(hosts) == 2
    assert set(hosts) <= {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.mark.kafka
def test_a_taken_port_is_told(broker: Broker, tmp_path: Path) -> None:
    """Starting on a port that something else holds fails with one line that names the port."""
    port = broker.bootstrap.rpartition(":")[2]
    run = script_kafka("start", "--quiet", "--data", tmp_path / "other", "--port", port)
    assert_one_line(run, 2, f"port {port} ")


def test_missing_java_is_told(machine: Machine) -> None:
    """Where there is no java, start fails with one line that says what to install."""
    assert_one_line(machine.start(), 2, "install Java 17")


def test_an_old_java_is_told(machine: Machine) -> None:
    """A java older than Kafka runs on is refused with its version."""
    machine.install_java(version="11.0.2")
    assert_one_line(machine.start(), 2, "version 11,")


def test_missing_maven_is_told(machine: Machine) -> None:
    """Where Kafka is not cached and there is no mvn, start fails with one line that says so."""
    machine.install_java()
    assert_one_line(machine.start("--quiet"), 2, "install Maven")


def test_a_failing_maven_is_told_with_its_log(machine: Machine) -> None:
    """When Maven fails, the one line names the log that holds what it said."""
    machine.install_java()
    machine.install("mvn", "#!/bin/sh\necho 'no such release'\nexit 1\n")
    log = machine.folder / "cache" / "kafka-maven.log"
    assert_one_line(machine.start("--quiet"), 2, str(log))
    assert "no such release" in log.read_text()
    assert not [left for left in log.parent.iterdir() if left.is_dir()]


@pytest.mark.parametrize(("format_status", "told"), [(1, "format its data"), (0, "died at start")])
def test_a_broker_that_dies_is_told_with_its_log(
    machine: Machine, format_status: int, told: str
) -> None:
    """When Kafka ends before it answers, the one line names its log and nothing is left running."""
    machine.install_java(format_status=format_status)
    machine.install("mvn", f"#!/bin/sh\nPATH={os.defpath}\n{FAKE_MAVEN}")
    run = machine.start("--quiet")
    assert_one_line(run, 2, f"{told}, {machine.data / 'broker.log'},")
    assert_one_line(script_kafka("status", "--data", machine.data), 1, "no broker is running")


def test_stop_leaves_other_processes_alone(tmp_path: Path) -> None:
    """A process that merely has the number of a broker that ended is not signalled."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        state = {"pid": bystander.pid, "started": 1, "bootstrap": "127.0.0.1:1"}
        state |= {"data": str(tmp_path), "log": str(tmp_path / "broker.log")}
        (tmp_path / "state.json").write_text(json.dumps(state))
        assert_one_line(script_kafka("stop", "--kill", "--data", tmp_path), 1, "no broker")
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_a_data_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A data directory that cannot be made fails with one line, not a traceback."""
    (tmp_path / "file").write_text("")
    assert_one_line(script_kafka("start", "--data", tmp_path / "file" / "data"), 2, "file")


@pytest.mark.parametrize("arguments", [[], ["restart"], ["start", "--port", "high"]])
def test_a_wrong_command_line_is_told(arguments: list[str]) -> None:
    """A command line that cannot be read fails with one line and exit status 2."""
    assert_one_line(script_kafka(*arguments), 2, "--help")
