"""Whatever an agent hands over, and whatever is broken, the recorder does no harm to the agent."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import decimal
import enum
import functools
import logging
import signal
import sys
import threading
import types
from collections import OrderedDict, deque, namedtuple
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, SecretStr, field_serializer

from locard.ingest.bounded import MOST_LEVELS
from locard.ingest.eventlog import LARGEST_RECORD
from locard.ingest.recorder import Output, Recorded, Recorder, RecorderSettings
from locard.ingest.recorder.plain import MOST_ITEMS, Reader
from recorders import SECONDS, recorded, recording, run_agent, told

DUNDERS = (
    *("__eq__", "__ne__", "__lt__", "__bool__", "__len__", "__iter__", "__next__", "__contains__"),
    *("__getitem__", "__str__", "__repr__", "__format__", "__int__", "__float__", "__index__"),
    *("__call__", "__enter__", "__exit__", "__getattribute__", "__dir__", "__reduce_ex__"),
    *("__length_hint__", "__bytes__", "__fspath__", "__array__", "__await__", "__aiter__"),
)


class Untouchable(BaseException):
    """What an object raises that wants to be left alone; no `except Exception` stops it."""


def _refuse(*_, **__):
    raise Untouchable


def hostile(*bases):
    """Return a class whose objects raise whatever is done with them."""
    methods = {name: _refuse for name in DUNDERS if bases == () or name != "__getattribute__"}
    return type("Hostile", bases, {**methods, "__hash__": lambda _: 77})


class Feigned:
    """A lazy proxy: says that it is of another type, and does work when it is looked at."""

    @property
    def __class__(self):
        _refuse()


class Answers(BaseModel):
    """A model of pydantic that holds an iterator."""

    items: object
    secret: SecretStr = SecretStr("hidden")


class Told(BaseModel):
    """A model that says itself what may be told of it."""

    password: str

    @field_serializer("password")
    def hide(self, _):
        """Return what may be told."""
        return "***"


@dataclasses.dataclass(slots=True)
class Slotted:
    """A data class without a dictionary."""

    value: object


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


def endless():
    """Yield for ever."""
    while True:
        yield "x" * 1000


async def endless_async():
    """Yield for ever, when awaited."""
    while True:
        yield "x"


def nested(levels):
    """Return a list in a list in a list."""
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


CYCLE: dict = {"again": []}
CYCLE["again"] += [CYCLE, CYCLE, [CYCLE]]
LAUGHS: list = ["ha"]
for _ in range(40):
    LAUGHS = [LAUGHS] * 10
Point = namedtuple("Point", "x y")
SEVERAL_KEYS = {1: "a", "1": "b", (1, 2): "c", None: "d", Colour.RED: "e", hostile()(): "f"}

VALUES = {
    "hostile object": hostile()(),
    "hostile text": hostile(str)("text"),
    "hostile number": hostile(int)(5),
    "hostile list": hostile(list)([1]),
    "hostile dictionary": hostile(dict)({"a": 1}),
    "hostile tuple": hostile(tuple)((1, 2)),
    "hostile exception": hostile(ValueError)("why"),
    "hostile class": hostile(),
    "feigned": Feigned(),
    "generator": endless(),
    "asynchronous generator": endless_async(),
    "file": sys.stdin,
    "lock": threading.Lock(),
    "module": sys,
    "namespace": types.SimpleNamespace(a=1),
    "read-only": types.MappingProxyType({"a": 1}),
    "deep": nested(5_000),
    "cycle": CYCLE,
    "laughs": LAUGHS,
    "surrogate": "\ud800",
    "surrogates as keys": {chr(0xD800 + number): number for number in range(2)},
    "keys": SEVERAL_KEYS,
    "not a number": float("nan"),
    "infinite": [float("inf"), float("-inf")],
    "huge number": 10**6_000,
    "bytes": b"\x00\xff",
    "view": memoryview(bytearray(b"ab"))[::-1],
    "decimal": decimal.Decimal("NaN"),
    "date": datetime(2026, 5, 4, tzinfo=UTC),
    "enumeration": Colour.RED,
    "model": Answers(items=endless()),
    "slots": Slotted(endless()),
    "function": hostile,
    "number": 5,
    "nothing": None,
    "empty": "",
    "list": [1, [2]],
    "set": {1, 2},
}
CALLS = {
    "record": lambda s, v: s.record(v, v, caused_by=v, call_id=v, session_id=v),
    "record of a kind": lambda s, v: s.record("lifecycle", v, extensions=v),
    "prompt": lambda s, v: s.prompt(v, system=v, tools=v, model=v, request_model=v),
    "model_output": lambda s, v: s.model_output(v, prompt=v, caused_by=v, response_id=v),
    "tool_result": lambda s, v: s.tool_result(
        v,
        call_id=v,
        name=v,
        outcome=v,
        trust=v,
        server=v,
        error_type=v,
        error_message=v,
        session_id=v,
    ),
    "decision": lambda s, v: s.decision(
        v, by=v, call_id=v, rule=v, rationale=v, latency_ms=v, caused_by=[v, v]
    ),
    "content": lambda s, v: s.content(v, v, uri=v, title=v, resource_type=v, media_type=v, trust=v),
    "lifecycle": lambda s, v: s.lifecycle(v, v, agent_name=v, extensions=v),
    "tool_call": lambda s, v: s.tool_call(
        v, v, call_id=v, server=v, effect=v, sighting=v, trust=v, caused_by=v
    ),
    "tool_call.result": lambda s, v: s.tool_call("f").result(v, outcome=v, trust=v),
    "tool_call.error": lambda s, v: s.tool_call("f").error(v, outcome=v, error_type=v),
    "tool_call.exit": lambda s, v: s.tool_call("f").__exit__(v, v, v),
    "end": lambda s, v: s.end(v),
    "exit": lambda s, v: s.__exit__(v, v, v),
    "session": lambda s, v: s._recorder.session(v, user=v, extensions=v, provider=v).prompt(v),
    "recorder": lambda s, v: s._recorder.lifecycle(v, v, caused_by=v),
    "tool": lambda s, v: s._recorder.tool(v, name=v, server=v, effect=v, trust=v),
    "tool with it": lambda s, v: s._recorder.tool(name=v, effect=v)(lambda *_: None)(v),
    "wrong arguments": lambda s, v: s.decision(v, nonsense=v),
    "no arguments": lambda s, _: (s.prompt(), s.decision(), s.tool_call(), s.tool_result()),
}
NOT_RECORDED = ("tool", "tool with it", "wrong arguments", "no arguments", "session")


@pytest.mark.parametrize("call", CALLS)
def test_no_argument_makes_a_call_raise_or_costs_the_next_event(tmp_path, call, monkeypatch):
    """Each call with each hostile value in each place: nothing is raised, and all goes on."""
    monkeypatch.setattr("locard.ingest.recorder.plain.MOST_ITEMS", 1_000)
    with recording(tmp_path) as recorder:
        for value in VALUES.values():
            CALLS[call](recorder.session("s"), value)
        after = recorder.session("s").lifecycle("after")
        assert recorder.flush(SECONDS)
        assert after.seq is not None
        if call not in NOT_RECORDED:
            assert recorder.failures.total == 0
    events = told(recorded(tmp_path))
    assert [event.body.change for event in events if str(event.event_id) == after.event_id] == [
        "after"
    ]
    assert call in NOT_RECORDED or len(events) > len(VALUES)
    seqs = [event.seq for event in recorded(tmp_path)]
    assert seqs == list(range(len(seqs)))


@pytest.mark.parametrize("make", [float, str, hostile(), lambda: float("nan"), lambda: 10**400])
def test_a_time_that_is_none_is_replaced(tmp_path, make):
    """Flush and close wait their usual time where they are told nonsense."""
    with recording(tmp_path) as recorder:
        recorder.lifecycle("step")
        recorder.flush(make())
        assert recorder.flush(SECONDS)
        recorder.close(make())
    assert [event.body.change for event in told(recorded(tmp_path))] == ["step"]


def test_iterators_are_handed_back_unused(tmp_path):
    """What can be read once is left to the agent, wherever it stands, and told by its type."""
    made = [(number for number in range(3)) for _ in range(6)]
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        session.prompt(made[0])
        session.model_output(made[1])
        session.lifecycle("x", {"deep": [{"in": made[2]}], "model": Answers(items=made[3])})
        assert session.tool_call("f", {"given": made[4]}).result(made[5]) is made[5]
    assert [list(iterator) for iterator in made] == [[0, 1, 2]] * 6
    kept = next(e for e in told(recorded(tmp_path)) if e.kind == "lifecycle").body.attributes
    assert kept["deep"] == [{"in": {"$type": "generator"}}]
    assert kept["model"]["secret"] == {"$type": "pydantic.types.SecretStr"}


def test_what_holds_its_items_is_read_whatever_it_does_when_asked():
    """Containers and what derives from them are read as they are stored."""
    ordered = OrderedDict(a=1)
    value = {
        "list": hostile(list)([1, "two"]),
        "dictionary": hostile(dict)({"a": ordered}),
        "text": hostile(str)("text"),
        "number": hostile(int)(5),
        "queue": deque([1, 2]),
        "point": Point(1, 2),
        "slots": Slotted(Colour.RED),
        "told": Told(password="secret"),
        "view": ordered.keys() | {"b"},
        "range": range(3),
        "keys": SEVERAL_KEYS,
    }
    read = Reader().value(value)
    assert sorted(read.pop("view")) == ["a", "b"]
    keys = read.pop("keys")
    assert sorted(keys.values()) == ["a", "b", "c", "d", "e", "f"]
    assert keys["1"] == "b"
    assert read == {
        "list": [1, "two"],
        "dictionary": {"a": {"a": 1}},
        "text": "text",
        "number": 5,
        "queue": [1, 2],
        "point": [1, 2],
        "slots": {"value": "red"},
        "told": {"password": "***"},
        "range": [0, 1, 2],
    }


def test_what_is_in_itself_or_very_deep_ends():
    """A cycle is told where it closes; what is too deep is kept as text, to a depth."""
    again = {"$type": "dict", "items": 1}
    assert Reader().value(CYCLE) == {"again": [again, again, [again]]}
    assert Reader().value(nested(100)) == nested(100)
    deep = Reader().value(nested(250))
    for _ in range(MOST_LEVELS):
        (deep,) = deep
    assert deep == "[" * 61 + "]" * 61
    assert "$type" in repr(Reader().value(nested(5_000)))


def test_what_numpy_holds_is_read():
    """Arrays and numbers of numpy become lists and numbers; one that is too large is told."""
    numpy = pytest.importorskip("numpy")
    value = [numpy.float32(0.5), numpy.int64(3), numpy.array([[1, 2]]), numpy.zeros(MOST_ITEMS + 1)]
    assert Reader().value(value) == [
        0.5,
        3,
        [[1, 2]],
        {"$type": "numpy.ndarray", "items": MOST_ITEMS + 1},
    ]


def test_a_text_that_is_too_large_says_how_large_it_was(tmp_path):
    """Beyond the bound there is the beginning, the true size, and a count of what was cut."""
    length = LARGEST_RECORD + 1
    with recording(tmp_path) as recorder:
        recorder.session("s").tool_result({"page": "x" * length, "after": 1}, call_id="c1")
        recorder.session("s").prompt([{"role": "user", "content": "y" * length}])
    result, prompt = told(recorded(tmp_path))
    page = result.body.result["page"]
    assert (page["$type"], page["characters"], page["beginning"][:3]) == ("str", length, "xxx")
    assert len(page["beginning"]) == 1024 * 1024
    assert (result.body.result["after"], result.body.outcome) == (1, "ok")
    assert result.extensions["recorder"] == prompt.extensions["recorder"] == {"cut": 1}
    assert str(length) in prompt.model_dump_json()


def test_of_more_items_than_there_is_room_for_the_first_are_kept():
    """Neither many items nor many texts can make an event grow, and it is told that some lack."""
    reader = Reader()
    many = reader.value([None] * (MOST_ITEMS + 1))
    assert (many["items"], len(many["beginning"]), reader.cut) == (MOST_ITEMS + 1, MOST_ITEMS, 1)
    reader = Reader(10_000)
    texts = reader.value({str(number): "x" * 100 for number in range(1_000)})
    assert texts["items"] == 1_000
    assert 90 <= len(texts["beginning"]) <= 100
    assert reader.cut


def test_a_draft_that_grows_too_large_as_an_event_keeps_its_beginning(tmp_path):
    """Text that JSON makes longer than a log takes is cut later, and the rest is kept."""
    with recording(tmp_path) as recorder:
        recorder.session("s").tool_result(["\x01" * (LARGEST_RECORD // 3), "more"], call_id="c1")
    (event,) = told(recorded(tmp_path))
    assert event.body.result[0]["characters"] == LARGEST_RECORD // 3
    assert event.body.result[1] == "more"
    assert event.extensions["recorder"] == {"cut": 1}


def test_collections_that_other_threads_change_are_recorded(tmp_path):
    """Copying never meets a collection in the midst of a change."""
    changing: dict = {}
    stop = threading.Event()

    def change():
        number = 0
        while not stop.is_set():
            number += 1
            changing[f"key {number % 50}"] = [changing.get("key 1"), hostile()()][number % 2 :]
            changing.pop(f"key {(number * 7) % 50}", None)

    worker = threading.Thread(target=change)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    worker.start()
    try:
        with recording(tmp_path) as recorder:
            made = [recorder.lifecycle("x", {"changing": changing}) for _ in range(300)]
    finally:
        stop.set()
        worker.join()
        sys.setswitchinterval(switch)
    assert all(event.seq is not None for event in made)
    events = told(recorded(tmp_path))
    assert len(events) == 300
    assert all("$type" not in event.body.attributes["changing"] for event in events)


class Limit(BaseException):
    """A limit of time that an agent set itself."""


def _record_for_ever(recorder):
    while True:
        recorder.lifecycle("x", [[{"a": [1, "2"]}] * 20] * 20)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is none on Windows")
@pytest.mark.parametrize("raised", [Limit, SystemExit, KeyboardInterrupt, TimeoutError])
def test_what_a_signal_handler_of_the_agent_raises_passes(tmp_path, raised):
    """A limit that runs out in the midst of recording is the agent's own, and is raised."""

    def run_out(*_):
        raise raised

    before = signal.signal(signal.SIGALRM, run_out)
    try:
        with recording(tmp_path) as recorder:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(raised):
                _record_for_ever(recorder)
            recorder.lifecycle("after")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert told(recorded(tmp_path))[-1].body.change == "after"


