"""How long what is recorded is kept: by kind of event and workflow, content apart from the rest.

```toml
floor_days = 183                # nothing is kept for less, unless it is said why

[default]
payload_days = 365              # content: messages, arguments, results; "forever" if not named
record_days = 1095              # the whole record of the event; likewise

[[rules]]                       # of several that fit, the last one that names a period decides
workflows = ["support-*"]
kinds = ["prompt", "model_output"]
payload_days = 30
because = "retention schedule 4.2, agreed with the works council"
```

The floor is six months, since Regulation (EU) 2024/1689 (the AI Act) asks for that from providers
(Article 19) and deployers (Article 26(6)) of high-risk systems.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from locard.schema import KINDS, canonical_bytes, read_policy_file

FLOOR_DAYS: Final = 183
CUSTODIAL_KINDS: Final = ("accounting", "access", "custody")
"""What tells of the record itself. Only a rule that names them lets them expire."""

Period = Annotated[int, Field(ge=1, le=36_500)] | Literal["forever"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Periods(_Part):
    """How long, in days from the day on which the event was taken in.

    Args:
        payload_days: how long content is kept.
        record_days: how long the event is kept at all.
        because: why less than the floor is right.
    """

    payload_days: Period | None = None
    record_days: Period | None = None
    because: Annotated[str, Field(min_length=1, max_length=1000)] | None = None

    @property
    def shortest(self) -> int | None:
        """The shorter of the two; `None` where neither ends."""
        ends = [p for p in (self.payload_days, self.record_days) if isinstance(p, int)]
        return min(ends, default=None)


class RetentionRule(Periods):
    """Other periods for some events.

    Args:
        workflows: patterns such as `payments-*`; none: each, also an event that names none.
        kinds: none: each but the custodial ones.
    """

    workflows: Annotated[list[str], Field(min_length=1)] | None = None
    kinds: Annotated[list[str], Field(min_length=1)] | None = None

    @field_validator("kinds")
    @classmethod
    def _must_be_kinds(cls, kinds: list[str] | None) -> list[str] | None:
        for kind in kinds or []:
            if kind not in KINDS:
                raise ValueError(f"`{kind}` is no kind of event; there are {', '.join(KINDS)}")
        return kinds

    @model_validator(mode="after")
    def _must_say_something(self) -> RetentionRule:
        if self.payload_days is None and self.record_days is None:
            raise ValueError("a rule names payload_days, record_days or both")
        return self


class RetentionPolicy(_Part):
    """What is kept for how long. The empty policy keeps everything.

    Args:
        floor_days: can be raised; what is kept for less has to say why.
    """

    floor_days: Annotated[int, Field(ge=FLOOR_DAYS)] = FLOOR_DAYS
    default: Periods = Periods()
    rules: list[RetentionRule] = []

    @cached_property
    def digest(self) -> str:
        """The policy in one word: `sha256:` and the digest of its canonical JSON."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return f"sha256:{hashlib.sha256(canonical_bytes(told)).hexdigest()}"

    @property
    def shortest(self) -> int | None:
        """The shortest period of all; `None` where nothing expires."""
        found = (periods.shortest for periods in (self.default, *self.rules))
        return min((days for days in found if days is not None), default=None)

    @model_validator(mode="after")
    def _must_respect_the_floor(self) -> RetentionPolicy:
        named = {"default": self.default}
        named |= {f"rules.{number}": rule for number, rule in enumerate(self.rules)}
        for name, periods in named.items():
            days = periods.shortest
            if days is not None and days < self.floor_days and periods.because is None:
                raise ValueError(
                    f"{name} keeps for {days} days, which is below the floor of "
                    f"{self.floor_days}: say in `because` why that is right"
                )
        return self


def read_retention(path: Path) -> RetentionPolicy:
    """Return the policy in a TOML file; where there is none, the one that keeps everything.

    Raises:
        CannotContinue: it cannot be read, or says something that is no policy.
    """
    if not path.exists():
        return RetentionPolicy()
    return read_policy_file(
        path, "retention policy", RetentionPolicy.model_validate, "nothing expires until it can"
    )
