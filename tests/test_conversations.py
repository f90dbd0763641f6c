"""History once: every prompt can be read again, exactly, and what is stored does not grow."""

from __future__ import annotations

import json
import random
import threading
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.ingest.conversations import Conversations, message_digest
from locard.ingest.sameness import mark_of
from locard.schema import event_json, parse_json
from making import event
from retelling import SESSION, Agent, Log, event_id, says, shows
from strategies import messages as any_messages
from strategies import texts

LONG = "and so on " * 40
MANY = 10**6


def meaning(message: dict[str, Any], without: tuple[str, ...] = ()) -> str:
    """Return what a message says, as text that is the same where that is."""
    parts = []
    for part in message.get("parts", []):
        told = {name: value for name, value in part.items() if name != "trust"}
        for name in ("arguments", "response"):
            if isinstance(told.get(name), str) and told[name][:1] in ("{", "["):
                told[name] = parse_json(told[name].encode())
        if part["type"] not in without:
            parts.append(told)
    said = [part for part in parts if part != {"type": "text", "content": ""}] or parts
    told = {k: v for k, v in message.items() if k not in without and v and k != "parts"}
    return json.dumps([told, said], sort_keys=True)


def assert_read_again(log: Log, prompt: UUID, given_messages: list[dict[str, Any]]) -> None:
    """The prompt is put together as it was given; of an output it may have left out something."""
    found = log.conversation(prompt)

    assert len(found) == len(given_messages)
    outputs = {meaning(choices[0]) for _, choices in log.outputs.values()}
    for told, said in zip(found, given_messages, strict=True):
        if meaning(told) != meaning(said):
            assert meaning(told) in outputs
            assert meaning(said) in {
                meaning(told, without)
                for more in ((), ("reasoning",))
                for less in ((), ("extensions",))
                for least in ((), ("finish_reason",))
                for without in [(*more, *less, *least)]
            }


class Story:
    """Random events of some agents that share a memory, and what each prompt really was."""

    def __init__(self, chance: random.Random, conversations: Conversations, agents: int) -> None:
        self.chance = chance
        self.log = Log()
        self.agents = [Agent(conversations, self.log) for _ in range(agents)]
        self.given: dict[UUID, list[dict[str, Any]]] = {}
        self.talks: list[list[dict[str, Any]]] = [[says("be exact", "system")]]
        self.last: UUID | None = None
        self.number = 0

    def next_id(self) -> UUID:
        self.number += 1
        return event_id(self.number)

    def text(self) -> str:
        chance = self.chance
        return chance.choice(["yes", "go on", f"new {self.number}", LONG, f"{self.number} {LONG}"])

    def change(self, talk: list[dict[str, Any]]) -> None:
        """Let one of the things happen that happen to a conversation."""
        chance, agent = self.chance, self.chance.choice(self.agents)
        match chance.choice(["say", "say", "answer", "answer", "result", "edit", "cut", "fork"]):
            case "say":
                talk.append(says(self.text(), chance.choice(["user", "system"])))
            case "answer":
                self.answer(agent, talk)
            case "result":
                call_id = chance.choice(["c1", "c2", f"c{self.number}"])
                value = chance.choice([1, True, {"a": 1}, '{"a": 1}', self.text(), [], None])
                name = chance.choice([None, "f"])
                agent.result(self.next_id(), call_id, value, name)
                shown = chance.choice([value, value, json.dumps(value), "changed"])
                talk.append(shows(call_id, shown, **({"name": name} if name else {})))
            case "edit":
                talk[chance.randrange(len(talk))] = says(self.text())
            case "cut":
                at = chance.randrange(len(talk))
                talk[at : at + chance.randrange(4)] = []
                talk.insert(0, says(self.text(), "system"))
            case "fork":
                self.talks.append([*talk[: chance.randrange(len(talk) + 1)], says(self.text())])

    def answer(self, agent: Agent, talk: list[dict[str, Any]]) -> None:
        """Let a model answer, and the conversation go on with all of it, or less, or other."""
        chance = self.chance
        said = says(self.text(), "assistant")
        reasoning = {"type": "reasoning", "trust": "unknown", "content": self.text()}
        whole = dict(said)
        if chance.random() < 0.5:
            whole["parts"] = [reasoning, *said["parts"]]
        if chance.random() < 0.5:
            whole["extensions"] = {"provider": self.number % 3}
        if chance.random() < 0.5:
            whole["finish_reason"] = "stop"
        choices = [whole, says("another choice", "assistant")]
        prompt = self.last if self.last in agent.everything() else None
        agent.output(self.next_id(), prompt, choices)
        other = {**said, "parts": [{**reasoning, "content": "otherwise"}, *said["parts"]]}
        talk.append(chance.choice([whole, whole, said, choices[1], other]))

    def prompt(self, talk: list[dict[str, Any]]) -> None:
        """Let an agent put a conversation before its model."""
        agent = self.chance.choice(self.agents)
        self.last = self.next_id()
        self.given[self.last] = list(talk)
        agent.prompt(self.last, list(talk))

    def tell_again(self) -> None:
        """Let an agent tell a prompt again, or something else under the id of one."""
        agent = self.chance.choice(self.agents)
        there = [*agent.pending.prompts, *self.log.prompts]
        if there:
            again = self.chance.choice(there)
            other = [*self.given[again], says(LONG)][self.chance.randrange(3) :]
            agent.prompt(again, self.chance.choice([self.given[again], other]))

    def go_on(self, *, may_repeat: bool) -> None:
        """Let one thing happen."""
        talk = self.chance.choice(self.talks[-3:])
        if not talk:
            talk.append(says("begin"))
        match self.chance.choice(["change", "change", "prompt", "prompt", "again", "end"]):
            case "change":
                self.change(talk)
            case "prompt":
                self.prompt(talk)
            case "again" if may_repeat:
                self.tell_again()
            case "end":
                agent = self.chance.choice(self.agents)
                agent.commit() if self.chance.random() < 0.8 else agent.begin()

    def end(self) -> None:
        """Commit everything, and read every prompt again."""
        for agent in self.agents:
            agent.commit()
        for prompt in self.log.prompts:
            assert_read_again(self.log, prompt, self.given[prompt])