def test_what_failed_is_counted_logged_once_and_told(tmp_path, caplog):
    """A slip in a call is not raised; log and record say where, and quote nothing."""
    with recording(tmp_path) as recorder:
        for _ in range(3):
            assert recorder.session("s").decision("secret words") == Recorded("")
            assert recorder.session("s").model_output() == Output("")
        recorder.lifecycle("next")
        assert recorder.failures.total == 6
    kinds = {"Recording.decision: TypeError": 3, "Recording.model_output: TypeError": 3}
    following, failed = told(recorded(tmp_path))
    assert (following.body.change, failed.body.change) == ("next", "not_recorded")
    assert failed.body.attributes == {"failures": kinds}
    said = [r.getMessage() for r in caplog.records if "could not be recorded" in r.getMessage()]
    assert len(said) == 2
    assert "secret" not in caplog.text


def test_a_log_handler_that_raises_is_no_harm(tmp_path):
    """Neither the recorder's own warnings nor what becomes of them are raised into the agent."""

    class Broken(logging.Handler):
        def emit(self, _):
            _refuse()

    handler = Broken()
    logging.getLogger("locard").addHandler(handler)
    try:
        with recording(tmp_path) as recorder:
            recorder.session("s").decision()
            recorder.lifecycle("next")
    finally:
        logging.getLogger("locard").removeHandler(handler)
    assert told(recorded(tmp_path))[0].body.change == "next"


