"""The policy of redaction: which findings count, from which score on, and what becomes of them.

A policy is data: what it says is checked when it is made, and its digest is stored with every
event, so that a reader knows which rules applied. `policy_file.py` reads one from a file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from locard.redaction.secret_names import SECRET_TYPES
from locard.schema import Action, canonical_bytes

EntityType = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
Score = Annotated[float, Field(ge=0, le=1)]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EntityRule(_Rule):
    """What becomes of the findings of one entity type.

    Args:
        action: see `Action`.
        threshold: findings with a lower score stay; default: the policy's.
    """

    action: Action = "tokenise"
    threshold: Score | None = None


class ExceptionRule(_Rule):
    """Where another rule applies; of several that fit, the last one decides.

    Args:
        workflows: patterns such as `payments-*`; none: in each workflow.
        fields: content fields, such as `arguments`; none: in each.
        entities: whose rule is changed; none: of each that the policy names, but for secrets.
        action: what becomes of a finding; default: unchanged.
        threshold: likewise.
    """

    workflows: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    entities: tuple[EntityType, ...] = ()
    action: Action | None = None
    threshold: Score | None = None

    def fits(self, workflow_id: str | None, content_field: str) -> bool:
        """Say whether it applies to this field of an event of this workflow."""
        is_workflow = not self.workflows or any(
            fnmatch.fnmatchcase(workflow_id or "", pattern) for pattern in self.workflows
        )
        return is_workflow and (not self.fields or content_field in self.fields)


class AllowList(_Rule):
    """Values that are nobody's: they are kept and counted as kept.

    Args:
        values: compared without regard to case.
        patterns: regular expressions of Python that have to match the whole value.
    """

    values: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    @field_validator("patterns")
    @classmethod
    def _must_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for number, pattern in enumerate(patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"pattern {number} is no regular expression: {error}") from error
        return patterns

    def allows(self, value: str) -> bool:
        """Say whether this value is on the list."""
        return value.casefold() in self._values or any(
            pattern.fullmatch(value) for pattern in self._patterns
        )

    @cached_property
    def _values(self) -> frozenset[str]:
        return frozenset(value.casefold() for value in self.values)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Rules:
    """What a policy says for one content field of one workflow.

    Args:
        actions: by entity type; one that is not here is of no concern.
        thresholds: the lowest score that counts, likewise.
        decided_by: which part of the policy says so, likewise.
    """

    actions: dict[str, Action]
    thresholds: dict[str, float]
    decided_by: dict[str, str]
    allow: AllowList = field(repr=False)

    def action(self, entity_type: str, score: float, value: str) -> Action | None:
        """Return what becomes of a finding, or `None` where it is none by this policy."""
        action = self.actions.get(entity_type)
        if action is None or score < self.thresholds[entity_type]:
            return None
        return "keep" if self.allow.allows(value) else action


class RedactionPolicy(_Rule):
    """Rules that choose among findings and say what becomes of each.

    Args:
        name: stored with every event, beside the digest.
        threshold: findings with a lower score (0 to 1, after context words were considered) stay.
        entities: the entity types that are looked for, with their rules.
        exceptions: other rules for some workflows or fields.
        allow: values that are kept.
    """

    name: str = Field(min_length=1, max_length=100)
    threshold: Score = 0.4
    entities: dict[EntityType, EntityRule] = Field(min_length=1)
    exceptions: tuple[ExceptionRule, ...] = ()
    allow: AllowList = AllowList()

    @cached_property
    def digest(self) -> str:
        """The policy in one word: `sha256:` and the digest of its canonical JSON."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return f"sha256:{hashlib.sha256(canonical_bytes(told)).hexdigest()}"

    @cached_property
    def entity_types(self) -> tuple[str, ...]:
        """What is looked for, in order."""
        return tuple(sorted(self.entities))

    @property
    def tokenised_types(self) -> tuple[str, ...]:
        """What becomes a token somewhere, in order."""
        excepted = [e for e in self.exceptions if e.action == "tokenise"]
        named = {name for e in excepted for name in e.entities or self.entities}
        named |= {name for name, rule in self.entities.items() if rule.action == "tokenise"}
        return tuple(sorted(named - SECRET_TYPES))

    @cached_property
    def lowest_threshold(self) -> float:
        """No finding with a lower score counts anywhere."""
        thresholds = [rule.threshold for rule in self.entities.values()]
        thresholds += [exception.threshold for exception in self.exceptions]
        return min(self.threshold, *(t for t in thresholds if t is not None), 1.0)

    def rules(self, workflow_id: str | None, content_field: str) -> Rules:
        """Return what applies to one content field of an event of one workflow."""
        actions = {name: rule.action for name, rule in self.entities.items()}
        thresholds = {
            name: self.threshold if rule.threshold is None else rule.threshold
            for name, rule in self.entities.items()
        }
        decided_by = {name: f"entities.{name}" for name in self.entities}
        for number, exception in enumerate(self.exceptions):
            if exception.fits(workflow_id, content_field):
                for name in exception.entities or self.entities.keys() - SECRET_TYPES:
                    actions[name] = exception.action or actions[name]
                    if exception.threshold is not None:
                        thresholds[name] = exception.threshold
                    decided_by[name] = f"exceptions.{number}"
        return Rules(actions, thresholds, decided_by, self.allow)

    @model_validator(mode="after")
    def _names_what_it_excepts(self) -> RedactionPolicy:
        for number, exception in enumerate(self.exceptions):
            unknown = sorted(set(exception.entities) - self.entities.keys())
            if unknown:
                raise ValueError(
                    f"exception {number} is about {', '.join(unknown)}, which `entities` does not "
                    "name: add it there, or the policy would not look for it"
                )
        return self

    @model_validator(mode="after")
    def _tells_no_secret(self) -> RedactionPolicy:
        told = {name for name, rule in self.entities.items() if rule.action == "tokenise"}
        told.update(*(e.entities for e in self.exceptions if e.action == "tokenise"))
        told &= SECRET_TYPES
        if told:
            raise ValueError(
                f"{', '.join(sorted(told))} would become a token, and the token of a secret can be "
                "compared: mask or drop it"
            )
        return self


# URL and DATE_TIME are left out on purpose: an address that an agent was sent to and the day on
# which it acted are what an investigation is about.
DEFAULT_POLICY: Final = RedactionPolicy(
    name="default/3",
    entities=dict.fromkeys(SECRET_TYPES, EntityRule(action="mask"))
    | dict.fromkeys(
        (
            "AGE",
            "CREDIT_CARD",
            "CRYPTO",
            "DATE_OF_BIRTH",
            "EMAIL_ADDRESS",
            "IBAN_CODE",
            "IP_ADDRESS",
            "LOCATION",
            "MAC_ADDRESS",
            "MEDICAL_LICENSE",
            "NRP",
            "ORGANIZATION",
            "PERSON",
            "PHONE_NUMBER",
            "UK_NHS",
            "US_BANK_NUMBER",
            "US_DRIVER_LICENSE",
            "US_ITIN",
            "US_PASSPORT",
            "US_SSN",
            "ZIP_CODE",
        ),
        EntityRule(),
    ),
)