def assert_counted(conversations: Conversations, most: int) -> None:
    """What is counted is what there is, and keeps to the bound."""
    sizes = [session.size for session in conversations._sessions.values()]
    assert conversations._entries == sum(sizes) <= most


@given(st.randoms(use_true_random=False), st.integers(1, 3), st.sampled_from([MANY, MANY, 60]))
@settings(max_examples=150, deadline=None)
def test_every_prompt_can_be_put_together_again(chance, agents, most):
    """However conversations grow, change, fork, fail and are forgotten, each prompt is readable.

    References lead to other events only, and to none that was neither stored nor just told.
    """
    conversations = Conversations(most)
    story = Story(chance, conversations, agents)
    for _ in range(60):
        story.go_on(may_repeat=most == MANY)
        assert_counted(conversations, most)

    story.end()


@given(any_messages, any_messages)
@settings(max_examples=200)
def test_any_messages_are_read_again(first, second):
    """Whatever the messages of two prompts are, the second is read as it was given."""
    log = Log()
    agent = Agent(Conversations(), log)
    agent.prompt(event_id(1), first)
    agent.commit()
    agent.prompt(event_id(2), [*first, *second, *first])
    agent.commit()

    assert_read_again(log, event_id(1), first)
    assert_read_again(log, event_id(2), [*first, *second, *first])


BASE: dict[str, Any] = {
    "role": "assistant",
    "parts": [
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1, "text": LONG}},
    ],
}


def changed(number: int, **fields: Any) -> dict[str, Any]:
    """Return the base message with a part changed."""
    parts = [dict(part) for part in BASE["parts"]]
    parts[number] |= fields
    return {**BASE, "parts": parts}


