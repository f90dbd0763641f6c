"""Addresses of pages: the same matches as Presidio's patterns, without trying every dot anew.

A match stands in a run of characters that are neither blank nor bracket nor quote, and such a run
has one only where a dot and a top-level domain follow a character of a host. So runs without are
passed over, and in the others the pattern begins no earlier than a host can be long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import regex

_FLAGS: Final = regex.I | regex.M | regex.S
_HEAD: Final = r"(?i)((www\d{0,3}[.])?[a-z0-9.\-]{1,253}[.]"
_TAIL: Final = r"(?:/[^\s()<>\"']*)?)"
_ALTERNATIVES: Final = regex.compile(r"\(\?:(?:\(\?:[^()|]+\)\|)*\(\?:[^()|]+\)\)")
_RUN: Final = regex.compile(r"[^\s()<>\"']++")
_LONGEST_HOST: Final = 253 + len("www999.")


class UrlSearch:
    """The pattern for an address without its scheme.

    Args:
        expression: it, as Presidio has it; `is_known` says that it is this one.
    """

    def __init__(self, expression: str) -> None:
        domains = _domains(expression)
        tree = _tree(domains)
        self._regex = regex.compile(f"{_HEAD}{tree}{_TAIL}", _FLAGS)
        self._domain = regex.compile(f"(?<=[a-z0-9.-])[.]{tree}", _FLAGS)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each match, as `finditer` finds them."""
        position = 0
        while (domain := self._domain.search(text, position)) is not None:
            run = _RUN.match(text, domain.start())
            end = run.end() if run else domain.end()
            begin = max(position, domain.start() - _LONGEST_HOST)
            match = self._regex.search(text, begin, end)
            if match is None or match.start() > domain.start():
                position = domain.start() + 1
                continue
            yield match.span()
            position = match.end()


def is_known(expression: str) -> bool:
    """Say whether this is the pattern that is rewritten here."""
    domains = _domains(expression)
    alternatives = "|".join(f"(?:{domain})" for domain in domains)
    return bool(domains) and expression == f"{_HEAD}(?:{alternatives}){_TAIL}"


def _domains(expression: str) -> list[str]:
    found = _ALTERNATIVES.search(expression)
    if found is None:
        return []
    names = found[0][3:-1].split("|")
    return [name[3:-1] for name in names]


def _tree(domains: list[str]) -> str:
    """Return an expression that matches as the alternatives do, in their order, in fewer steps.

    What begins with an earlier alternative can never match, since all that follows is optional.
    """
    kept: list[str] = []
    seen: set[str] = set()
    for name in domains:
        if not any(name[:length].lower() in seen for length in range(1, len(name) + 1)):
            seen.add(name.lower())
            kept.append(name.lower())
    return _branch(kept)


def _branch(names: list[str]) -> str:
    heads: dict[str, list[str]] = {}
    for name in names:
        heads.setdefault(name[0], []).append(name[1:])
    parts = []
    for head, rests in heads.items():
        # No name is the beginning of another that comes later, so a longer one is tried first.
        inner = _branch([rest for rest in rests if rest])
        parts.append(
            regex.escape(head) + (inner if "" not in rests or not inner else f"(?:{inner})?")
            if len(rests) > 1 or rests[0]
            else regex.escape(head)
        )
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
