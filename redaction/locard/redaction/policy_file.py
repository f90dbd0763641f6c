"""A redaction policy as a TOML file.

```toml
name = "acme/1"
extends = "default"            # what is not said here is as there; without it, only this counts
threshold = 0.4

[entities]
PERSON = "mask"
IBAN_CODE = { action = "tokenise", threshold = 0.5 }

[[exceptions]]                 # of several that fit, the last one decides
workflows = ["payments-*"]
fields = ["arguments"]
entities = ["EMAIL_ADDRESS"]
action = "keep"

[allow]
values = ["support@example.com"]
patterns = ['[a-z]+@example\\.org']
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from locard.redaction.policy import DEFAULT_POLICY, RedactionPolicy
from locard.schema import read_policy_file

_DEFAULT: Final = "default"


def read_policy(path: Path) -> RedactionPolicy:
    """Return the policy in a file.

    Raises:
        CannotContinue: it cannot be read, or says something that is no policy; the message names
            each place.
    """
    return read_policy_file(
        path,
        "redaction policy",
        lambda told: RedactionPolicy.model_validate(_whole(told)),
        "nothing is redacted by guess, so put it back or configure another",
    )


def _whole(told: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with short forms written out and what it extends put in."""
    whole = dict(told)
    entities = told.get("entities", {})
    if isinstance(entities, dict):
        entities = {
            name: {"action": rule} if isinstance(rule, str) else rule
            for name, rule in entities.items()
        }
    if whole.pop("extends", None) == _DEFAULT and isinstance(entities, dict):
        before = DEFAULT_POLICY.model_dump(exclude_defaults=True)
        entities = {**before["entities"], **entities}
        whole = {**before, **whole}
    elif "extends" in told:
        whole["extends"] = told["extends"]  # refused as a field that no policy has
    return {**whole, "entities": entities}
