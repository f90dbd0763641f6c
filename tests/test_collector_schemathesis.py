"""The collector holds to its OpenAPI document, whatever is sent: no 500, nothing undocumented."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import GenerationConfig, SchemathesisConfig

from eventlogs import LogUnderTest
from locard.ingest.collector import CollectorLimits, Rate, collector_app
from locard.ingest.collector.openapi import openapi_document
from locard.ingest.identities import IdentityRegistry
from locard.schema import event_json
from making import event

schemathesis.openapi.media_type("application/x-protobuf", st.binary(max_size=200))
schemathesis.openapi.media_type(
    "application/x-ndjson",
    st.lists(st.binary(max_size=50) | st.just(event_json(event())), max_size=5).map(b"\n".join),
)


load_all_checks()
(positive_data_acceptance,) = CHECKS.get_by_names(["positive_data_acceptance"])
CONFIG = SchemathesisConfig()
CONFIG.projects.default.generation = GenerationConfig(deterministic=True, max_examples=25)


class Collector:
    """The application that the fixture has made; the tests are listed before there is one."""

    app: FastAPI

    async def __call__(self, *arguments: Any) -> None:
        """Answer a request."""
        await self.app(*arguments)


collector = Collector()
schema = schemathesis.openapi.from_dict(openapi_document(), config=CONFIG)
schema.app = collector


@pytest.fixture(scope="module")
def token(tmp_path_factory) -> Iterator[str]:
    """The token of an identity, for the collector that is called: one on an embedded log."""
    home = tmp_path_factory.mktemp("home")
    limits = CollectorLimits(rate=Rate(0, 0))
    with (
        LogUnderTest(home).writer() as writer,
        closing(IdentityRegistry(home / "identities.sqlite")) as identities,
    ):
        token = identities.create("payments").token
        collector.app = collector_app(writer, None, identities=identities, limits=limits)
        yield token


@schema.parametrize()
def test_every_answer_is_as_the_document_says(case: Case, token):
    """Bodies that fit the document and bodies that do not get a documented answer."""
    # That a body says it is gzip, or protobuf, does not make it so: these are refused with reason.
    is_free = case.path == "/v1/events" and case.headers.get("Content-Encoding") != "gzip"
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=[] if is_free else [positive_data_acceptance],
    )
