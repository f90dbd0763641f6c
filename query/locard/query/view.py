"""What a documented view is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class View:
    """A documented view.

    Args:
        name: as used in SQL.
        row: what one row is.
        sql: the statement behind it.
        notes: for columns whose name does not say enough, what they hold.
    """

    name: str
    row: str
    sql: str
    notes: Mapping[str, str] = field(default_factory=dict)
