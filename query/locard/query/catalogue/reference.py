"""`docs/questions.md`: the catalogue as a page, made from it.

    python -m locard.query.catalogue.reference > docs/questions.md

A test keeps the page equal to the catalogue.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from locard.query.catalogue.questions import Question, catalogue

_HEAD = """# What a responder asks

<!-- Made by `python -m locard.query.catalogue.reference`; change the catalogue, not this page. -->

`locard ask` lists these questions and `locard ask NAME PARAMETER=VALUE …` asks one, by its name or
its number; `--sql` shows the statement, which runs over the documented [views](views.md) in any
notebook. The same catalogue is behind `GET /v1/questions`. Beside each answer stands how far it can
be relied on: what is missing, doubled, taken out, or covered by no checkpoint yet.

They are those of the published playbooks: CoSAI AI Incident Response v1.0, the AIIR overlay, the
method of AWS CIRT and OWASP's GenAI IR guide.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for one in catalogue().values() for line in _lines(one))])


def _lines(one: Question) -> Iterator[str]:
    yield f"## {one.number}. {one.asks}"
    yield ""
    yield f"`locard ask {one.name}`"
    yield ""
    for parameters, how in (
        (one.needs, "needed"),
        (one.one_of, "one of these is needed" if len(one.one_of) > 1 else "needed"),
        (one.optional, "may be given"),
    ):
        for parameter in parameters:
            default = "" if parameter.default is None else f", {parameter.default} by default"
            yield f"- `{parameter.name}`: {parameter.help} ({how}{default})"
    if one.parameters:
        yield ""
    if one.sql is None:
        yield f"Stands on `{one.stands_on}`, since no single statement can tell it."
    else:
        yield "```sql"
        yield one.sql
        yield "```"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page().rstrip() + "\n")
