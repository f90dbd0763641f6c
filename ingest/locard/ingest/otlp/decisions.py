"""Why something was allowed or not: guardrails, evaluations, plans, permissions."""

from __future__ import annotations

from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.agents import add_new_messages
from locard.ingest.otlp.attributes import structured
from locard.ingest.otlp.inference import model_fields
from locard.ingest.otlp.reading import Reading

GUARDRAIL_PREFIXES: Final = ("gen_ai.guardrail.", "gen_ai.security.")
"""Under which names guardrails are told; the convention for them is still being written."""

_VERDICTS: Final = {
    "allow": (
        "accept", "accepted", "allow", "allowed", "approve", "approved", "approved_for_session",
        "approved_execpolicy_amendment", "correct", "ok", "pass", "passed", "permit", "safe",
        "true",
    ),
    "deny": (
        "abort", "aborted", "block", "blocked", "cancel", "cancelled", "denied", "deny", "fail",
        "failed", "incorrect", "reject", "rejected", "timed_out", "unsafe", "violation", "false",
    ),
    "modify": ("mask", "masked", "modified", "modify", "redact", "redacted", "rewrite", "sanitize"),
    "ask": ("ask", "escalate", "escalated", "pending", "review"),
}  # fmt: skip
_VERDICT_OF_WORD: Final = {word: verdict for verdict, words in _VERDICTS.items() for word in words}


def verdict(word: Any) -> str:
    """Return which verdict a word or a truth value of some source means, else `unknown`."""
    if not isinstance(word, str | bool):
        return "unknown"
    return _VERDICT_OF_WORD.get(str(word).strip().lower(), "unknown")


def guardrail(reading: Reading) -> None:
    """Add what a guardrail decided."""
    reader = reading.reader
    told = {
        suffix: (prefix + suffix)
        for prefix in reversed(GUARDRAIL_PREFIXES)
        for suffix in _GUARDRAIL_FIELDS
        if reader.has(prefix + suffix)
    }

    def of(*suffixes: str) -> str | None:
        return reader.text(*(told[suffix] for suffix in suffixes if suffix in told))

    word = next((reader.look(told[s]) for s in _VERDICT_FIELDS if s in told), None)
    result = structured(reader.look("output.value"))[0]
    if word is None:
        word = _word_in(result)
    rule = of("policy.id", "policy.name", "name") or reader.text("gen_ai.guardrail.name")
    rationale = of("reason", "explanation") or _text_of(result)
    _add(reading, "guardrail", word, rule or reading.name or None, rationale)


def evaluation(reading: Reading) -> None:
    """Add what an evaluation found."""
    reader = reading.reader
    label = next((reader.look(name) for name in _LABELS if reader.look(name) is not None), None)
    rule = reader.text("gen_ai.evaluation.name", "evaluation.name", "eval.name")
    rationale = reader.text(
        "gen_ai.evaluation.explanation", "evaluation.explanation", "eval.explanation"
    )
    result = structured(reader.look("output.value"))[0]
    word = label if label is not None else _word_in(result)
    answer = reader.text(*names.RESPONSE_ID)
    kind = reader.look("evaluation.annotator_kind")
    _add(
        reading,
        _ANNOTATORS.get(kind, "model") if isinstance(kind, str) else "model",
        word,
        rule or reading.name or None,
        rationale or _text_of(result),
        response_id=answer,
    )


def plan(reading: Reading) -> None:
    """Add that a model planned what to do, with its messages where they are new."""
    model = model_fields(reading.reader)
    _add(reading, "model", None, "plan", None, **model)
    add_new_messages(reading, model)


def _add(
    reading: Reading,
    decided_by: str,
    word: Any,
    rule: str | None,
    rationale: str | None,
    **core: Any,
) -> None:
    hidden = rationale in names.HIDDEN
    reading.add(
        "decision",
        "decision",
        {
            "decided_by": decided_by,
            "verdict": verdict(word),
            "rule": rule,
            "rationale": None if hidden else rationale,
        },
        at_end=True,
        absent={"rationale": "redacted_upstream"} if hidden else None,
        **core,
    )


def _word_in(result: Any) -> Any:
    """Return what the output of a guardrail or evaluator says in one word, if it does."""
    if not isinstance(result, dict):
        return result
    return next((result[name] for name in _WORDS if isinstance(result.get(name), str | bool)), None)


def _text_of(result: Any) -> str | None:
    if not isinstance(result, dict):
        return None
    found = result.get("reason", result.get("explanation", result.get("rationale")))
    return found if isinstance(found, str) else None


_VERDICT_FIELDS: Final = ("verdict", "decision.type", "decision", "action", "result", "outcome")
_GUARDRAIL_FIELDS: Final = (
    *_VERDICT_FIELDS,
    *("policy.id", "policy.name", "name", "reason", "explanation"),
)
_LABELS: Final = ("gen_ai.evaluation.score.label", "evaluation.label", "eval.label")
_ANNOTATORS: Final = {"HUMAN": "human", "CODE": "policy", "LLM": "model"}
_WORDS: Final = (*_VERDICT_FIELDS, "label", "passed", "allowed", "valid", "score_label")
