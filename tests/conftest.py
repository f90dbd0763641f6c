"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["brokers", "buckets", "databases"]

# Runs are repeatable: the same examples each time, and no limit that a busy machine could exceed.
settings.register_profile(
    "locard", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("locard")

for name in [name for name in os.environ if name.startswith("LOCARD_")]:
    if name not in ("LOCARD_KAFKA", "LOCARD_REQUIRE", "LOCARD_CACHE"):
        del os.environ[name]  # a developer's own configuration must not change what tests see
