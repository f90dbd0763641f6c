"""The API holds to its OpenAPI document, whatever is sent: no 500, nothing undocumented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import GenerationConfig, SchemathesisConfig

from lakes import publish
from locard.query.api import query_app
from locard.query.cases import open_cases
from making import event, said
from servers import TOKEN

load_all_checks()
# That a text is one does not make it a time, a statement, or the id of an event that there is.
(positive_data_acceptance,) = CHECKS.get_by_names(["positive_data_acceptance"])
CONFIG = SchemathesisConfig()
CONFIG.projects.default.generation = GenerationConfig(deterministic=True, max_examples=15)


class Api:
    """The application that the fixture has made; the tests are listed before there is one."""

    app = query_app(
        Path("/nowhere"), TOKEN, cases=open_cases(Path("/nowhere"))
    )  # only its document is read

    async def __call__(self, *arguments: Any) -> None:
        """Answer a request."""
        await self.app(*arguments)


api = Api()
schema = schemathesis.openapi.from_dict(api.app.openapi(), config=CONFIG)
schema.app = api


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A small lake behind the application that is called."""
    lake = tmp_path_factory.mktemp("lake") / "lake"
    publish(lake, event(session_id="s1"), event("prompt", {"messages": [said("hi")]}))
    cases = open_cases(lake.parent / "cases.sqlite")
    cases.open("INC-7", "one", "somebody")
    api.app = query_app(lake, TOKEN, cases=cases)
    return lake


@schema.parametrize()
def test_every_answer_is_as_the_document_says(case: Case, lake):
    """Requests that fit the document and requests that do not get a documented answer."""
    case.call_and_validate(
        headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=[positive_data_acceptance]
    )
