"""A dry run: what a policy would do to something, finding by finding, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from locard.redaction.detection import Detection
from locard.redaction.policy import RedactionPolicy, Rules
from locard.redaction.pseudonyms import Pseudonymizer
from locard.redaction.spans import Span
from locard.redaction.text import RedactedText, TextRedactor, action_of, value_of
from locard.redaction.walk import Walk, with_content


@dataclass(frozen=True)
class Explained:
    """One finding of a dry run.

    Args:
        where: number of the event, content field, keys and numbers that lead to the text, with
            dots between them.
        start: half-open range of characters in that text.
        end: see `start`.
        entity_type: what was found.
        score: how surely, from 0 to 1.
        action: what becomes of it; `stays`: it does not count, `within`: a surer one has its place.
        decided_by: the part of the policy that says so.
        found_by: the recognizer, model or rule.
        value: what was found.
    """

    where: str
    start: int
    end: int
    entity_type: str
    score: float
    action: str
    decided_by: str
    found_by: str
    value: str = field(repr=False)


class Explanation:
    """Explains what one policy does.

    Args:
        detection: what looks for personal data.
        pseudonymizer: makes the tokens of the result.
    """

    def __init__(
        self, detection: Detection, pseudonymizer: Pseudonymizer, policy: RedactionPolicy
    ) -> None:
        self._policy = policy
        # Also what does not count by the policy is found, to tell that it does not.
        self._finder = detection.finder(policy, lowest_score=0.0)
        self._texts = TextRedactor(self._finder, pseudonymizer)
        self._path: list[str | int] = []
        self.rows: list[Explained] = []

    def event(self, event: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Return a valid event, given as a JSON object, as it would be stored; adds to `rows`.

        Args:
            number: tells in `where` which event it was.
        """
        workflow_id = event.get("workflow_id")
        return with_content(event, lambda name, value: self.value(value, workflow_id, name, number))

    def value(
        self, value: Any, workflow_id: str | None, content_field: str, number: int | None = None
    ) -> Any:
        """Return a text or JSON value as it would be stored in a content field; adds to `rows`."""
        walk = Walk(self, self._policy.rules(workflow_id, content_field), self._path)
        self._path[:] = [content_field] if number is None else [number, content_field]
        return walk.value(value) if number is None else walk.content(content_field, value)

    def redact(self, text: str, rules: Rules, context: tuple[str, ...] = ()) -> RedactedText:
        """Return what takes the place of a text, and explain it; for `Walk`."""
        redacted = self._texts.redact(text, rules, context)
        done = {(span.start, span.end, span.entity_type) for span, _ in redacted.findings}
        spans = [span for span, _ in redacted.findings]
        spans += [
            span
            for span in self._finder.find(text, context)
            if (span.start, span.end, span.entity_type) not in done
        ]
        actions = dict(redacted.findings)
        for span in sorted(spans, key=lambda s: (s.start, s.end, s.entity_type)):
            self.rows.append(self._explained(span, actions.get(span), rules, text))
        return redacted

    def _explained(self, span: Span, action: str | None, rules: Rules, text: str) -> Explained:
        decided_by = rules.decided_by.get(span.entity_type, "")
        if action is None and action_of(span, rules, text) is None:
            action = "stays"
            threshold = rules.thresholds.get(span.entity_type)
            decided_by = "no rule" if threshold is None else f"threshold {threshold:g}"
        elif action is None:
            action, decided_by = "within", ""
        elif action == "keep" and rules.allow.allows(value_of(span, text)):
            decided_by = "allow"
        return Explained(
            where=".".join(map(str, self._path)),
            start=span.start,
            end=span.end,
            entity_type=span.entity_type,
            score=round(span.score, 2),
            action=action,
            decided_by=decided_by,
            found_by=span.found_by,
            value=value_of(span, text),
        )
