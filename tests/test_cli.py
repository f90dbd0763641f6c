"""The command line: exit statuses, one-line errors, configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.lake import LakeWriter


def locard(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a directory of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **variables}
    command = [sys.executable, "-m", "locard.cli", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a command which could not has written."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_a_home_without_a_lake_says_what_to_do(tmp_path):
    """Asking before anything was imported is one line and status 2."""
    line = told(locard("sessions", cwd=tmp_path))

    assert line.startswith("locard: there is no lake at .locard/lake; import or record something")


def test_a_lake_of_a_newer_major_version_is_refused_for_reading_and_writing(tmp_path):
    """Neither a question nor the consumer touches a lake that a later version made."""
    lake = tmp_path / ".locard" / "lake"
    LakeWriter(lake)
    DeltaTable(lake).alter.set_table_properties({"locard.format": "2.0"}, raise_if_not_exists=False)
    version = DeltaTable(lake).version()

    for command in (["sessions"], ["sql", "SELECT 1"], ["consume", "--once"]):
        line = told(locard(*command, cwd=tmp_path))
        assert "has format 2.0 and this program knows 1.0; install the version" in line
    assert DeltaTable(lake).version() == version


def test_a_broker_that_is_away_is_one_line(tmp_path):
    """Kafka that nobody runs is named with its address, for importing and for consuming."""
    runs = tmp_path / "runs.jsonl"
    runs.write_text('{"run_id": "r", "messages": [{"role": "user", "content": "x"}]}\n')

    for command in (["import", "openai-messages", str(runs)], ["consume", "--once"]):
        away = {"LOCARD_KAFKA": "127.0.0.1:1", "LOCARD_KAFKA_SECONDS": "0.5"}
        line = told(locard(*command, cwd=tmp_path, **away))
        assert "Kafka at 127.0.0.1:1 did not answer" in line


def test_a_port_that_is_no_broker_is_one_line(tmp_path):
    """Something that listens and speaks another protocol is not waited for without end."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        line = told(
            locard(
                "consume", "--once", cwd=tmp_path, LOCARD_KAFKA=address, LOCARD_KAFKA_SECONDS="1"
            )
        )

    assert f"Kafka at {address}" in line


BAD_SETTINGS = {
    "variable": ({"LOCARD_BATCH_ROWS": "many"}, None, "batch_rows"),
    "below the minimum": ({"LOCARD_REDACTION_WORKERS": "0"}, None, "redaction_workers"),
    "in the file": ({}, "batch_seconds = 'soon'", "batch_seconds"),
    "retention without end": ({"LOCARD_RETENTION_HOURS": "inf"}, None, "retention_hours"),
    "file that is no text": ({}, b"lake = '\xff'", "locard.toml cannot be read"),
    "file that is no TOML": ({}, "batch_seconds = = 1", "locard.toml cannot be read"),
    "unknown key in the file": ({}, "redaction = false", "redaction"),
}


