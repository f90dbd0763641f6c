"""Which result answers which call: ids, names and order, over one run.

Real sources leave ids empty, use one twice, answer out of order or late, or not at all. A result
is paired with at most one call, and a call with at most one result, by the first rule that fits;
an *open* call is one of the model's latest message that has no result yet:

1. The result has the id of open calls: one of those, whatever its name.
2. The result has the id of an earlier call without a result, and no other call of the run had that
   id until now: that call. The result came late, after the model spoke again.
3. The result has no id, or one that no call had: an open call of the same name, those without an
   id first. Where it has no name either: the oldest open call without an id if the result has none
   as well, else the only open call.

Where several calls fit, the one with the same name counts before others, then the one with the same
arguments (some sources repeat them in the result), then the oldest. A result that fits no call is
kept without one: a wrong pair would be worse evidence than none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from locard.ingest.importers.openai_calls import ABSENT, AnsweredCall, RequestedCall

_NO_ID: Final = "call"


@dataclass(eq=False)
class Call:
    """A call in its session: `call_id` is unique there, and `event_id` is that of its own event."""

    call_id: str
    requested: RequestedCall = field(repr=False)
    event_id: str = ""
    is_answered: bool = False


class Calls:
    """The calls of one run, from request to result."""

    def __init__(self) -> None:
        self._open: dict[str, Call] = {}  # by call id, the oldest first
        self._open_of_id: dict[str, list[Call]] = {}  # the same by source id, where they have one
        self._all_of_id: defaultdict[str, list[Call]] = defaultdict(list)
        self._used_ids: set[str] = set()
        self._repeats: Counter[str] = Counter()
        self.unanswered = 0

    def request(self, requested: Sequence[RequestedCall]) -> list[Call]:
        """Take the calls of the model's next message; what was open until now is so no more."""
        calls = [Call(self._unused_id(call.source_id), call) for call in requested]
        self._open = {call.call_id: call for call in calls}
        self._open_of_id = {}
        for call in calls:
            if call.requested.source_id:
                self._open_of_id.setdefault(call.requested.source_id, []).append(call)
                self._all_of_id[call.requested.source_id].append(call)
        self.unanswered += len(calls)
        return calls

    def answer(self, answered: AnsweredCall) -> Call | None:
        """Return the call that a result answers, which then has its result, or `None`."""
        call = self._find(answered)
        if call:
            call.is_answered = True
            self.unanswered -= 1
            if self._open.pop(call.call_id, None) and call.requested.source_id:
                self._open_of_id[call.requested.source_id].remove(call)
        return call

    def _find(self, answered: AnsweredCall) -> Call | None:
        if answered.source_id and answered.source_id in self._all_of_id:
            return self._find_by_id(answered.source_id, answered)
        if answered.name:
            of_that_name = [c for c in self._open.values() if c.requested.name == answered.name]
            without_id = [call for call in of_that_name if not call.requested.source_id]
            return _best(without_id or of_that_name, answered)
        if not answered.source_id:
            without_id = [c for c in self._open.values() if not c.requested.source_id]
            if without_id:
                return without_id[0]
        return next(iter(self._open.values())) if len(self._open) == 1 else None

    def _find_by_id(self, source_id: str, answered: AnsweredCall) -> Call | None:
        still_open = self._open_of_id.get(source_id)
        if still_open:
            return _best(still_open, answered)
        ever = self._all_of_id[source_id]
        return ever[0] if len(ever) == 1 and not ever[0].is_answered else None

    def _unused_id(self, source_id: str | None) -> str:
        """Return an id that no other call of this session has, the source's own where possible."""
        stem = source_id or _NO_ID
        call_id = source_id or f"{_NO_ID}~1"
        while call_id in self._used_ids:
            self._repeats[stem] += 1
            call_id = f"{stem}~{self._repeats[stem] + 1}"
        self._used_ids.add(call_id)
        return call_id


def _best(fitting: Sequence[Call], answered: AnsweredCall) -> Call | None:
    """Return the call that fits best, the oldest of several."""

    def likeness(call: Call) -> tuple[bool, bool]:
        same_name = call.requested.name == answered.name
        return same_name, same_name and _same(call.requested.arguments, answered.arguments)

    return max(fitting, key=likeness, default=None)


def _same(one: Any, other: Any) -> bool:
    return other is not ABSENT and bool(one == other)
