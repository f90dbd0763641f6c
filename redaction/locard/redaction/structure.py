"""Where a text says by its form what a value is: lines with keys, tables, markup, queries.

The name that stands before a value, or above it in a table, is worth as much as the key of a JSON
object. Values in the query of an address are written with percent signs, which hide them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, islice
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_NAME: Final = r"[A-Za-z][\w.-]{0,40}(?: [\w.-]{1,20}){0,3}"
# A key, in quotes or emphasised, a colon or an equals sign, and the rest of the line.
_LINE: Final = re.compile(
    rf"^[ \t>*#-]{{0,40}}[\"'`*_]{{0,2}}({_NAME})[\"'`*_]{{0,2}} {{0,8}}[:=][*]{{0,2}}[ \t]{{0,8}}"
    r"[\"'`]?([^\s\"'`][^\n]{0,400})$",
    re.MULTILINE,
)
_QUOTED: Final = re.compile(
    rf"([\"'])({_NAME})\1 {{0,2}}[:=]>? {{0,2}}([\"'])((?:(?!\3)[^\\\n]){{1,400}})\3"
)
# What an element holds, and what an attribute of one is: each name without its prefix.
_ELEMENT: Final = re.compile(
    r"<(?:\w{1,40}:)?([A-Za-z][\w.-]{0,40})(?: [^<>\n]{0,400})?>([^<>\n]{1,400})</"
)
_ATTRIBUTE: Final = re.compile(
    r"(?<=[\s\"'])(?:\w{1,40}:)?([A-Za-z][\w.-]{0,40})=([\"'])((?:(?!\2)[^<>\n]){1,400})\2"
)
_PARAMETER: Final = re.compile(
    r"(?:^|[?&;])([A-Za-z_][\w.\[\]-]{0,60})=([^&;#\s\"'<>|\\]{1,2000})", re.MULTILINE
)
_MARKDOWN_RULE: Final = re.compile(
    r"^[ \t]*\|?(?:[ \t]*:?-{3,}:?[ \t]*\|)++[ \t:|-]*$", re.MULTILINE
)
_CELLS: Final = {
    mark: re.compile(rf'"((?:[^"\n]|""){{0,400}})"(?={mark}|$)|([^{mark}\n]*)')
    for mark in (r"\|", ",", ";", "\t")
}
_HEADER: Final = re.compile(r"[A-Za-z][\w /().-]{0,39}")
_SPACE_AND_QUOTES: Final = " \t\r,;\"'`*"
_MOST_PIECES: Final = 2_000  # of one text; the rest is looked through as text alone
_FEWEST_CELLS: Final = 2
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENCODED: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+")


class Piece(NamedTuple):
    """A value within a text, and what it stands under.

    Args:
        start: half-open range of characters.
        end: see `start`.
        words: of its key, in lower case.
    """

    start: int
    end: int
    words: tuple[str, ...]


def pieces(text: str) -> Iterator[Piece]:
    """Yield the values whose names the text gives, at most 2,000; they may overlap."""
    found = chain(_lines(text), _quoted(text), _parameters(text), _elements(text), _tables(text))
    return islice(found, _MOST_PIECES)


@lru_cache(4096)
def words_of(key: str) -> tuple[str, ...]:
    """Return the lower-case words of a key: `customerPhone_no` gives customer, phone, no."""
    return tuple(word.lower() for word in _WORD.findall(key[:200]))


class Decoded(NamedTuple):
    """What a text means, and for each of its characters, and its end, where that was written."""

    text: str
    offsets: Sequence[int]


def decoded(text: str) -> Decoded | None:
    """Return a text with the queries of addresses in plain; `None` where none is encoded.

    Bytes that are no UTF-8 stay as they were written.
    """
    if "=" not in text or ("%" not in text and "+" not in text):
        return None
    written = [
        code
        for value in _PARAMETER.finditer(text)
        # A plus is a blank in a query alone: elsewhere it may be a sign of base64.
        for code in (_ENCODED if value[0][0] in "?&" else _PERCENT).finditer(text, *value.span(2))
    ]
    if not written:
        return None
    characters: list[str] = []
    offsets: list[int] = []
    position = 0
    for code in written:
        start, end = code.span()
        offsets += range(position, start)
        meaning = _meaning(code[0])
        characters += [text[position:start], meaning]
        if code[0] == "+" or meaning == code[0]:
            offsets += range(start, end)
        else:
            offsets += accumulate((3 * len(c.encode()) for c in meaning[:-1]), initial=start)
        position = end
    offsets += range(position, len(text) + 1)
    return Decoded("".join([*characters, text[position:]]), offsets)


def _meaning(written: str) -> str:
    if written == "+":
        return " "
    try:
        return bytes.fromhex(written.replace("%", "")).decode()
    except UnicodeDecodeError:
        return written


def _lines(text: str) -> Iterator[Piece]:
    for match in _LINE.finditer(text) if ":" in text or "=" in text else ():
        yield from _piece(text, match.start(2), match.end(2), match[1])


def _quoted(text: str) -> Iterator[Piece]:
    for match in _QUOTED.finditer(text) if "'" in text or '"' in text else ():
        yield Piece(*match.span(4), words_of(match[2]))


def _parameters(text: str) -> Iterator[Piece]:
    for match in _PARAMETER.finditer(text) if "=" in text else ():
        yield Piece(*match.span(2), words_of(match[1]))


def _elements(text: str) -> Iterator[Piece]:
    if "<" not in text or ">" not in text:
        return
    for match in _ELEMENT.finditer(text):
        yield from _piece(text, *match.span(2), match[1])
    for match in _ATTRIBUTE.finditer(text):
        yield Piece(*match.span(3), words_of(match[1]))


def _piece(text: str, start: int, end: int, key: str) -> Iterator[Piece]:
    """Yield the value without the quotes and marks around it, if there is any."""
    while end > start and text[end - 1] in _SPACE_AND_QUOTES:
        end -= 1
    while start < end and text[start] in _SPACE_AND_QUOTES:
        start += 1
    if start < end:
        yield Piece(start, end, words_of(key))


def _tables(text: str) -> Iterator[Piece]:
    if "\n" not in text:
        return
    done = 0
    for rule in _MARKDOWN_RULE.finditer(text):
        above = text.rfind("\n", 0, max(rule.start() - 1, 0)) + 1
        if above >= done:
            done = yield from _rows(text, above, rule.start() - 1, rule.end() + 1, r"\|")
    end = text.find("\n")
    for mark in (",", ";", "\t"):
        if text.count(mark, 0, end) >= _FEWEST_CELLS - 1:
            yield from _rows(text, 0, end, end + 1, mark)


def _rows(text: str, start: int, end: int, below: int, mark: str) -> Generator[Piece, None, int]:
    """Yield the cells under a header that stands at this range, and return where the table ends."""
    names = [text[s:e].strip(_SPACE_AND_QUOTES) for s, e in _cells(text, start, end, mark)]
    named = [name for name in names if name]
    if len(named) < _FEWEST_CELLS or not all(_HEADER.fullmatch(name) for name in named):
        return below
    while below < len(text):
        end = text.find("\n", below)
        end = len(text) if end < 0 else end
        cells = list(_cells(text, below, end, mark))
        if len(cells) != len(names):
            break
        for name, (cell_start, cell_end) in zip(names, cells, strict=True):
            if name:
                yield from _piece(text, cell_start, cell_end, name)
        below = end + 1
    return below


def _cells(text: str, start: int, end: int, mark: str) -> Iterator[tuple[int, int]]:
    position = start
    while position <= end:
        match = _CELLS[mark].match(text, position, end)
        if match is None:
            return
        yield match.span(1 if match[1] is not None else 2)
        position = match.end() + 1