def test_good_arguments_are_kept_beside_wrong_ones(tmp_path):
    """What an output answers, and causes that are some, stay though others are none."""
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        prompt = session.prompt("question", request_model="m")
        session.model_output("answer", prompt="nonsense", caused_by=5)
        session.model_output("answer", prompt=prompt.event_id)
        other = session.lifecycle("x", caused_by=[prompt, "nonsense"])
        session.lifecycle("y", caused_by=other)
        session.tool_call(None, {"to": "x"}, call_id=7).result("done")
        recorder.session(42).lifecycle("z")
    events = told(recorded(tmp_path))
    asked, first, second, x, y, called, result, z = events
    assert asked.request_model == "m"
    for answer in (first, second):
        assert [str(cause) for cause in answer.caused_by] == [prompt.event_id]
        assert answer.body.messages[0].parts[0].content == "answer"
    assert first.extensions["recorder"]["fields"]["caused_by"] == [5, prompt.event_id]
    assert [str(cause) for cause in x.caused_by] == [prompt.event_id]
    assert [str(cause) for cause in y.caused_by] == [other.event_id]
    assert called.call_id == result.call_id == "7"
    assert z.session_id == "42"


def test_a_call_is_matched_without_asking_objects_whether_they_are_equal(tmp_path):
    """Arguments that refuse to be compared cost the match between several calls at most."""
    asks = [
        {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"a": {n}}}'}}
        for n in range(3)
    ]
    answer = {"choices": [{"message": {"role": "assistant", "tool_calls": asks}}]}
    with recording(tmp_path) as recorder:
        session = recorder.session("s")
        session.model_output(answer)
        assert session.tool_call("f", {"a": hostile(int)(1)}).call_id == "c1"
        assert session.tool_call("f", hostile()()).call_id == "c0"


