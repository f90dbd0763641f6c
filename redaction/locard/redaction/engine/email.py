"""E-mail addresses: looked for at each `@` that a domain follows, in time linear in the text.

Presidio's pattern tries every beginning of a long local part anew where no domain follows. Here the
domain is asked for first; then the pattern itself is run on the local part before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import regex

_EXPRESSION: Final = (
    r"\b((([!#$%&'*+\-/=?^_`{|}~\w])|([!#$%&'*+\-/=?^_`{|}~\w]"
    r"[!#$%&'*+\-/=?^_`{|}~\.\w]{0,}[!#$%&'*+\-/=?^_`{|}~\w]))"
    r"[@]\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+)\b"
)
_FLAGS: Final = regex.I | regex.M | regex.S
# Possessive where what follows cannot match what was taken: the same domains, without going back.
_DOMAIN: Final = regex.compile(r"@\w++(?:-++\w++)*+(?:\.\w++(?:-++\w++)*+)++", _FLAGS)
# Backwards from an `@`.
_LOCAL: Final = regex.compile(r"(?r)[!#$%&'*+\-/=?^_`{|}~\.\w]++", _FLAGS)


def is_known(recognizer: Any) -> bool:
    """Say whether its pattern is the one that is rewritten here."""
    patterns = recognizer.patterns
    return (
        len(patterns) == 1
        and patterns[0].regex == _EXPRESSION
        and int(recognizer.global_regex_flags) == int(_FLAGS)
    )


class EmailSearch:
    """The pattern of Presidio's e-mail recognizer."""

    def __init__(self) -> None:
        self._regex = regex.compile(_EXPRESSION, _FLAGS)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each match of the pattern, as `finditer` finds them."""
        position = at = 0
        while (at := text.find("@", at)) >= 0:
            match = None
            local = _LOCAL.match(text, position, at)
            if local and text[at - 1] != "." and _DOMAIN.match(text, at):
                match = self._regex.search(text, local.start())
            if match is None or match.start() > at:
                at = position = at + 1
                continue
            yield match.span()
            at = position = match.end()
