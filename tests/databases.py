"""A PostgreSQL server on loopback, with a data directory and databases of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buckets import free_port

NEEDED = "tests of PostgreSQL need its server (on Debian: apt install postgresql)"


class PostgresServer:
    """A server that is started; `stop` and `start` it as often as a test needs.

    Args:
        programs: the directory of `initdb` and `pg_ctl`.
        directory: of its data and its log, which the user who runs it may write.
        user: who runs it: PostgreSQL refuses to be run by root.
    """

    def __init__(self, programs: Path, directory: Path, user: str | None) -> None:
        self._programs = programs
        self._data = directory / "data"
        self._log = directory / "log"
        self._user = user
        self._port = free_port()
        self._names = itertools.count()
        self._run("initdb", "-U", "locard", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = f"-h 127.0.0.1 -p {self._port} -k '' -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self._log), "-o", options)

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def url(self, database: str) -> str:
        """Return where a database is."""
        return f"postgresql://locard@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """Make an empty database, and return its URL."""
        import psycopg

        name = f"test_{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._data, *arguments],
            user=self._user,
            stdout=subprocess.DEVNULL,
            cwd="/",
            check=True,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the whole run; each test makes databases of its own in it."""
    programs = _programs()
    if programs is None:
        if "postgres" in os.environ.get("LOCARD_REQUIRE", "").split(","):
            pytest.fail(NEEDED, pytrace=False)
        pytest.skip(NEEDED)
    user = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="locard-postgres-"))
    if user:
        shutil.chown(directory, user)
    server = PostgresServer(programs, directory, user)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None
