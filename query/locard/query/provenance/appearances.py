"""Where a value of an action appeared before. Pure.

A value is found in a passage if it stands there as a whole word, however it is written (see
`writings`), or if the passage has a run of eight of its words (a partial copy). Values that say
nothing, such as `true` or `5`, are looked for nowhere: they are everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

from locard.query.provenance.passages import Passage, leaves
from locard.query.provenance.writings import Sought, plain, writings

How: TypeAlias = Literal["whole", "part"]

_RUN: Final = 8  # words in a row that no two writers choose by chance
_SHORTEST: Final = 3
_MOST_PIECES: Final = 50
_TELLING: Final = re.compile(
    r"‹[A-Z_]+:[^›\s]{1,80}›"  # a pseudonym
    # Begun only where a run begins, and bounded: else a long run is read once for each of its
    # characters (RFC 5321 and RFC 1035 have no longer names).
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}"
    r"|(?:https?://)?(?<![\w-])(?:[\w-]{1,63}\.){1,10}[a-z]{2,63}(?![\w-])(?:/[^\s\"'<>)]*)?"
    r"|\b(?=[a-z0-9]{0,64}[0-9])[a-z0-9]{8,}\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?")
_ADDRESS: Final = re.compile(
    r"(?:https?://)?(?:www\.)?((?:[\w-]+\.)+[a-z]{2,}(?:[/?#][^\s]*)?)", re.IGNORECASE
)
_WORDS_OF_NO_WEIGHT: Final = frozenset(
    ("true", "false", "null", "none", "yes", "no", "me", "all", "any", "day", "month", "year")
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value among the arguments of an action.

    Args:
        path: where it stands, such as `arguments.recipient`.
        is_piece: it is an address, token or number within a longer text.
    """

    path: str
    text: str = field(repr=False)
    is_piece: bool = False

    @property
    def is_address(self) -> bool:
        """Whether it names a place or party outside: a URL, a mail address, a pseudonym."""
        return bool(_TELLING.fullmatch(self.text))


@dataclass(frozen=True, slots=True)
class Appearance:
    """A value in a passage: all of it, or a part that is too long to be chance."""

    passage: Passage
    how: How


def values_of(arguments: Any) -> list[Value]:
    """Return the values among the arguments of an action that can tell where they are from.

    Args:
        arguments: as JSON has them, already read.
    """
    found: dict[tuple[str, str], Value] = {}
    for path, text in leaves(arguments, "arguments"):
        if says_something(text):
            found.setdefault((path, plain(text)), Value(path, text))
        for piece in telling_pieces(text):
            found.setdefault((path, plain(piece)), Value(path, piece, is_piece=True))
    return list(found.values())


def telling_pieces(text: str) -> Iterator[str]:
    """Yield the addresses, tokens and long numbers within a text, of a huge one the first."""
    for found in islice(_TELLING.finditer(text), _MOST_PIECES):
        yield found.group().rstrip(".,;:")


def says_something(text: str) -> bool:
    """Return whether a value is rare enough that finding it elsewhere means anything."""
    told = plain(text)
    if told in _WORDS_OF_NO_WEIGHT:
        return False
    if _NUMBER.fullmatch(told):
        return len(told.strip("-").replace(",", "").rstrip("0").rstrip(".")) >= _SHORTEST
    return len(told) >= _SHORTEST


def appearances(value: Value, passages: Iterable[Passage]) -> Iterator[Appearance]:
    """Yield where the value stands among the passages, in their order."""
    runs = _runs(plain(value.text))
    for passage in passages:
        if is_in(value, passage):
            yield Appearance(passage, "whole")
        elif any(one.has(run) for one in passage.writings for run in runs):
            yield Appearance(passage, "part")


def is_in(value: Value, passage: Passage) -> bool:
    """Return whether the value stands in a passage, however it is written."""
    sought = _sought(value.text)
    return any(one.has(form) for one in passage.writings for form in sought)


def sort_of_address(text: str) -> str:
    """Return what a telling piece is: a type of pseudonym, `mail`, `url` or `number`."""
    if text.startswith("‹"):
        return text[1:].partition(":")[0].upper()
    if "@" in text:
        return "mail"
    return "url" if "." in text else "number"


def stands_in(value: Value, text: str) -> bool:
    """Return whether the value, or an address or token within it, stands in a text."""
    sought = _sought(value.text)
    return any(form.stands_in(one) for one in writings(text) for form in sought)


@lru_cache(maxsize=5_000)
def _sought(text: str) -> list[Sought]:
    """Return the ways in which a value may be written."""
    forms: dict[str, None] = {}
    for written in writings(text):
        forms[written] = None
        if (address := _ADDRESS.fullmatch(written)) and "@" not in written:
            forms[address[1].rstrip("/")] = None
        if _NUMBER.fullmatch(written):
            forms.update(dict.fromkeys(_numbers(written)))
    return [Sought.of(form) for form in forms if len(form) >= _SHORTEST]


def _numbers(text: str) -> Iterator[str]:
    number = float(text.replace(",", ""))
    if abs(number) < 1e15:
        yield from (f"{number:.2f}", f"{number:,.2f}", f"{number:g}" if abs(number) < 1e6 else text)
        if number == int(number):
            yield from (str(int(number)), f"{int(number):,}")


def _runs(text: str) -> Sequence[Sought]:
    words = text.split(" ")
    if len(words) <= _RUN:
        return ()
    step = max(1, len(words) // 200)  # of very long texts enough runs, not all
    runs = (words[n : n + _RUN] for n in range(0, len(words) - _RUN + 1, step))
    return [Sought.of(" ".join(run), may_be_within=True) for run in runs]
