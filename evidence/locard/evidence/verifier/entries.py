"""The entries of a log that are segments, taken for what they have to be; `docs/format.md`, 4."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Range = tuple[_Count, _Count]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Rows(_Part):
    root: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: _Count


class _Stream(_Part):
    collector_id: str
    incarnation: str
    first_seq: _Count
    last_seq: _Count


class _Expired(_Part):
    first_offset: _Count
    next_offset: _Count


class _Segment(_Rows):
    topic_id: str
    partition: _Count
    first_offset: _Count
    next_offset: _Count
    without_row: list[_Range]
    streams: list[_Stream] = []
    found: _Rows | None = None
    expired: _Expired | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        at = self.first_offset
        without = 0
        for first, following in self.without_row:
            if not at <= first < following <= self.next_offset:
                raise ValueError("ranges without rows are in their order, within the segment")
            at = following
            without += following - first
        if self.next_offset - self.first_offset - without != self.rows:
            raise ValueError("a segment has a row for each offset that is not without one")
        return self


def is_segment(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry has everything that a segment has, and adds up."""
    try:
        _Segment.model_validate_json(json.dumps(entry))
    except (ValidationError, ValueError):
        return False
    return True