OTHERS: dict[str, dict[str, Any]] = {
    "role": {**BASE, "role": "user"},
    "name": {**BASE, "name": "x"},
    "finish_reason": {**BASE, "finish_reason": "length"},
    "extensions": {**BASE, "extensions": {"a": 1}},
    "unknown field": {**BASE, "novel": 1},
    "reasoning": changed(0, content="ah"),
    "no reasoning": {**BASE, "parts": BASE["parts"][1:]},
    "more": {**BASE, "parts": [*BASE["parts"], {"type": "text", "content": "x"}]},
    "order": {**BASE, "parts": BASE["parts"][::-1]},
    "true for 1": changed(1, arguments={"a": True, "text": LONG}),
    "text for 1": changed(1, arguments={"a": "1", "text": LONG}),
    "null": changed(1, arguments={"a": None, "text": LONG}),
    "call": changed(1, id="c2"),
    "part's extensions": changed(1, extensions={"x": 1}),
    "no call id": {**BASE, "parts": [BASE["parts"][0], {**BASE["parts"][1], "id": None}]},
    "claim": changed(1, claimed_trust="system"),
    "type": changed(0, type="text"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_message_that_differs_in_anything_is_stored(other):
    """No message of a prompt is replaced by one that says something else."""
    log = Log()
    agent = Agent(Conversations(), log)
    agent.prompt(event_id(1), [says("a"), BASE])
    agent.commit()
    agent.prompt(event_id(2), [says("b"), other])
    agent.prompt(event_id(3), [says("a"), other])
    agent.commit()

    assert log.conversation(event_id(2))[1] == other
    assert log.conversation(event_id(3))[1] == other
    assert message_digest(other) != message_digest(BASE)


SAME: dict[str, dict[str, Any]] = {
    "JSON text": changed(1, arguments=json.dumps(BASE["parts"][1]["arguments"])),
    "one number": changed(1, arguments={"a": 1.0, "text": LONG}),
    "trust": changed(1, trust="unknown"),
    "empty text": {**BASE, "parts": [*BASE["parts"], {"type": "text", "content": ""}]},
}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME.keys())
def test_a_message_that_says_the_same_is_referred_to(other):
    """What sources write in two ways is stored once."""
    agent = Agent(Conversations(), Log())
    agent.prompt(event_id(1), [says("a"), BASE])
    agent.commit()
    told = agent.telling.prompt(SESSION, event_id(2), [says("b"), other])

    assert told.messages[1] == {
        "role": "assistant",
        "same_as": {"event": str(event_id(1)), "message": 1},
    }


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=18).map(str),
    st.sampled_from(["0.1000000000000000055", "1e400", "-1e-400", "1E2", "100", "-0.0", "0"]),
)


@given(st.lists(NUMBERS, min_size=2, max_size=2))
def test_json_texts_are_one_only_where_their_numbers_are(pair):
    """An amount that differs by less than a double keeps is another amount."""
    digests = [message_digest(changed(1, arguments=f'{{"amount": {text}}}')) for text in pair]
    first, second = map(Decimal, pair)

    if digests[0] == digests[1]:
        assert first == second
    if pair[0] == pair[1]:
        assert digests[0] == digests[1]


@given(texts, texts)
def test_a_message_of_one_text_is_digested_as_any_other(role, text):
    """The short way for the commonest messages gives what the long way gives."""
    short = says(text, role)
    long = {**short, "extensions": {}}  # says no more

    assert mark_of(short) == mark_of(long)


def test_empty_text_is_not_no_content():
    """A message of one empty text and a message without content are two messages."""
    empty, none = says(""), {"role": "user", "parts": []}

    assert message_digest(empty) != message_digest(none)


def test_a_turn_costs_the_same_at_the_end_of_a_long_conversation():
    """In 200 turns with tools, each prompt stores what is new and nothing else."""
    agent = Agent(Conversations(), Log())
    talk = [says(LONG, "system")]
    sizes = []
    for turn in range(200):
        talk.append(says(f"question {turn:03} {LONG}"))
        prompt, output, result = (event_id(turn * 3 + step) for step in range(3))
        agent.prompt(prompt, talk)
        stored = agent.pending.prompts[prompt]
        body = {"messages": stored[1], "history": stored[0]}
        sizes.append(len(event_json(event("prompt", {k: v for k, v in body.items() if v}))))
        said = says(f"answer {turn:03} {LONG}", "assistant")
        reasoning = {"type": "reasoning", "content": LONG}
        agent.output(output, prompt, [{**said, "parts": [reasoning, *said["parts"]]}])
        agent.result(result, f"c{turn}", {"turn": turn, "text": LONG})
        talk += [said, shows(f"c{turn}", json.dumps({"turn": turn, "text": LONG}))]
        agent.commit()

    assert max(sizes[1:]) - min(sizes[1:]) <= 10
    assert_read_again(agent.log, prompt, talk[:-2])


def test_a_window_that_slides_costs_references():
    """Where the oldest messages are cut off in each turn, the rest is not stored again."""
    agent = Agent(Conversations(), Log())
    talk = [says("be exact", "system")]
    for turn in range(60):
        talk = [talk[0], *talk[1:][-20:], says(f"question {turn} {LONG}")]
        agent.prompt(event_id(turn), talk)
        agent.commit()
        _, messages = agent.log.prompts[event_id(turn)]
        assert sum("parts" in message for message in messages) <= 2
        assert_read_again(agent.log, event_id(turn), talk)


