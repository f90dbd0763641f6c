"""Real agent runs through the whole pipeline, on both logs: nothing lost, doubled or left raw."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from deltalake import DeltaTable

from corpora import AGENTDOJO, AIRLINE, needs_corpora, runs
from locard.query import connect
from locard.redaction import TOKEN
from locard.schema import event_object
from locard.schema.arrow import events_of_table

pytestmark = [pytest.mark.corpora, needs_corpora]
RUNS = 592 + 100
CALLS = 2159 + 577
UNANSWERED = 7  # AgentDojo runs that ended with a call in the air
KEY = bytes(range(32))


def locard(
    home: Path, *arguments: str, kafka: tuple[str, str] | None = None, status: int = 0
) -> str:
    """Run the command line as its user would, and return what it printed."""
    environment = {"LOCARD_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)}
    if kafka:
        bootstrap, topic = kafka
        environment |= {
            "LOCARD_KAFKA": bootstrap,
            "LOCARD_KAFKA_TOPIC": topic,
            "LOCARD_KAFKA_GROUP": topic,
        }
    done = subprocess.run(
        [sys.executable, "-m", "locard.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def a_home(path: Path) -> Path:
    """Return a home whose pseudonym key is the same for both logs."""
    from locard.redaction import Keyring

    keys = path / "keys"
    keys.mkdir(parents=True)
    Keyring(keys).add_pseudonym_key(KEY)
    return path


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A home that imported everything through the embedded log."""
    home = a_home(tmp_path_factory.mktemp("embedded"))
    printed = locard(home, "import", "openai-messages", str(AGENTDOJO), str(AIRLINE))
    assert f"{AGENTDOJO}: 592 runs, 7933 events, 0 rejects" in printed
    assert f"{AIRLINE}: 100 runs, 3103 events, 0 rejects" in printed
    assert "11036 events added, 0 quarantined" in printed
    return home


@pytest.fixture(scope="module")
def kafka(tmp_path_factory, kafka_bootstrap):
    """A home that imported everything through Kafka, and how to reach it."""
    home = a_home(tmp_path_factory.mktemp("kafka"))
    log = (kafka_bootstrap, f"corpora.{home.parent.name}.{home.name}")
    locard(home, "import", "openai-messages", str(AGENTDOJO), str(AIRLINE), kafka=log)
    assert "11036 events added, 0 quarantined" in locard(home, "consume", "--once", kafka=log)
    return home, log


def contents(home: Path) -> dict[str, dict]:
    """Return every event of the lake by its id, without the times at which this import was made."""
    found: dict[str, dict] = {}
    for event in events_of_table(DeltaTable(home / "lake").to_pyarrow_table()):
        value = event_object(event)
        del value["observed_at"], value["ingested_at"]
        assert value["event_id"] not in found, "an event is in the lake twice"
        found[value["event_id"]] = value
    return found


@pytest.mark.kafka
def test_both_logs_give_the_same_events(embedded, kafka):
    """The lakes are equal event by event, content included."""
    assert contents(embedded) == contents(kafka[0])


def sources() -> list[dict]:
    """Return every run of both corpora."""
    return [*runs(AGENTDOJO), *runs(AIRLINE)]


def test_no_message_is_lost_or_doubled(embedded):
    """Each run is one session that has each of its messages once, in order, with all its text."""
    expected = {
        run["run_id"]: [message["role"] for message in run["messages"]] for run in sources()
    }
    found: dict[str, list[str]] = {}
    with connect(embedded / "lake") as connection:
        rows = connection.execute(
            "SELECT session_id, kind, messages FROM events"
            " WHERE kind IN ('prompt', 'model_output', 'tool_result')"
            " ORDER BY session_id, occurred_at"
        ).fetchall()
    for session_id, kind, messages in rows:
        roles = ["tool"] if kind == "tool_result" else [m["role"] for m in json.loads(messages)]
        found.setdefault(session_id, []).extend(roles)

    assert found == expected


def test_every_tool_call_is_paired_with_its_result(embedded):
    """Every call has the one result that answered it, but for those that nobody answered."""
    with connect(embedded / "lake") as connection:
        calls, answered, results = connection.execute(
            "SELECT count(*), count(result_event_id), count(DISTINCT result_event_id)"
            " FROM tool_calls"
        ).fetchone() or (0, 0, 0)
        (unpaired,) = connection.execute(
            "SELECT count(*) FROM tool_results WHERE call_id IS NULL"
        ).fetchone() or (None,)

    assert (calls, answered, results) == (CALLS, CALLS - UNANSWERED, CALLS - UNANSWERED)
    assert unpaired == 0


