"""Samples to train on: text, the words of the key it stands under, and the label of each token."""

from __future__ import annotations

import random
import unicodedata
from typing import Final, NamedTuple

from redaction.training.organizations import Organizations
from redaction.training.places import Piece
from redaction.training.records import Records
from redaction.training.writer import Writer, read_templates

from locard.redaction.names.labels import begin
from locard.redaction.names.tokens import tokens_of

# How often each register comes.
_REGISTERS: Final = {
    "chats": 20,
    "mails": 10,
    "prose": 22,
    "forms": 12,
    "agents": 24,
    "random_contexts": 10,
    "people": 26,
    "service": 28,
}
_MARKED: Final = 0.03
_LINE_MARKS: Final = (
    "> ",
    ">> ",
    "* ",
    "- ",
    "# ",
    "// ",
    "| ",
    "-- ",
    "• ",
    "... ",
    "! ",
    "+ ",
    "\t",
    "    ",
)
_LOWER, _UPPER, _PLAIN, _TYPO = 0.06, 0.02, 0.03, 0.02


class Sample(NamedTuple):
    """One text to train on.

    Args:
        context: the words of the key it stands under; empty for most.
        labels: one for each token, as in `labels.py`.
    """

    text: str
    context: tuple[str, ...]
    tokens: list[str]
    labels: list[int]


class Samples:
    """Makes samples; the same seed makes the same ones, for ever."""

    def __init__(self, seed: int) -> None:
        self.forms = Organizations(random.Random(seed))  # noqa: S311 - repeatable on purpose
        self._writer = Writer(self.forms)
        self._records = Records(self._writer)
        self._templates = read_templates()
        self._registers = [name for name, share in _REGISTERS.items() for _ in range(share)]

    def sample(self) -> Sample:
        """Return the next sample."""
        roll = self.forms.rng.random()
        context: tuple[str, ...] = ()
        if roll < 0.1:
            context, pieces = self._records.bare()
        elif roll < 0.2:
            pieces = self._records.object()
        else:
            pieces = self._document()
        return _labelled(self._disturbed(pieces), context)

    def _document(self) -> list[Piece]:
        count = self.forms.pick((1, 1, 1, 2, 2, 3, 4))
        between = self.forms.pick((" ", " ", "\n", "\n\n"))
        pieces: list[Piece] = []
        for number in range(count):
            register = self._templates[self.forms.pick(self._registers)]
            if number:
                pieces.append((between, None))
            pieces += self._writer.fill(self.forms.pick(register))
        if self.forms.chance(_MARKED):
            mark = self.forms.pick(_LINE_MARKS)
            return [(mark, None), *((_in_lines(text, mark, label)) for text, label in pieces)]
        return pieces

    def _disturbed(self, pieces: list[Piece]) -> list[Piece]:
        roll = self.forms.rng.random()
        if roll < _LOWER:
            return [(text.lower(), label) for text, label in pieces]
        if roll < _LOWER + _UPPER:
            return [(text.upper(), label) for text, label in pieces]
        roll = self.forms.rng.random()
        if roll < _PLAIN:
            return [(_unaccented(text), label) for text, label in pieces]
        if roll < _PLAIN + _TYPO:
            return [(self._mistyped(text), label) for text, label in pieces]
        if roll < _PLAIN + 2 * _TYPO:
            return [(text.lower() if label else text, label) for text, label in pieces]
        return pieces

    def _mistyped(self, text: str) -> str:
        if len(text) < 4 or not self.forms.chance(0.5):
            return text
        at = self.forms.rng.randrange(1, len(text) - 2)
        if not text[at : at + 2].isalpha():
            return text
        swap = self.forms.chance(0.5)
        return text[:at] + (text[at + 1] + text[at] if swap else text[at + 1]) + text[at + 2 :]


def _in_lines(text: str, mark: str, label: str | None) -> Piece:
    """Begin each line with a mark, as quotes, comments and lists do."""
    return (text if label else text.replace("\n", f"\n{mark}"), label)


def _unaccented(text: str) -> str:
    split = unicodedata.normalize("NFD", text)
    return "".join(character for character in split if not unicodedata.combining(character))


def _labelled(pieces: list[Piece], context: tuple[str, ...]) -> Sample:
    text = "".join(piece for piece, _ in pieces)
    tokens = tokens_of(text)
    labels = [0] * len(tokens.texts)
    at, token = 0, 0
    for piece, kind in pieces:
        end = at + len(piece)
        while token < len(labels) and tokens.end(token) <= at:
            token += 1
        inside = 0
        while kind is not None and token < len(labels) and tokens.start(token) < end:
            if text[tokens.start(token)] != "\n" or inside:
                labels[token] = begin(kind) + bool(inside)
                inside += 1
            token += 1
        at = end
    return Sample(text, context, tokens.texts, labels)
