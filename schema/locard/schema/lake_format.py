"""The version of the lake's layout, and whether this program may touch a lake.

The version stands in the Delta table's configuration. A minor version adds; a reader of the same
major version can read whatever a newer minor version wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from locard.schema.errors import CannotContinue

LAKE_FORMAT: Final = "1.0"
LAKE_FORMAT_KEY: Final = "locard.format"


def check_lake_format(configuration: Mapping[str, str | None], where: str) -> None:
    """Return if this program can work with the lake at `where`.

    Args:
        configuration: the Delta table's configuration.
        where: the lake's address, for the message.

    Raises:
        CannotContinue: it is no lake of ours, or of another major version.
    """
    found = configuration.get(LAKE_FORMAT_KEY)
    if found is None:
        raise CannotContinue(
            f"{where} is a Delta table but no Locard lake; name another directory with --home"
        )
    if found.split(".")[0] != LAKE_FORMAT.split(".")[0]:
        raise CannotContinue(
            f"the lake at {where} has format {found} and this program knows {LAKE_FORMAT}; "
            "install the version of Locard that wrote it"
        )
