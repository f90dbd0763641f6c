"""A short run of kills, seeded: nothing that was recorded or acknowledged is missing or doubled."""

from __future__ import annotations

import pytest

from brokers import BrokerError, do_without_kafka
from chaos import Chaos


@pytest.mark.kafka
def test_whoever_is_killed_nothing_is_lost_or_doubled(tmp_path):
    """Everybody is killed, stopped or cut off; every event is in the lake once, or declared."""
    run = Chaos(tmp_path, seed=20260504, consumers=2)
    try:
        outcome = run.run(seconds=30)
    except BrokerError as error:
        if error.status != 2:
            raise
        do_without_kafka(error)
    assert outcome.wrong == []
    assert sum(outcome.kills.values()) >= 5
    assert outcome.recorded > 500
    assert outcome.acknowledged > 0