class Adder:
    """An object that can be called."""

    def __call__(self, number):
        """Return one more."""
        return number + 1


def test_whatever_can_be_called_can_be_a_tool(tmp_path):
    """Parts of functions, objects, functions in C and generators behave as before."""

    def produce(count):
        yield from range(count)

    with recording(tmp_path) as recorder:
        assert recorder.tool(functools.partial(pow, 2))(3) == 8
        assert recorder.tool(functools.partial(asyncio.sleep, 0))
        assert recorder.tool(Adder())(1) == 2
        assert recorder.tool(max)(1, 2) == 2
        assert list(recorder.tool(produce)(3)) == [0, 1, 2]
        assert recorder.tool(5) == 5
        assert recorder.tool(name="odd")(None) is None
    names = [e.body.tool_name for e in told(recorded(tmp_path)) if e.kind == "tool_call"]
    assert names == ["pow", f"{__name__}.Adder", "max", "produce"]


def test_threads_that_are_in_one_session_do_not_disturb_each_other(tmp_path):
    """Each thread leaves what it entered itself, in whatever order they do."""
    entered, left = threading.Barrier(3), threading.Barrier(3)
    seen = []

    def work(session, recorder, number):
        with recorder.session(f"around {number}") as around:
            with session:
                entered.wait(SECONDS)
                seen.append(recorder.current_session is session)
            left.wait(SECONDS)
            seen.append(recorder.current_session is around)
        seen.append(recorder.current_session is None)

    with recording(tmp_path) as recorder:
        shared = recorder.session("shared")
        threads = [threading.Thread(target=work, args=(shared, recorder, n)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
    assert seen == [True] * 9


def test_what_is_never_left_does_not_pile_up(tmp_path):
    """Sessions that are entered and forgotten are remembered up to a bound."""
    with recording(tmp_path) as recorder:
        for number in range(250):
            recorder.session(f"s{number}").__enter__()
        innermost = recorder.current_session
        with recorder.session("last"):
            pass
        assert recorder.current_session is innermost

        from locard.ingest.recorder.context import Here, here

        depth, level = 0, here.get()
        while level is not None:
            depth, level = depth + 1, level.outside
        assert depth <= 101
        here.set(Here())


def test_a_full_stack_costs_the_event_at_most():
    """In the depths of a recursion nothing worse is raised than any call there would raise."""
    recorder = Recorder(RecorderSettings(is_on=False))
    session = recorder.session("s")
    raised = []

    def descend():
        try:
            session.lifecycle("x", {"a": [[{"b": (1, 2)}]]})
        except RecursionError:
            raised.append(True)
        with contextlib.suppress(RecursionError):
            descend()

    descend()
    assert len(raised) <= 10  # frames at the end of the stack where no call is possible
    session.lifecycle("after")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit addresses")
def test_a_text_that_there_is_no_memory_to_copy_is_no_end(tmp_path):
    """Where the agent has its text and little else, the agent goes on."""
    agent = run_agent(
        tmp_path,
        """
import re, resource
recorder.lifecycle("step", {"number": 0})
assert recorder.flush(60)
text = "x" * (150 * 2**20)
listed = ["y" * 2**20] * 15
status = Path("/proc/self/status").read_text()
size = int(re.search(r"VmSize:\\s+(\\d+)", status)[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 12 * 2**20, resource.RLIM_INFINITY))
session = recorder.session("s")
session.tool_result(text, call_id="c1")
session.tool_result(listed, call_id="c2")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
session.lifecycle("step", {"number": 1})
print("went on")
""",
    )
    assert agent.stdout == "went on\n"
    events = told(recorded(tmp_path))
    assert [e.call_id for e in events if e.kind == "tool_result"] == ["c1", "c2"]
    steps = [e.body.attributes["number"] for e in events if e.kind == "lifecycle" and e.session_id]
    assert steps == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit addresses")
def test_a_recorder_without_memory_for_a_ring_counts_and_drops(tmp_path):
    """Where it cannot begin it says so once, counts, and tries again later."""
    agent = run_agent(
        tmp_path,
        """
import dataclasses, re, resource
from locard.ingest.recorder import recorder as module
status = Path("/proc/self/status").read_text()
size = int(re.search(r"VmSize:\\s+(\\d+)", status)[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 4 * 2**20, resource.RLIM_INFINITY))
other = Recorder(
    dataclasses.replace(recorders.settings(home, ring_bytes=2**29), collector_id="other"),
    open_log=lambda _key, _refused: recorders.SwitchedLog(home / "log.sqlite"),
)
for number in range(5):
    assert other.lifecycle("step", {"number": number}).seq is None
assert other.dropped == 5
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
module._SECONDS_TO_NEXT_TRY, other._next_try = 0, 0
assert other.lifecycle("step", {"number": 5}).seq is not None
""",
    )
    assert agent.stderr.count("cannot begin") == 1
    events = told(recorded(tmp_path))
    assert [e.body.change for e in events] == ["step", "not_recorded"]
    assert 5 in events[1].body.attributes["failures"].values()


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="nothing forks on Windows")
def test_a_fork_in_the_midst_of_other_threads_calls_does_not_hang(tmp_path):
    """A session has no lock that a child could find held."""
    run_agent(
        tmp_path,
        """
session = recorder.session("s")
calls = [{"id": str(n), "type": "function", "function": {"name": "f", "arguments": "{}"}}
         for n in range(300)]
answer = {"choices": [{"message": {"role": "assistant", "tool_calls": calls}}]}
stop = threading.Event()
def work():
    while not stop.is_set():
        session.model_output(answer)
        for _ in range(50):
            session.tool_call("f", {"a": [9]})
threads = [threading.Thread(target=work) for _ in range(2)]
[thread.start() for thread in threads]
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        with session.tool_call("g", {}) as call:
            call.result(1)
        os._exit(0)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
stop.set()
[thread.join() for thread in threads]
assert statuses == [0] * 20, statuses
""",
    )


def test_what_is_no_settings_records_nothing(caplog):
    """A recorder that is made of something else is quiet, and says so."""
    recorder = Recorder("http://127.0.0.1:4318")  # type: ignore[arg-type]
    with recorder.session("s") as session:
        session.prompt("x")
    recorder.close()
    assert "made of RecorderSettings" in caplog.text