def test_a_prompt_that_is_told_again_is_stored_as_it_was():
    """The same prompt, before and after it is durable, never refers to itself."""
    agent = Agent(Conversations(), Log())
    agent.prompt(event_id(1), [says("be exact", "system")])
    talk = [says("be exact", "system"), says(LONG), says(LONG), shows("c1", "five")]
    told = [agent.telling.prompt(SESSION, event_id(2), talk) for _ in range(2)]
    agent.commit()
    told += [agent.telling.prompt(SESSION, event_id(2), talk) for _ in range(2)]

    assert told == [told[0]] * 4
    assert told[0].messages == talk[1:]


def test_an_answer_to_an_unknown_prompt_is_no_conversation():
    """Nobody knows what preceded it, so no history leads through it; the message is found."""
    log = Log()
    before = Agent(Conversations(), log)
    before.prompt(event_id(1), [says("what"), says("else")])
    before.commit()
    agent = Agent(Conversations(), log)  # the memory was lost
    said = says(LONG, "assistant")
    agent.output(event_id(2), event_id(1), [said])
    agent.prompt(event_id(3), [said, says("more")])
    agent.commit()

    assert log.prompts[event_id(3)][0] is None
    assert log.prompts[event_id(3)][1][0]["same_as"]["event"] == str(event_id(2))
    assert log.conversation(event_id(3)) == [said, says("more")]


def test_an_id_that_is_told_twice_holds_what_it_held_first():
    """Something else under the id of an event is referred to by nobody: the log keeps the first."""
    log = Log()
    agent = Agent(Conversations(), log)
    for number, text in enumerate(["first", "second"]):
        agent.prompt(event_id(1), [says(f"{text} {LONG}")])
        agent.output(event_id(2), event_id(1), [says(f"answer {text} {LONG}", "assistant")])
        agent.result(event_id(3), "c1", f"result {text}")
        if number == 0:
            agent.commit()
    forged = [
        says(f"second {LONG}"),
        says(f"answer second {LONG}", "assistant"),
        shows("c1", "result second"),
    ]
    agent.prompt(event_id(4), forged)
    agent.commit()

    assert log.prompts[event_id(4)] == (None, forged)


def test_the_first_telling_that_is_committed_counts():
    """Two tellings may tell one id differently at once; what the later one noted is left out."""
    conversations, log = Conversations(), Log()
    one, two = Agent(conversations, log), Agent(conversations, log)
    one.prompt(event_id(1), [says(f"one {LONG}")])
    two.prompt(event_id(1), [says(f"two {LONG}")])
    one.commit()
    two.commit()
    one.prompt(event_id(2), [says("x"), says(f"two {LONG}")])
    one.commit()

    assert log.conversation(event_id(2)) == [says("x"), says(f"two {LONG}")]


def test_what_was_withdrawn_is_not_referred_to():
    """An event that is not stored as it was told holds nothing, and ends no conversation."""
    agent = Agent(Conversations(), Log())
    question, said = says(f"question {LONG}"), says(f"answer {LONG}", "assistant")
    agent.telling.prompt(SESSION, event_id(1), [question])
    agent.telling.withdraw(SESSION, event_id(1))
    agent.telling.output(SESSION, event_id(2), event_id(1), said)
    agent.telling.withdraw(SESSION, event_id(2))
    agent.telling.result(SESSION, event_id(3), "c1", "five")
    agent.telling.withdraw(SESSION, event_id(3))
    agent.telling.withdraw("another session", event_id(3))
    agent.commit()
    talk = [question, said, shows("c1", "five")]
    told = agent.telling.prompt(SESSION, event_id(4), talk)

    assert (told.history, told.messages) == (None, talk)


def test_what_was_not_committed_is_seen_by_nobody_else():
    """Another telling refers to an event only when it is durable."""
    conversations = Conversations()
    one, two = conversations.tell(), conversations.tell()
    talk = [says(LONG)]
    one.prompt(SESSION, event_id(1), talk)

    assert two.prompt(SESSION, event_id(2), talk).history is None
    assert one.prompt(SESSION, event_id(3), talk).history == {
        "through": str(event_id(1)),
        "messages": 1,
    }
    one.commit()
    assert two.prompt(SESSION, event_id(4), talk).history is not None


