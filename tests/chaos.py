"""A run in which everything is killed, stopped or cut off at random, and what must hold at its end.

    script/chaos [--seconds N] [--seed N] [--consumers N]

Two agents record, a third sends over HTTP itself, a collector appends to a real broker, consumers
share its topic and publish, and upkeep writes their files anew. One of them is killed every now and
then, and started again after a while. Consumers are also stopped for longer than their group waits
for them, and go on as zombies; the network between them and the broker is cut; where this may mount
a file system of its own, the disk of the lake runs full. What happens and when follows from the
seed. At the end everything is started once more, what waits is worked off into the lake, and there

* every event that an agent recorded is in the lake once, or declared as dropped,
* every event that the collector acknowledged is in the lake once,
* no number of any recorder is missing that is not declared,
* no row of the log is in the lake twice, and the doctor finds nothing wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from brokers import Broker, BrokerError
from chaos_agent import agent_settings
from chaos_network import Proxy, free_port
from locard.ingest.doctor import examine_files, examine_log
from locard.ingest.identities import IdentityRegistry
from locard.ingest.recorder import Recorder
from locard.query import connect

HERE = Path(__file__).parent
AGENTS = ("agent-a", "agent-b")
SECONDS_TO_LIVE = 1.5  # at the least, so that everybody gets something done
SECONDS_TO_CONSUME = 12.0  # likewise, of consumers, which wait for their group
SECONDS_OF_OTHERS = {"broker": 15.0, "upkeep": 4.0}  # so that consumers get something done
SECONDS_OF_PEACE = 15.0  # between two cuts of the network, or two full disks
POLICY = 'name = "chaos/1"\n[entities]\nEMAIL_ADDRESS = "tokenise"\n'
SESSION_SECONDS = 6.0  # after which the group gives up a silent consumer
LAKE_BYTES = 64 * 1024 * 1024  # of the file system that may run full
SECONDS_TO_SETTLE = 180


@dataclass
class Outcome:
    """What a run did, and what was found wrong at its end."""

    kills: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    recorded: int = 0
    acknowledged: int = 0
    declared: int = 0
    wrong: list[str] = field(default_factory=list)


class Chaos:
    """One run: its processes, its directory, its chance."""

    def __init__(self, home: Path, seed: int, consumers: int = 0) -> None:
        self.home = home
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.proxy = Proxy(listens_on=free_port(), leads_to=free_port())
        self.broker = Broker(home / "kafka", (self.proxy.leads_to, self.proxy.listens_on))
        self.consumers = tuple(f"consumer-{n}" for n in range(consumers))
        self.upkeep = ("upkeep",) if consumers else ()
        self.lake_disk = LakeDisk(home / "disk") if consumers else None
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}
        self.broker_starts: list[threading.Thread] = []
        self.outcome = Outcome()
        self.last = dict.fromkeys(("network", "full disk"), time.monotonic())
        if consumers:  # a model would only slow down what this is about
            (home / "redaction.toml").write_text(POLICY)
        registry = IdentityRegistry(home / "identities.sqlite")
        self.token = os.environ["LOCARD_TOKEN"] = registry.create("chaos").token
        registry.close()

    def run(self, seconds: float) -> Outcome:
        """Do all of it."""
        self.start_broker()
        try:
            for name in ("collector", *AGENTS, "sender", *self.consumers, *self.upkeep):
                self.start(name)
            self.kill_at_random(seconds)
            self.settle()
            self.compare()
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
            with suppress(BrokerError):  # it was down already
                self.broker.kill()
            self.proxy.close()
            if self.lake_disk:
                self.lake_disk.close()
        return self.outcome

    def kill_at_random(self, seconds: float) -> None:
        """Do something bad to one after the other, and put it right again after a while."""
        until = time.monotonic() + seconds
        back: list[tuple[float, Callable[[], None]]] = []
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(0.1, 0.7))
            now = time.monotonic()
            for entry in [entry for entry in back if entry[0] <= now]:
                back.remove(entry)
                entry[1]()
            self.start_what_ended()
            choices = list(self.faults(now))
            if choices:
                fault, longest, put_right = self.chance.choice(choices)
                fault()
                back.append((now + self.chance.uniform(0.1, longest), put_right))
        for _, put_right in back:
            put_right()
        for start in self.broker_starts:
            start.join()

    def faults(self, now: float) -> Iterator[tuple[Callable[[], None], float, Callable[[], None]]]:
        """Yield what may be done now, for how long at most, and how it is put right."""
        up = {name: now - since for name, since in self.started.items()}
        for name in ("collector", "broker", *AGENTS, *AGENTS, *self.upkeep):
            least = SECONDS_TO_LIVE
            if self.consumers and name in SECONDS_OF_OTHERS:
                least = SECONDS_OF_OTHERS[name]
            if up.get(name, 0) > least:
                longest = 4.0 if name == "broker" else 2.0
                yield partial(self.kill, name), longest, partial(self.start, name)
        for name in self.consumers:
            if up.get(name, 0) > SECONDS_TO_CONSUME:
                yield partial(self.kill, name), 2.0, partial(self.start, name)
                yield partial(self.stop, name), 2.5 * SESSION_SECONDS, partial(self.go_on, name)
        if self.consumers and now - self.last["network"] > SECONDS_OF_PEACE:
            yield self.cut, 1.5 * SESSION_SECONDS, self.proxy.mend
        has_peace = now - self.last["full disk"] > SECONDS_OF_PEACE
        if self.lake_disk and self.lake_disk.is_mounted and has_peace:
            yield self.fill, 3.0, self.lake_disk.make_room

    def cut(self) -> None:
        """Cut the network between consumers and broker."""
        self._count("network")
        self.proxy.cut()

    def fill(self) -> None:
        """Leave the lake no room."""
        self._count("full disk")
        assert self.lake_disk
        self.lake_disk.fill()

    def stop(self, name: str) -> None:
        """Stop a process where it stands."""
        self._count(f"{name} stopped")
        del self.started[name]
        self.processes[name].send_signal(signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """Let a stopped process go on, as a zombie perhaps."""
        self.processes[name].send_signal(signal.SIGCONT)
        self.started[name] = time.monotonic()

    def start_what_ended(self) -> None:
        """Do what a supervisor does: a consumer that was fenced, or found no room, has ended."""
        for name in (*self.consumers, *self.upkeep):
            if name in self.started and self.processes[name].poll() is not None:
                self.outcome.ended[name] = self.outcome.ended.get(name, 0) + 1
                self.start(name)

    def _count(self, name: str) -> None:
        self.last[name] = time.monotonic()
        self.outcome.kills[name] = self.outcome.kills.get(name, 0) + 1

    def start(self, name: str) -> None:
        """Start one, for the first time or again."""
        if name == "broker":
            start = threading.Thread(target=self.start_broker)
            self.broker_starts.append(start)
            start.start()
            return
        self.started[name] = time.monotonic()
        environment = {
            **os.environ,
            "LOCARD_HOME": str(self.home),
            "LOCARD_KAFKA": self.broker.bootstrap,
            "LOCARD_LAKE": str(self.lake),
            "LOCARD_KAFKA_SESSION_SECONDS": str(SESSION_SECONDS),
            "LOCARD_BATCH_SECONDS": "1",
            "LOCARD_REDACTION_MODEL": "none" if self.consumers else "built-in",
            "LOCARD_REDACTION_WORKERS": "1" if self.consumers else "2",
            "LOCARD_TOKEN": self.token,
            "LOCARD_COLLECTOR_TOKEN": "a-shared-token-for-chaos",
            "PYTHONPATH": str(HERE),
        }
        if name in self.consumers:
            environment["LOCARD_KAFKA"] = f"127.0.0.1:{self.proxy.listens_on}"
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *self.command(name)], env=environment, stdout=log, stderr=log
            )

    def start_broker(self) -> None:
        """Start the broker and wait until it answers; it takes some seconds."""
        self.broker.start()
        self.started["broker"] = time.monotonic()

    @property
    def lake(self) -> Path:
        """Where the lake is."""
        return self.lake_disk.path / "lake" if self.lake_disk else self.home / "lake"

    def command(self, name: str) -> list[str]:
        """Return the arguments of one."""
        if name in self.consumers:
            return ["-m", "locard.cli", "consume"]
        if name == "upkeep":
            return ["-m", "locard.cli", "lake", "upkeep", "--every", "0.02"]
        if name == "collector":
            return ["-m", "locard.cli", "collect", "--port", str(self.port)]
        if name == "sender":
            return [str(HERE / "chaos_sender.py"), str(self.home), self.endpoint]
        if name in AGENTS:
            return [str(HERE / "chaos_agent.py"), str(self.home), name, self.endpoint]
        return ["-m", "locard.cli", "consume", "--once"]

    def kill(self, name: str) -> None:
        """End one as a crash would."""
        self._count(name)
        del self.started[name]
        if name == "broker":
            self.broker.kill()
            return
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def stop_senders(self) -> None:
        """Stop the agents, and the sender once something of it was acknowledged."""
        for name in AGENTS:
            self.processes[name].kill()
            self.processes[name].wait()
        for _ in _until_settled("the collector is ready"):
            if self._is_ready():
                break
        for _ in _until_settled("something is acknowledged"):
            if (self.home / "acknowledged").stat().st_size:
                break
        self.processes["sender"].kill()
        self.processes["sender"].wait()

    def settle(self) -> None:
        """Stop the agents, and work off everything that waits anywhere."""
        self.stop_senders()
        for name in AGENTS:  # the next process of the agent sends what the killed ones left
            last = Recorder(agent_settings(self.home, name, self.endpoint))
            for _ in _until_settled(f"the spool of {name} is empty"):
                if last.flush(1) and not last.spooled_bytes:
                    break
            last.close(60)
        for _ in _until_settled("the collector's spool is empty"):
            if self._metric("locard_collector_spool_bytes") == 0:
                break
        for name in ("collector", *self.consumers, *self.upkeep):
            self.processes[name].terminate()
            self.processes[name].wait()
        self.start("consumer")
        if self.processes["consumer"].wait() != 0:
            told = (self.home / "consumer.log").read_text("utf-8", "replace")[-2000:]
            raise AssertionError(f"the consumer could not work off the log: {told}")

    def compare(self) -> None:
        """Hold the lake against what was recorded and acknowledged."""
        recorded: dict[str, tuple[str, str]] = {}
        for path in self.home.glob("ledger-*"):
            incarnation = path.name.split("-", 3)[3]
            for line in path.read_text().splitlines():
                event_id, seq = line.split()
                recorded[event_id] = (incarnation, seq)
        acknowledged = set((self.home / "acknowledged").read_text().split())
        with connect(self.lake) as lake:
            (rows_of_log,) = lake.execute(
                "SELECT count(*) - count(DISTINCT (log_topic_id, log_partition, log_offset)) "
                "FROM lake_rows"
            ).fetchone() or (0,)
            rows = lake.execute("SELECT event_id FROM events").fetchall()
            streams = lake.execute("SELECT * FROM gaps WHERE what = 'missing'").fetchall()
            doubled = lake.execute("SELECT * FROM gaps WHERE what = 'doubled'").fetchall()
            drops = lake.execute(
                "SELECT incarnation, first_seq, last_seq FROM gaps WHERE what = 'dropped'"
            ).fetchall()
            differing = lake.execute("SELECT count(*) FROM duplicates WHERE differ").fetchone()
        ids = [row[0] for row in rows]
        present = set(ids)
        declared = {(i, str(n)) for i, first, last in drops for n in range(first, last + 1)}
        lost = [e for e, where in recorded.items() if e not in present and where not in declared]
        result = self.outcome
        result.recorded, result.acknowledged = len(recorded), len(acknowledged)
        result.declared = sum(where in declared for where in recorded.values())
        if lost:
            result.wrong.append(f"{len(lost)} recorded events are neither there nor declared")
        if missing := acknowledged - present:
            result.wrong.append(f"{len(missing)} acknowledged events are not there")
        if len(ids) != len(present):
            result.wrong.append(f"{len(ids) - len(present)} events are there twice")
        if streams or doubled:
            result.wrong.append(f"gaps: {streams[:5]} {doubled[:5]}")
        if rows_of_log:
            result.wrong.append(f"{rows_of_log} rows of the log are in the lake twice")
        if differing and differing[0]:
            result.wrong.append(f"{differing[0]} events have copies that differ")
        self._examine()

    def _examine(self) -> None:
        for found in (
            *examine_log(self.lake, repair=False),
            *examine_files(self.lake, repair=False, deep=True),
        ):
            if found.level == "wrong":
                self.outcome.wrong.append(f"{found.what}: {found.told}")

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/readyz", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _metric(self, name: str) -> float:
        page = httpx.get(f"{self.endpoint}/metrics", trust_env=False).text
        found = [line.split()[1] for line in page.splitlines() if line.startswith(name + " ")]
        return float(found[0])


def _until_settled(what: str) -> Iterator[None]:
    give_up = time.monotonic() + SECONDS_TO_SETTLE
    while time.monotonic() < give_up:
        yield
        time.sleep(0.2)
    raise AssertionError(f"waited in vain until {what}")


class LakeDisk:
    """A small file system for the lake, which may run full; where none may be made, a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={LAKE_BYTES}", "locard-chaos", str(path)]
        self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._ballast = path / "ballast"

    @property
    def is_full(self) -> bool:
        """Whether there is no room now."""
        return self._ballast.exists()

    def fill(self) -> None:
        """Take all the room that there is."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(64 * 1024))

    def make_room(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the file system go, with all that is in it."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=False)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for one run."""
    with tempfile.TemporaryDirectory(prefix="locard-chaos-") as directory:
        yield Path(directory)


def main() -> int:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--consumers", type=int, default=2, help="that share the topic")
    parser.add_argument("--home", type=Path, help="keep everything in this directory")
    given = parser.parse_args()
    with scratch() as home:
        outcome = Chaos(given.home or home, given.seed, given.consumers).run(given.seconds)
    print(f"seed {given.seed}: {sum(outcome.kills.values())} faults {outcome.kills}")
    print(f"ended and started again {outcome.ended}, recorded {outcome.recorded:,}", end=", ")
    print(f"declared {outcome.declared:,}, acknowledged {outcome.acknowledged:,}")
    for line in outcome.wrong:
        print(f"WRONG: {line}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
