"""The inventory: which workflows, agents, models, tools, principals and data there are, from use.

It is made of what was recorded, not of what was registered. A register says who answers for what;
what is used and not in it is *shadow*, what is in it and was never used is *unused*.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from locard.query.lake import reading
from locard.schema import CannotContinue

Kind: TypeAlias = Literal[
    "workflow", "agent", "model", "tool", "principal", "data_class", "provider_data"
]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
INVENTORY_COLUMNS: Final = (
    "what", "name", "detail", "events", "sessions", "first_at", "last_at", "standing", "owner",
)  # fmt: skip
_SEEN: Final = """
    WITH mine AS (SELECT * FROM events WHERE kind NOT IN ('access', 'custody', 'accounting'))
    , classes AS (
        SELECT DISTINCT p.entity_type, p.event_id, p.session_id, p.occurred_at, m.provider, m.kind,
            coalesce(m.response_model, m.request_model) AS model
        FROM pseudonyms AS p JOIN mine AS m
            ON m.event_id = p.event_id AND m.session_id IS NOT DISTINCT FROM p.session_id
    )
    SELECT 'workflow' AS what, workflow_id AS name, list_sort(list(DISTINCT environment)) AS detail,
        count(*) AS events, count(DISTINCT session_id) AS sessions, min(occurred_at) AS first_at,
        max(occurred_at) AS last_at
    FROM mine WHERE workflow_id IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'agent', coalesce(agent_id, agent_name), list_sort(list(DISTINCT agent_version)),
        count(*), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM mine WHERE coalesce(agent_id, agent_name) IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'model', coalesce(response_model, request_model), list_sort(list(DISTINCT provider)),
        count(*), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM mine WHERE coalesce(response_model, request_model) IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'tool', tool_name, list_sort(list(DISTINCT tool_server)),
        count(*), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM mine WHERE tool_name IS NOT NULL AND kind = 'tool_call' GROUP BY ALL
    UNION ALL
    SELECT 'principal', principal,
        [CASE WHEN principal_verified THEN 'verified' ELSE 'claimed' END],
        count(*), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM mine WHERE principal IS NOT NULL GROUP BY principal, principal_verified
    UNION ALL
    SELECT 'data_class', entity_type, list_sort(list(DISTINCT kind)),
        count(DISTINCT event_id), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM classes GROUP BY ALL
    UNION ALL
    SELECT 'provider_data', coalesce(provider, model, 'not named'), [entity_type],
        count(DISTINCT event_id), count(DISTINCT session_id), min(occurred_at), max(occurred_at)
    FROM classes WHERE kind IN ('prompt', 'model_output') GROUP BY ALL
    ORDER BY 1, 2, 3
"""


class Owners(BaseModel):
    """Who answers for a workflow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow: str | None = None
    data: str | None = None
    platform: str | None = None
    security: str | None = None

    def sentence(self) -> str:
        """Return them in one line."""
        told = self.model_dump(exclude_none=True)
        return ", ".join(f"{role}: {name}" for role, name in told.items())


class Register(BaseModel):
    """What is known to be used, and who answers for it, as the register's file says.

    Args:
        workflows: owners by workflow id.
        agents, models, tools, principals: names of what is allowed; a group that is not there is
            not registered at all, and nothing of it is called shadow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflows: dict[str, Owners] | None = None
    agents: frozenset[str] | None = None
    models: frozenset[str] | None = None
    tools: frozenset[str] | None = None
    principals: frozenset[str] | None = None

    def names(self, kind: str) -> frozenset[str] | None:
        """Return the registered names of a kind; `None` where the kind is not registered."""
        if kind == "workflow":
            return None if self.workflows is None else frozenset(self.workflows)
        found: frozenset[str] | None = getattr(self, f"{kind}s", None)
        return found


@dataclass(frozen=True)
class Item:
    """One thing that was used, or is registered and was not.

    Args:
        detail: environments, versions, providers, servers, or kinds of events, by kind.
        standing: `registered`, `shadow`, `unused`, or `None` where its kind is not registered.
        owner: who answers for it, of workflows.
    """

    what: str
    name: str
    detail: tuple[str, ...]
    events: int
    sessions: int
    first_at: Any
    last_at: Any
    standing: str | None
    owner: str | None


def read_register(path: Path) -> Register:
    """Return the register in a TOML file.

    Raises:
        CannotContinue: it cannot be read, or says what a register does not.
    """
    try:
        return Register.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise CannotContinue(f"{path}: {error.strerror}; name the register's file") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise CannotContinue(
            f"{path}: {where} is not what a register has; see docs/inventory.md"
        ) from error
    except ValueError as error:
        raise CannotContinue(f"{path}: this is no TOML; correct it") from error


def inventory(
    connection: duckdb.DuckDBPyConnection,
    register: Register | None = None,
    kinds: Sequence[str] = KINDS,
) -> list[Item]:
    """Return everything that was used, and what is registered and was not, by kind and name.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    register = register or Register()
    with reading():
        rows = connection.execute(_SEEN).fetchall()
    items = [_item(row, register) for row in rows]
    seen = {(item.what, item.name) for item in items}
    for kind in KINDS:
        for name in sorted(register.names(kind) or ()):
            if (kind, name) not in seen:
                owner = _owner(kind, name, register.workflows or {})
                items.append(Item(kind, name, (), 0, 0, None, None, "unused", owner))
    order = {kind: number for number, kind in enumerate(KINDS)}
    return sorted(
        (item for item in items if item.what in kinds),
        key=lambda item: (order[item.what], item.name, item.detail),
    )


def _item(row: tuple[Any, ...], register: Register) -> Item:
    what, name, detail, events, sessions, first_at, last_at = row
    known = register.names(what)
    standing = None if known is None else "registered" if name in known else "shadow"
    told = tuple(one for one in detail or () if one is not None)
    owner = _owner(what, name, register.workflows or {})
    return Item(what, name, told, events, sessions, first_at, last_at, standing, owner)


def _owner(kind: str, name: str, workflows: Mapping[str, Owners]) -> str | None:
    owners = workflows.get(name) if kind == "workflow" else None
    return (owners.sentence() or None) if owners else None
