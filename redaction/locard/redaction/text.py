"""Putting something else in the place of what was found in a text."""

from __future__ import annotations

from dataclasses import dataclass, field

from locard.redaction.findings import FORGED_TOKEN, TextFinder
from locard.redaction.policy import Rules
from locard.redaction.pseudonyms import Pseudonymizer
from locard.redaction.secret_names import SECRET_TYPES
from locard.redaction.spans import Span, disjoint, whole
from locard.schema import Action


@dataclass(frozen=True)
class RedactedText:
    """A text after redaction, and what was done to each finding, in the order of the text."""

    text: str = field(repr=False)
    findings: tuple[tuple[Span, Action], ...] = ()


class TextRedactor:
    """Replaces findings in texts.

    Args:
        originals: gets what each token that is made stands for, where somebody wants to know.
    """

    def __init__(
        self,
        finder: TextFinder,
        pseudonymizer: Pseudonymizer,
        originals: dict[str, str] | None = None,
    ) -> None:
        self._finder = finder
        self._pseudonymizer = pseudonymizer
        self._originals = originals

    def redact(self, text: str, rules: Rules, context: tuple[str, ...] = ()) -> RedactedText:
        """Return the text with every finding treated as the rules say; see `TextFinder.find`."""
        found = self._finder.find(text, context)
        if not found:
            return RedactedText(text)
        replaced: list[Span] = []
        findings: list[tuple[Span, Action]] = []
        for span in found:
            action = action_of(span, rules, text)
            if action == "keep":
                findings.append((span, action))
            elif action:
                replaced.append(whole(span, text))
        pieces, position = [], 0
        for span in disjoint(_not_allowed(replaced, findings, rules, text)):
            action = rules.actions.get(span.entity_type, "tokenise")
            findings.append((span, action))
            if action == "drop":
                return RedactedText(_mark(span, "dropped"), tuple(findings))
            pieces += [text[position : span.start], self._in_place_of(span, text, action)]
            position = span.end
        return RedactedText("".join([*pieces, text[position:]]), tuple(findings))

    def _in_place_of(self, span: Span, text: str, action: Action) -> str:
        if action == "mask":
            return _mark(span, "masked")
        value = value_of(span, text)
        token = self._pseudonymizer.token(span.entity_type, value)
        if self._originals is not None:
            self._originals.setdefault(token, value)
        return token


def _not_allowed(
    replaced: list[Span], findings: list[tuple[Span, Action]], rules: Rules, text: str
) -> list[Span]:
    """Return the spans without those within a value that is allowed, unless they are surer.

    The name in an address that is nobody's is nobody's. A secret is never allowed along.
    """
    allowed = [
        span
        for span, action in findings
        if action == "keep" and rules.allow.allows(value_of(span, text))
    ]
    return [
        span
        for span in replaced
        if span.entity_type in SECRET_TYPES
        or not any(
            one.start <= span.start and span.end <= one.end and span.score <= one.score
            for one in allowed
        )
    ]


def value_of(span: Span, text: str) -> str:
    """Return what was found, as it is meant."""
    return text[span.start : span.end] if span.value is None else span.value


def action_of(span: Span, rules: Rules, text: str) -> Action | None:
    """Return what becomes of a finding, or `None` where it does not count."""
    if span.entity_type == FORGED_TOKEN:
        return "tokenise"
    return rules.action(span.entity_type, span.score, value_of(span, text))


def _mark(span: Span, what: str) -> str:
    return f"‹{span.entity_type}:{what}›"
