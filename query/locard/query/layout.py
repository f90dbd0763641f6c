"""Text in columns as a terminal shows them: a wide character fills two, a mark none.

What is given here has to be inert already (see `locard.query.inert`): only then does its width
depend on nothing but its characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

_CUT: Final = "…"
_LOOKED_AT: Final = 8  # characters for each column, more than any text that is read needs


def width_of(text: str) -> int:
    """Return how many columns the text fills."""
    return cell_len(text)


def head(text: str, columns: int | None) -> str:
    """Return as much of a text as could show in so many columns, with `…` for what follows.

    A text may have megabytes; this spares making all of it inert. `None` keeps it whole.
    """
    if columns is None or len(text) <= _LOOKED_AT * columns:
        return text
    return text[: _LOOKED_AT * columns] + _CUT


def cut(text: str, columns: int) -> str:
    """Return the text if it fits, else its beginning and `…`, in at most so many columns."""
    if cell_len(text) <= columns:
        return text
    beginning = text[: 2 * columns]
    if cell_len(beginning) < columns:  # it fills little for its length
        beginning = text
    return set_cell_size(beginning, columns - 1) + _CUT if columns > 0 else ""


def cut_middle(text: str, columns: int) -> str:
    """Return the text if it fits, else its beginning, `…` and its end.

    What tells names apart is often at their end.
    """
    if cell_len(text) <= columns:
        return text
    if columns < 5:
        return cut(text, columns)
    end = text[-((columns - 1) // 2) :]  # at most columns - 1 wide, since none fills over two
    return set_cell_size(text, columns - 1 - cell_len(end)) + _CUT + end


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text with spaces up to so many columns; to its left where `right`."""
    spaces = " " * (columns - cell_len(text))
    return spaces + text if right else text + spaces


def shares(wanted: Sequence[int], room: int, least: int) -> list[int] | None:
    """Divide `room` columns among texts that want so many each; the widest give way first.

    Returns:
        the columns of each, or `None` if there is no room for `least` each (or what it wants).
    """
    given = [min(want, least) for want in wanted]
    rest = room - sum(given)
    if rest < 0:
        return None
    # Raise the narrowest together, level by level, as far as the rest goes.
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        growing = [i for i in range(len(wanted)) if given[i] < wanted[i]]
        if not growing or index not in growing:
            continue
        step = min(wanted[index] - given[index], rest // len(growing))
        for i in growing:
            given[i] += step
        rest -= step * len(growing)
    for i in range(len(wanted)):
        more = min(rest, 1) if given[i] < wanted[i] else 0
        given[i] += more
        rest -= more
    return given
