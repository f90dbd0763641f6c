"""Objects of tool calls and rows of data, with keys that say what a value is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from redaction.training.places import Piece
from redaction.training.writer import Writer


class Records:
    """Makes objects whose values are labelled."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.forms = writer.forms
        self._keys: dict[str, list[str]] = self.forms.vocabulary["keys"]
        self._plain_keys: dict[str, list[str]] = self.forms.vocabulary["plain_keys"]

    def key(self, slot: str) -> str:
        """Return a key for such a value, in one of the ways in which programs spell keys."""
        words = str(self.forms.pick(self._keys.get(slot) or self._plain_keys[slot])).split()
        roll = self.forms.rng.random()
        if self.forms.chance(0.12):
            words.insert(0, self.forms.one_of("owners"))
        if roll < 0.65:
            return "_".join(words)
        if roll < 0.85:
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return "-".join(words) if roll < 0.88 else " ".join(word.capitalize() for word in words)

    def bare(self) -> tuple[tuple[str, ...], list[Piece]]:
        """Return a value as it stands alone under its key, and the words of that key."""
        slot = self._slot()
        pieces = self.writer.fill(f"{{{slot}}}")
        return words_of(self.key(slot)), pieces

    def _slot(self) -> str:
        pool = list(self._keys if self.forms.chance(0.5) else self._plain_keys)
        return str(self.forms.pick(pool))

    def object(self) -> list[Piece]:
        """Return an object of a tool call or a result as text."""
        slots = [
            self.forms.one_of("slots_of_people") if self.forms.chance(0.55) else self._slot()
            for _ in range(self.forms.rng.randint(2, 7))
        ]
        pieces = self.forms.pick(_STYLES)(self, slots)
        if self.forms.chance(0.25):
            return [*self.writer.fill(self.forms.one_of("before_records")), *pieces]
        return pieces

    def json(self, slots: list[str]) -> list[Piece]:
        """Return a JSON object, on one line or several."""
        indent = self.forms.pick((None, None, None, 2, 4))
        blank = "\n" + " " * indent if indent else ""
        pieces: list[Piece] = [("{" + blank, None)]
        is_nested = self.forms.chance(0.3)
        if is_nested:
            pieces.append((f'"{self.forms.one_of("parts_of_records")}": {{', None))
        for number, slot in enumerate(slots):
            if number:
                pieces.append(("," + (blank or " "), None))
            pieces.append((f'"{self.key(slot)}": ', None))
            value = self.writer.fill(f"{{{slot}}}")
            if slot == "num" or (slot == "age" and self.forms.chance(0.7)):
                pieces += value
            else:
                escaped = [(json.dumps(t, ensure_ascii=False)[1:-1], kind) for t, kind in value]
                pieces += [('"', None), *escaped, ('"', None)]
        return [*pieces, ("}" * (1 + is_nested), None)]

    def python(self, slots: list[str]) -> list[Piece]:
        """Return the call of a function or an object as a programming language prints it."""
        call = self.forms.chance(0.5)
        pieces: list[Piece] = [(self.forms.coined().split()[0] + "(" if call else "{", None)]
        for number, slot in enumerate(slots):
            key = self.key(slot).replace(" ", "_")
            mark = f"{key}='" if call else f"'{key}': '"
            pieces += [
                (", " * bool(number) + mark, None),
                *self.writer.fill(f"{{{slot}}}"),
                ("'", None),
            ]
        return [*pieces, (")" if call else "}", None)]

    def lines(self, slots: list[str]) -> list[Piece]:
        """Return a list of keys and values, as in YAML or in what an assistant writes."""
        dash, mark = (
            self.forms.pick(("", "- ", "* ", "  ")),
            self.forms.pick((": ", ": ", " = ", "=", " - ")),
        )
        bold = self.forms.pick(("", "", "**"))
        pieces: list[Piece] = []
        for slot in slots:
            pieces += [
                (f"{dash}{bold}{self.key(slot)}{bold}{mark}", None),
                *self.writer.fill(f"{{{slot}}}"),
                ("\n", None),
            ]
        return pieces


_STYLES: Final[tuple[Callable[[Records, list[str]], list[Piece]], ...]] = (
    Records.json,
    Records.json,
    Records.python,
    Records.lines,
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def words_of(key: str) -> tuple[str, ...]:
    """Return the lower-case words of a key, as the walk through a field makes them."""
    return tuple(word.lower() for word in _WORD.findall(key))
