"""Redaction of one event: its content fields are walked, everything else stays."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from locard.redaction.policy import RedactionPolicy
from locard.redaction.spans import Span
from locard.redaction.text import TextRedactor
from locard.redaction.walk import Walk, with_content
from locard.schema import Action, Finding, RedactionRecord

_REMEMBERED_RULES: Final = 1024  # pairs of a workflow and a content field


class Redactor:
    """Takes personal data out of events, given as JSON objects.

    Args:
        key_id: names the key of the pseudonyms.
        engine: name and version of what looks for personal data.
        model: name and version of what looks for names, where there is one.
    """

    def __init__(
        self,
        texts: TextRedactor,
        policy: RedactionPolicy,
        *,
        key_id: str,
        engine: str,
        model: str | None = None,
    ) -> None:
        self._texts = texts
        self._rules = lru_cache(_REMEMBERED_RULES)(policy.rules)
        self._key_id = key_id
        self._record = partial(
            RedactionRecord,
            policy=policy.name,
            policy_digest=policy.digest,
            engine=engine,
            model=model,
        )

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Return the event with its content redacted, and the record of what was done.

        Args:
            event: the JSON object of a valid event, as `event_object` makes it.
        """
        began = time.perf_counter()
        found: dict[str, tuple[Finding, ...]] = {}

        def walked(name: str, value: Any) -> Any:
            walk = Walk(self._texts, self._rules(event.get("workflow_id"), name))
            result = walk.content(name, value)
            if walk.found:
                found[name] = _findings(walk.found)
            return result

        redacted = with_content(event, walked)
        has_token = any(f.action == "tokenise" for findings in found.values() for f in findings)
        return redacted, self._record(
            key_id=self._key_id if has_token else None,
            duration_us=round((time.perf_counter() - began) * 1e6),
            fields=found,
        )


def _findings(found: Iterable[tuple[Span, Action]]) -> tuple[Finding, ...]:
    scores: dict[tuple[str, Action], list[float]] = defaultdict(list)
    for span, action in found:
        scores[span.entity_type, action].append(span.score)
    return tuple(
        Finding(
            entity_type=entity_type,
            count=len(values),
            lowest_score=min(values),
            highest_score=max(values),
            action=action,
        )
        for (entity_type, action), values in sorted(scores.items())
    )
