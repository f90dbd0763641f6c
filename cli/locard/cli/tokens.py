"""The tokens that callers of the collector and of the API have to present."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

import click
from pydantic import SecretStr

from locard.cli.settings import Settings
from locard.schema import CannotContinue

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[!-~]{16,}")  # what a header can carry, and nobody can guess


def shared_token(settings: Settings) -> tuple[str | None, str]:
    """Return the token that any sender of events may present, and where a person finds it.

    It is `None` where only the tokens of identities are accepted.
    """
    if settings.collector_shared_token == "refused":  # noqa: S105 - a choice, not a token
        return None, "the tokens are those of `locard identity list`"
    return _token(settings, "collector", settings.collector_token)


def api_token(settings: Settings) -> tuple[str, str]:
    """Return the token that readers of the lake have to present, and where a person finds it.

    It is another than the collector's: who may record must not be able to read what others did.
    """
    return _token(settings, "api", settings.api_token)


def _token(settings: Settings, service: str, given: SecretStr | None) -> tuple[str, str]:
    """Return the token that is configured, else the one in `keys/<service>-token` of the home.

    The file is made with random bytes, readable by its owner alone, where there is none.

    Raises:
        CannotContinue: the token is too short for one, or the file cannot be made or read.
    """
    variable = f"LOCARD_{service.upper()}_TOKEN"
    path = settings.home / "keys" / f"{service}-token"
    if given is not None:
        token, origin = given.get_secret_value(), variable
    else:
        token, origin = _token_in_file(path, service, variable), str(path)
    if not _TOKEN.fullmatch(token):
        raise CannotContinue(
            f"the token in {origin} is not at least 16 characters of ASCII without spaces; "
            "set a long random one, or remove it and one is made"
        )
    return token, f"the token is in {origin}"


def _token_in_file(path: Path, service: str, variable: str) -> str:
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_token(path)
            click.echo(f"a token for the {service} was made in {path}", err=True)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CannotContinue(
            f"the token in {path} cannot be read or made: {reason}; correct its permissions, or "
            f"set {variable}"
        ) from error


def _make_token(path: Path) -> None:
    """Write the file so that nobody ever sees half of it, and whoever is second loses."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(new)
    except FileExistsError:
        return  # another process was faster; its token counts
    finally:
        new.unlink()
