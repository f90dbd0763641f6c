"""What expires of one day, as SQL over its rows. Pure: makes text, touches nothing.

All rows of a day have one age, so each period of the policy is either over for that day or not.
What a policy leaves open is kept, and so is every row that a hold names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from locard.ingest.retention.holds import Hold
from locard.ingest.retention.policy import (
    CUSTODIAL_KINDS,
    Period,
    Periods,
    RetentionPolicy,
    RetentionRule,
)
from locard.ingest.upkeep.emptying import HAS_CONTENT, emptied

EXPIRED: Final = "expired"
_NEVER: Final = "false"


@dataclass(frozen=True)
class Expiry:
    """Conditions on the rows of one day.

    Args:
        payload: whether a row's content is to go.
        record: whether a row is to go as a whole.
        held: whether a hold keeps it.
        parameters: values of the named parameters in all three.
    """

    payload: str
    record: str
    held: str
    parameters: Mapping[str, Any] = field(repr=False)

    @property
    def is_possible(self) -> bool:
        """Whether there may be a row of this age that expires."""
        return (self.payload, self.record) != (_NEVER, _NEVER)

    @property
    def has_content(self) -> str:
        """Whether a row has any content left."""
        return HAS_CONTENT

    @property
    def goes(self) -> str:
        """Whether a row leaves the lake."""
        return f"(({self.record}) AND NOT ({self.held}))"

    @property
    def empties(self) -> str:
        """Whether a row stays and loses its content."""
        return f"(({self.payload}) AND NOT ({self.held}) AND {self.has_content})"

    @property
    def is_held_back(self) -> str:
        """Whether a hold alone keeps something of a row."""
        due = f"(({self.record}) OR (({self.payload}) AND {self.has_content}))"
        return f"({due} AND ({self.held}))"

    def columns(self) -> dict[str, str]:
        """Return what each changed column becomes."""
        return emptied(self.empties, EXPIRED)

    def signature(self, files: Sequence[str]) -> str:
        """Return a digest that is the same as long as neither files nor conditions change."""
        told = [self.payload, self.record, self.held, dict(self.parameters), list(files)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def expiry(policy: RetentionPolicy, holds: Sequence[Hold], age_days: int) -> Expiry:
    """Return what expires of rows that were taken in so many days ago.

    Args:
        holds: those in force.
    """
    parameters: dict[str, Any] = {}

    def named(value: Any) -> str:
        name = f"p{len(parameters)}"
        parameters[name] = value
        return f"${name}"

    def due(period_of: Callable[[Periods], Period | None]) -> str:
        return _due(policy, lambda periods: _is_over(period_of(periods), age_days), named)

    payload, record = due(lambda p: p.payload_days), due(lambda p: p.record_days)
    return Expiry(payload, record, _held(holds, named), parameters)


def _is_over(period: Period | None, age_days: int) -> bool | None:
    if period is None:
        return None
    return isinstance(period, int) and age_days >= period


def _due(
    policy: RetentionPolicy,
    is_over: Callable[[Periods], bool | None],
    named: Callable[[Any], str],
) -> str:
    """Return the condition under which the last rule that decides says that a period is over."""
    decisions = [(rule, is_over(rule)) for rule in reversed(policy.rules)]
    decisions = [(rule, over) for rule, over in decisions if over is not None]
    default = bool(is_over(policy.default))
    if not default and not any(over for _, over in decisions):
        return _NEVER
    cases = [f"WHEN {_fits(rule, named)} THEN {str(over).lower()}" for rule, over in decisions]
    cases.append(f"WHEN kind IN {_custodial(named)} THEN false")
    return f"CASE {' '.join(cases)} ELSE {str(default).lower()} END"


def _fits(rule: RetentionRule, named: Callable[[Any], str]) -> str:
    if rule.kinds:
        condition = f"kind IN (SELECT unnest({named(list(rule.kinds))}))"
    else:
        condition = f"kind NOT IN {_custodial(named)}"
    if rule.workflows is None:
        return condition
    globs = [f"coalesce(workflow_id, '') GLOB {named(pattern)}" for pattern in rule.workflows]
    return f"({condition} AND ({' OR '.join(globs)}))"


def _custodial(named: Callable[[Any], str]) -> str:
    return f"({', '.join(named(kind) for kind in CUSTODIAL_KINDS)})"


def held_condition(holds: Sequence[Hold]) -> tuple[str, dict[str, Any]]:
    """Return the condition of rows that holds keep, in SQL, and its parameters."""
    parameters: dict[str, Any] = {}

    def named(value: Any) -> str:
        name = f"held{len(parameters)}"
        parameters[name] = value
        return f"${name}"

    return _held(holds, named), parameters


def _held(holds: Sequence[Hold], named: Callable[[Any], str]) -> str:
    if any(hold.is_everything for hold in holds):
        return "true"
    conditions = [
        f"coalesce({column} IN (SELECT unnest({named(sorted(values))})), false)"
        for column, values in (
            ("session_id", {name for hold in holds for name in hold.sessions}),
            ("workflow_id", {name for hold in holds for name in hold.workflows}),
        )
        if values
    ]
    return " OR ".join(conditions) or "false"
