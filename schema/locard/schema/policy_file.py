"""Policies that people write, as TOML files: read, checked, and refused place by place."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from locard.schema.errors import CannotContinue

Policy = TypeVar("Policy")


def read_policy_file(
    path: Path, name: str, make: Callable[[dict[str, Any]], Policy], advice: str
) -> Policy:
    """Return the policy in a file.

    Args:
        name: what an error calls it, such as `redaction policy`.
        make: the policy of the file's members; raises `ValidationError` where they are none.
        advice: what follows from a file that cannot be read, and what to do.

    Raises:
        CannotContinue: it cannot be read, or says something that is no policy; the message names
            each place and no value.
    """
    try:
        return make(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CannotContinue(
            f"the {name} {path} cannot be read: {error.strerror}; {advice}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CannotContinue(f"the {name} {path} is no TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc']) or 'it'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise CannotContinue(f"the {name} {path} is refused: {faults}") from error
