"""Secrets by the name that they stand under: `"password": "hunter2"`, `api_key=…`. Pure."""

from __future__ import annotations

import re
from typing import Final

API_KEY: Final = "API_KEY"
ACCESS_TOKEN: Final = "ACCESS_TOKEN"  # noqa: S105 - the name of an entity type, as are the others
CLOUD_CREDENTIAL: Final = "CLOUD_CREDENTIAL"
JWT: Final = "JWT"
PASSWORD: Final = "PASSWORD"  # noqa: S105
PRIVATE_KEY: Final = "PRIVATE_KEY"

SECRET_TYPES: Final = frozenset(
    {API_KEY, ACCESS_TOKEN, CLOUD_CREDENTIAL, JWT, PASSWORD, PRIVATE_KEY}
)
"""What must never be told as a token, since whoever has two records could compare them."""

_ALWAYS: Final = {
    ("pw",): PASSWORD,
    ("passwort",): PASSWORD,
    ("db", "pass"): PASSWORD,
    ("user", "pass"): PASSWORD,
    ("admin", "pass"): PASSWORD,
    ("smtp", "pass"): PASSWORD,
    ("password",): PASSWORD,
    ("passwd",): PASSWORD,
    ("pwd",): PASSWORD,
    ("passphrase",): PASSWORD,
    ("passcode",): PASSWORD,
    ("secret",): PASSWORD,
    ("apikey",): API_KEY,
    ("api", "key"): API_KEY,
    ("access", "key"): API_KEY,
    ("account", "key"): API_KEY,
    ("secret", "key"): API_KEY,
    ("signing", "key"): API_KEY,
    ("encryption", "key"): API_KEY,
    ("private", "key"): PRIVATE_KEY,
}
# These also name what is no secret, such as the next page: the value has to look like one.
_IF_RANDOM: Final = {
    ("token",): ACCESS_TOKEN,
    ("authorization",): ACCESS_TOKEN,
    ("credential",): ACCESS_TOKEN,
    ("credentials",): ACCESS_TOKEN,
    ("cookie",): ACCESS_TOKEN,
    ("session", "id"): ACCESS_TOKEN,
}
# And these: a place on a map is a pin as well, and a postal code a code.
_IF_FEW_DIGITS: Final = {
    ("cvv",),
    ("cvc",),
    ("pin",),
    ("pin", "code"),
    ("security", "code"),
    ("verification", "code"),
    ("otp",),
}
_ALONE: Final = ("pass",)  # which the last word of another name is not: a boarding pass
_ENDINGS: Final = ("password", "passwd", "passphrase")  # of one word to us, as in `PGPASSWORD`

_SCHEME: Final = re.compile(r"(?:Bearer|Basic|Digest|Token) +(?=\S)", re.IGNORECASE)
_LOOKED_AT: Final = 2_000  # characters; a secret is at the beginning
_FEW_DIGITS: Final = re.compile(r"\s*[0-9]{3,8}\s*", re.ASCII)
_RANDOM: Final = re.compile(r"(?:^|\s)(?=\S*[0-9])(?=\S*[A-Za-z])\S{16,}", re.ASCII)
# Said in place of a secret by whoever took it out, or that there is none.
_NO_SECRET: Final = re.compile(
    r"\s*|\W{0,9}(?:x+|none|null|nil|true|false|n/?a|empty|hidden|masked|redacted|required|unknown)\W{0,9}"
    r"|[*•.x-]+|‹.*›",
    re.IGNORECASE | re.DOTALL,
)


_SECRET_WORDS: Final = frozenset(
    word for name in (*_ALWAYS, *_IF_RANDOM, *_IF_FEW_DIGITS, _ALONE) for word in name
)


def may_name_a_secret(words: tuple[str, ...]) -> bool:
    """Say whether a name with these words can be that of a secret, whatever stands under it."""
    return any(word in _SECRET_WORDS or word.endswith(_ENDINGS) for word in words)


def scheme_end(value: str) -> int:
    """Return where a secret begins: behind the scheme of HTTP that it is for, if it names one."""
    scheme = _SCHEME.match(value)
    return scheme.end() if scheme else 0


def secret_type(words: tuple[str, ...], value: str) -> str | None:
    """Return the entity type of a value that is a secret by its name, or `None`.

    Args:
        words: of the name, in lower case, one at least: `("api", "key")` for `apiKey`.
    """
    if words == _ALONE or words[-1].endswith(_ENDINGS):
        return None if _NO_SECRET.fullmatch(value) else PASSWORD
    for length in (2, 1):
        name = words[-length:]
        found = _ALWAYS.get(name)
        if found:
            return None if _NO_SECRET.fullmatch(value) else found
        found = _IF_RANDOM.get(name)
        if found and _RANDOM.search(value[:_LOOKED_AT]):
            return found
        if name in _IF_FEW_DIGITS and _FEW_DIGITS.fullmatch(value[:_LOOKED_AT]):
            return PASSWORD
    return None