def test_results_of_one_call_id_are_told_apart_by_their_value():
    """Where a call id is used twice, each message refers to the result that it shows."""
    log = Log()
    agent = Agent(Conversations(), log)
    for number, value in enumerate(["first", "second", "second"]):
        agent.result(event_id(number), "c1", value)
    talk = [shows("c1", "second"), shows("c1", "first"), shows("c1", "third")]
    agent.prompt(event_id(9), talk)
    agent.commit()

    stored = log.prompts[event_id(9)][1]
    assert [m["same_as"]["event"] for m in stored[:2]] == [str(event_id(1)), str(event_id(0))]
    assert stored[2] == talk[2]
    assert log.conversation(event_id(9)) == talk


def test_sessions_share_nothing():
    """What one session holds is not referred to in another."""
    telling = Conversations().tell()
    telling.prompt("a", event_id(1), [says(LONG)])

    assert telling.prompt("b", event_id(2), [says(LONG)]).history is None
    assert telling.holds("a", says(LONG)) == event_id(1)
    assert telling.holds("b", says(LONG)) == event_id(2)
    assert telling.holds("c", says(LONG)) is None


def test_asking_does_not_fill_the_memory():
    """Sessions that were only asked for, or have ids without end, leave next to nothing."""
    conversations = Conversations()
    telling = conversations.tell()
    for number in range(100):
        telling.holds(f"{number}" * 1000, says("x"))
        telling.prompt(f"{number}\ud800" * 1000, event_id(number), [])
    telling.commit()

    assert len(conversations._sessions) == 100
    assert all(len(key) == 16 for key in conversations._sessions)
    assert_counted(conversations, MANY)


def test_the_session_that_was_told_least_recently_is_forgotten_first():
    """The bound holds at any time; who was asked for lately is remembered."""
    conversations = Conversations(100)
    for number in range(50):
        telling = conversations.tell()
        telling.prompt(f"s{number}", event_id(number), [says("x"), says(LONG)])
        telling.holds("s0", says("x"))
        telling.commit()
        assert_counted(conversations, 100)

    telling = conversations.tell()
    assert telling.holds("s0", says("x"))
    assert telling.holds("s49", says("x"))
    assert telling.holds("s1", says("x")) is None


def test_messages_without_a_canonical_form_are_like_nothing():
    """What no event can hold is neither referred to nor an error here."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    telling = Conversations().tell()
    for number, value in enumerate([deep, float("nan"), "\ud800", {1: 2}, 2**70]):
        talk = [shows("c1", value), {"role": "user", "parts": [], "extensions": {"x": value}}]
        telling.result(SESSION, event_id(number), "c1", value)
        assert telling.prompt(SESSION, event_id(100 + number), talk).messages == talk
        assert telling.prompt(SESSION, event_id(200 + number), talk).history is None


def test_several_threads_share_a_memory():
    """Threads that tell, commit and forget at once store prompts that are all readable."""
    conversations = Conversations(3_000)
    chances = [random.Random(seed) for seed in range(4)]  # noqa: S311 - a fixed seed
    stories = [Story(chance, conversations, 1) for chance in chances]
    log = Log()
    lock = threading.Lock()
    update = log.update

    def locked_update(other: Log) -> None:
        with lock:
            update(other)

    log.update = locked_update  # type: ignore[method-assign]
    failed = []

    def run(number: int, story: Story) -> None:
        story.log = story.agents[0].log = log
        story.number = number * 100_000
        try:
            for _ in range(400):
                story.go_on(may_repeat=False)
            story.agents[0].commit()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=run, args=each) for each in enumerate(stories)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failed
    assert_counted(conversations, 3_000)
    for story in stories:
        for prompt in story.given.keys() & log.prompts.keys():
            assert_read_again(log, prompt, story.given[prompt])


def test_a_prompt_told_again_after_a_restart_is_referred_to_rightly():
    """Memory is lost and a prompt is told anew, whole: references to it mean the same as before."""
    long = [says(f"{letter} " * 300) for letter in "abc"]
    log = Log()
    first = Agent(Conversations(), log)
    first.prompt(event_id(1), long[:2])
    first.prompt(event_id(2), long)  # in the log: a history of two, and one message
    first.commit()
    second = Agent(Conversations(), log)
    second.prompt(event_id(2), long)  # sent again; the log keeps the first
    second.commit()
    asked = [says("new beginning"), long[0], long[2]]
    second.prompt(event_id(3), asked)
    second.commit()
    assert log.references(event_id(3)) == {event_id(2)}
    assert log.conversation(event_id(3)) == asked