@pytest.mark.parametrize(
    ("variables", "file", "named"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys()
)
def test_a_setting_that_is_not_allowed_is_named(tmp_path, variables, file, named):
    """A wrong value stops at the start, with the name of its key."""
    if file:
        (tmp_path / ".locard").mkdir()
        data = file if isinstance(file, bytes) else file.encode()
        (tmp_path / ".locard" / "locard.toml").write_bytes(data)

    assert named in told(locard("sessions", cwd=tmp_path, **variables))


def test_variables_win_over_the_file_and_home_over_both(tmp_path):
    """The lake named by a variable is used, not the one in the file of the home."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "locard.toml").write_text(f"lake = '{tmp_path}/from-file'")

    from_file = told(locard("--home", str(home), "sessions", cwd=tmp_path))
    from_variable = told(
        locard("--home", str(home), "sessions", cwd=tmp_path, LOCARD_LAKE="from-variable")
    )
    assert f"no lake at {tmp_path}/from-file" in from_file
    assert "no lake at from-variable" in from_variable


def test_a_session_that_does_not_exist_is_one_line(tmp_path):
    """The timeline of an unknown session says how to find those that there are."""
    LakeWriter(tmp_path / ".locard" / "lake")

    assert "`locard sessions` lists" in told(
        locard("timeline", "--session", "nobody", cwd=tmp_path)
    )


def test_importing_beside_a_running_consumer_is_no_failure(tmp_path):
    """While another process reads the log an import appends, says who will publish, and is done."""
    runs = tmp_path / "runs.jsonl"
    runs.write_text('{"run_id": "r", "messages": [{"role": "user", "content": "x"}]}\n')
    reader = EmbeddedReader(tmp_path / ".locard" / "log.sqlite")
    done = locard("import", "openai-messages", str(runs), cwd=tmp_path)
    reader.close()

    assert done.returncode == 0
    assert "1 runs, 2 events, 0 rejects" in done.stdout
    assert "a running consumer brings the events into the lake" in done.stderr


def heed_interrupts() -> None:
    """Undo that a shell starts what runs in its background with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_command_says_how_to_go_on(tmp_path):
    """Ctrl-C is one line and the shell's status for it, and no process speaks over it."""
    runs = tmp_path / "runs.jsonl"
    line = '{"run_id": "%d", "messages": [{"role": "user", "content": "x"}]}\n'
    runs.write_text("".join(line % number for number in range(3_000)))
    command = [sys.executable, "-m", "locard.cli", "import", "openai-messages", str(runs)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=heed_interrupts,
    ) as process:  # fmt: skip
        assert process.stdout
        assert "3000 runs" in process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everybody
        _, told = process.communicate()

    assert process.returncode == 130
    assert told.strip() == "locard: interrupted; the same command goes on where this one stopped"
    again = locard("import", "openai-messages", str(runs), cwd=tmp_path)
    assert "0 runs, 0 events, 0 rejects, 3000 runs known from before" in again.stdout
    assert "6000 events added" in again.stdout


def test_quarantined_records_are_listed(tmp_path):
    """What was put away can be seen with its place and reason, and nothing of what it held."""
    log = EmbeddedWriter(tmp_path / ".locard" / "log.sqlite")
    log.append([OutgoingRecord(b"k", b"CANARY")])
    log.close()
    assert "quarantined: json_syntax 1" in locard("consume", "--once", cwd=tmp_path).stdout
    done = locard("quarantine", "list", "--format", "jsonl", cwd=tmp_path)

    assert json.loads(done.stdout)["error_class"] == "json_syntax"
    assert "CANARY" not in done.stdout + done.stderr


def test_a_reader_that_has_seen_enough_is_no_finding(tmp_path):
    """`locard … | head` is done, whatever was left to print."""
    lake = tmp_path / ".locard" / "lake"
    LakeWriter(lake)
    statement = "SELECT range, repeat('x', 100) FROM range(100000)"
    command = [sys.executable, "-m", "locard.cli", "sql", statement, "--format", "jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()

    assert process.returncode == 0


def test_a_statement_that_never_ends_can_be_interrupted(tmp_path):
    """Ctrl-C ends a query at once, also one that DuckDB would never come back from."""
    LakeWriter(tmp_path / ".locard" / "lake")
    endless = (
        "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range > b.range"
    )
    command = [sys.executable, "-m", "locard.cli", "sql", f"SELECT 1; {endless}"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.read(1)  # the first answer is there, so the second is being computed
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)

    assert process.returncode == -signal.SIGINT


def test_names_of_files_cannot_speak_to_the_terminal(tmp_path):
    """A file name with an escape sequence or a line break is shown and does nothing."""
    runs = tmp_path / "a\x1b]0;owned\x07\nlocard: forged.jsonl"
    runs.write_text("no json\n")
    done = locard("import", "openai-messages", str(runs), cwd=tmp_path)
    missing = locard("import", "openai-messages", f"{runs}.gone", cwd=tmp_path)

    for told_of in (done.stdout + done.stderr, missing.stderr):
        assert "\x1b" not in told_of
        assert "\x07" not in told_of
        assert not [line for line in told_of.splitlines() if line.startswith("locard: forged")]


def test_an_empty_variable_is_as_good_as_none(tmp_path):
    """Compose files set variables to nothing; that must not put the lake into this directory."""
    line = told(locard("sessions", cwd=tmp_path, LOCARD_LAKE="", LOCARD_KAFKA=""))

    assert "no lake at .locard/lake" in line


def test_a_traceback_is_shown_when_asked_for(tmp_path):
    """With `--debug` the error comes with where it was raised."""
    done = locard("--debug", "sessions", cwd=tmp_path)

    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_the_recorder_is_light():
    """Importing the schema loads neither Arrow nor Presidio nor a client of Kafka."""
    heavy = {"pyarrow", "deltalake", "duckdb", "presidio_analyzer", "spacy", "kafka", "fastapi"}
    code = f"import sys, locard.schema; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
