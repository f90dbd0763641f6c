"""A run in which collector, broker and agents are killed at random, and what must hold at its end.

    script/chaos [--seconds N] [--seed N]

Two agents record, a third sends over HTTP itself, a collector appends to a real broker. One of them
is killed every now and then, and started again after a while; which and when follows from the seed.
At the end everything is started once more, what waits is worked off into the lake, and there

* every event that an agent recorded is in the lake once, or declared as dropped,
* every event that the collector acknowledged is in the lake once,
* no number of any recorder is missing that is not declared.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from brokers import Broker, BrokerError
from chaos_agent import agent_settings
from locard.ingest.identities import IdentityRegistry
from locard.ingest.recorder import Recorder
from locard.query import connect

HERE = Path(__file__).parent
AGENTS = ("agent-a", "agent-b")
SECONDS_TO_LIVE = 1.5  # at the least, so that everybody gets something done
SECONDS_TO_SETTLE = 180


@dataclass
class Outcome:
    """What a run did, and what was found wrong at its end."""

    kills: dict[str, int] = field(default_factory=dict)
    recorded: int = 0
    acknowledged: int = 0
    declared: int = 0
    wrong: list[str] = field(default_factory=list)


class Chaos:
    """One run: its processes, its directory, its chance."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.broker = Broker(home / "kafka")
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}
        self.broker_starts: list[threading.Thread] = []
        self.outcome = Outcome()
        registry = IdentityRegistry(home / "identities.sqlite")
        self.token = os.environ["LOCARD_TOKEN"] = registry.create("chaos").token
        registry.close()

    def run(self, seconds: float) -> Outcome:
        """Do all of it."""
        self.start_broker()
        try:
            for name in ("collector", *AGENTS, "sender"):
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
        return self.outcome

    def kill_at_random(self, seconds: float) -> None:
        """Kill one after the other, and start each again after a while."""
        until = time.monotonic() + seconds
        back: list[tuple[float, str]] = []
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(0.1, 0.7))
            now = time.monotonic()
            for moment, name in [entry for entry in back if entry[0] <= now]:
                back.remove((moment, name))
                self.start(name)
            up = {n for n, since in self.started.items() if now - since > SECONDS_TO_LIVE}
            victims = [n for n in ("collector", "broker", *AGENTS, *AGENTS) if n in up]
            if not victims:
                continue
            victim = self.chance.choice(victims)
            self.kill(victim)
            longest = 4.0 if victim == "broker" else 2.0
            back.append((now + self.chance.uniform(0.1, longest), victim))
        for _, name in back:
            self.start(name)
        for start in self.broker_starts:
            start.join()

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
            "LOCARD_TOKEN": self.token,
            "LOCARD_COLLECTOR_TOKEN": "a-shared-token-for-chaos",
            "PYTHONPATH": str(HERE),
        }
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *self.command(name)], env=environment, stdout=log, stderr=log
            )

    def start_broker(self) -> None:
        """Start the broker and wait until it answers; it takes some seconds."""
        self.broker.start()
        self.started["broker"] = time.monotonic()

    def command(self, name: str) -> list[str]:
        """Return the arguments of one."""
        if name == "collector":
            return ["-m", "locard.cli", "collect", "--port", str(self.port)]
        if name == "sender":
            return [str(HERE / "chaos_sender.py"), str(self.home), self.endpoint]
        if name in AGENTS:
            return [str(HERE / "chaos_agent.py"), str(self.home), name, self.endpoint]
        return ["-m", "locard.cli", "consume", "--once"]

    def kill(self, name: str) -> None:
        """End one as a crash would."""
        self.outcome.kills[name] = self.outcome.kills.get(name, 0) + 1
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
        self.processes["collector"].terminate()
        self.processes["collector"].wait()
        self.start("consumer")
        if self.processes["consumer"].wait() != 0:
            raise AssertionError("the consumer could not work off the log")

    def compare(self) -> None:
        """Hold the lake against what was recorded and acknowledged."""
        recorded: dict[str, tuple[str, str]] = {}
        for path in self.home.glob("ledger-*"):
            incarnation = path.name.split("-", 3)[3]
            for line in path.read_text().splitlines():
                event_id, seq = line.split()
                recorded[event_id] = (incarnation, seq)
        acknowledged = set((self.home / "acknowledged").read_text().split())
        with connect(self.home / "lake") as lake:
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
        if differing and differing[0]:
            result.wrong.append(f"{differing[0]} events have copies that differ")

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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


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
    parser.add_argument("--home", type=Path, help="keep everything in this directory")
    given = parser.parse_args()
    with scratch() as home:
        outcome = Chaos(given.home or home, given.seed).run(given.seconds)
    print(f"seed {given.seed}: kills {outcome.kills}, recorded {outcome.recorded:,}", end=", ")
    print(f"declared {outcome.declared:,}, acknowledged {outcome.acknowledged:,}")
    for line in outcome.wrong:
        print(f"WRONG: {line}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