def test_importing_again_adds_nothing(embedded):
    """The same import a second time sends nothing, and the lake stays as it is."""
    before = DeltaTable(embedded / "lake").version()
    printed = locard(embedded, "import", "openai-messages", str(AGENTDOJO), str(AIRLINE))

    assert f"{AGENTDOJO}: 0 runs, 0 events, 0 rejects, 592 runs known from before" in printed
    assert "0 events added" in printed
    assert DeltaTable(embedded / "lake").version() == before


def test_importing_again_without_its_ledger_shows_nothing_new(embedded, tmp_path):
    """Where the ledger is lost the events are sent again, and every view shows them once."""
    import shutil

    home = tmp_path / "home"
    shutil.copytree(embedded, home)
    (home / "imports.sqlite").unlink()
    locard(home, "import", "openai-messages", str(AIRLINE))

    counts = "SELECT count(*) FROM"
    assert query(home, f"{counts} events") == [["11036"]]
    assert query(home, f"{counts} duplicates") == [["3103"]]
    assert query(home, f"{counts} duplicates WHERE differ") == [["0"]]


def query(home: Path, statement: str) -> list[list[str]]:
    """Run `locard sql` and return its rows without the heading."""
    printed = locard(home, "sql", statement, "--format", "csv")
    return list(csv.reader(io.StringIO(printed)))[1:]


def outcome_of(result: dict) -> str:
    """Return how a call went, which only runs with an `error` field say."""
    if "error" not in result:
        return "unknown"
    return "error" if result["error"] else "ok"


def test_sql_answers_tool_calls_by_tool_and_outcome(embedded):
    """Tool calls per tool and outcome are what the corpora have."""
    expected: Counter[tuple[str, str]] = Counter()
    for run in sources():
        calls = [
            c
            for m in run["messages"]
            if m["role"] == "assistant"
            for c in m.get("tool_calls") or ()
        ]
        results = [m for m in run["messages"] if m["role"] == "tool"]
        for number, call in enumerate(calls):
            outcome = outcome_of(results[number]) if number < len(results) else "no_result"
            expected[call["function"]["name"], outcome] += 1

    rows = query(embedded, "SELECT tool_name, outcome, count(*) FROM tool_calls GROUP BY ALL")
    assert {(tool, outcome): int(count) for tool, outcome, count in rows} == expected


def test_sql_answers_which_sessions_called_a_tool(embedded):
    """The sessions that called `send_money` are those whose runs did."""
    expected = {
        run["run_id"]
        for run in sources()
        for message in run["messages"]
        for call in message.get("tool_calls") or ()
        if call["function"]["name"] == "send_money"
    }
    rows = query(
        embedded, "SELECT DISTINCT session_id FROM tool_calls WHERE tool_name = 'send_money'"
    )

    assert {session for (session,) in rows} == expected
    assert len(expected) > 50


def test_sql_answers_where_an_iban_occurs(embedded):
    """Given the token of an IBAN, the sessions it occurs in are those whose runs mention it."""
    from locard.redaction import Pseudonymizer

    iban = "GB29NWBK60161331926819"
    token = Pseudonymizer("k1", KEY).token("IBAN_CODE", iban)
    expected = {run["run_id"] for run in sources() if iban in json.dumps(run["messages"])}
    rows = query(embedded, f"FROM pseudonyms SELECT DISTINCT session_id WHERE token = '{token}'")

    assert {session for (session,) in rows} == expected


def test_nothing_that_is_known_to_be_personal_is_left_where_the_policy_names_it(embedded):
    """E-mail addresses that occur in the runs are nowhere in the lake, only their tokens."""
    labels = [json.loads(line) for line in _lines(AIRLINE.with_name("airline-dev-pii.jsonl.gz"))]
    addresses = {
        pii["value"]
        for row in labels
        for pii in row["pii"]
        if pii["entity_type"] == "EMAIL_ADDRESS"
    }
    with connect(embedded / "lake") as connection:
        (text,) = connection.execute(
            "SELECT string_agg(concat_ws(' ', messages, arguments, result, attributes)) FROM events"
        ).fetchone() or ("",)

    assert len(addresses) > 20
    assert not [address for address in addresses if address in text]
    assert TOKEN.search(text)


def _lines(path: Path) -> list[bytes]:
    import gzip

    with gzip.open(path) as file:
        return file.readlines()
