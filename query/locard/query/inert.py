"""Making hostile text harmless to whoever reads it, without hiding that something was there.

Prompts and results are written by attackers: an escape sequence must not reach the terminal, a
line break must not forge a line, a formula must not start in a spreadsheet, and a character that
changes the direction of text must not turn an account number round. Text that is shown through
`one_line` has none of them; each is shown as what it is, such as `<U+202E>`.

What acts is decided by Unicode category: controls, formatting, surrogates, private use, separators
of lines and paragraphs, and what this Python's Unicode does not know. Nobody can say what a
terminal makes of the last two. Spaces of any width stay.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MOST_MARKS: Final = 4  # on one character; more of them reach into the lines above and below
_MOST_REMEMBERED: Final = 10_000
_SHORT: Final = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x1b": "␛"}

# Invisible although their category says letter or mark: joiners, fillers, selectors of a variant.
_INVISIBLE: Final = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}.union(
        range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
    )
)

# What starts a formula, in every width, and `'` or quotes before it, which some programs drop. A
# cell may be split again at `;`, tabs and line breaks where a spreadsheet's language splits there.
_FORMULA: Final = re.compile(
    r"""(^|[;\t\r\n])(?=[\s"'`‘’“”]*[=+\-@﬩⁺⁻⁼₊₋₌−﹢﹣﹦﹫＝＋－＠])|^(?=[\t\r\n])"""
)


def one_line(text: str) -> str:
    """Return the text as one line in which every active character is shown and none acts."""
    if text.isascii() and text.isprintable():
        return text
    return _thinned(text.translate(_ONE_LINE))


def lines(text: str) -> list[str]:
    """Return the lines of a text, broken at `\\n` alone, each of them inert as by `one_line`."""
    return [one_line(line) for line in text.replace("\r\n", "\n").split("\n")]


def csv_cell(text: str) -> str:
    """Return the text so that no spreadsheet takes any of it for a formula (OWASP: CSV injection).

    An apostrophe stands before what could be one. Tabs and line breaks stay, since a cell may have
    several lines; every other active character is shown as by `one_line`.
    """
    if not (text.isascii() and text.isprintable()):
        text = _thinned(text.replace("\r\n", "\n").translate(_CELL))
    return _FORMULA.sub(r"\1'", text)


class _Shown(dict[int, str]):
    """For each character what is shown for it; found out when it is first met."""

    def __init__(self, kept: str) -> None:
        super().__init__((ord(character), character) for character in kept)

    def __missing__(self, code: int) -> str:
        character = chr(code)
        shown = character
        if _is_active(character):
            shown = _SHORT.get(character) or f"<U+{code:04X}>"
        if len(self) < _MOST_REMEMBERED:  # hostile text may have every character there is
            self[code] = shown
        return shown


def _is_active(character: str) -> bool:
    """Tell whether a character does something, or is something that nobody sees."""
    if ord(character) in _INVISIBLE:
        return True
    # What is not printable has one of the categories that act, or is a space other than U+0020.
    return not character.isprintable() and unicodedata.category(character) != "Zs"


_ONE_LINE: Final = _Shown("")
_CELL: Final = _Shown("\n\t")


def _thinned(text: str) -> str:
    """Show the marks of a character that has more of them than any script needs."""
    if text.isascii() or not any(map(_is_mark, set(text))):
        return text
    shown, marks = [], 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        shown.append(f"<U+{ord(character):04X}>" if marks > _MOST_MARKS else character)
    return "".join(shown)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")
