"""People of many countries, and how their names are written."""

from __future__ import annotations

import random
from typing import Final

from redaction.training.english import English

_LATIN_SHARE: Final = 0.93  # of people whose names are written in Latin letters
_FIRST_OTHER_LETTER: Final = "Ͱ"
_ENGLISH: Final = ("en_US", "en_GB", "en", "mimesis-en", "en_IN", "en_NZ", "en_IE")
_ENGLISH_SHARE: Final = 0.35
_FEWEST_NAMES: Final = 40  # of a country; from a handful each would come too often
_INITIALS: Final = "ABCDEFGHIJKLMNOPRSTVW"
# What a whole name looks like, and how often.
_FORMATS: Final = (
    (66, "{first} {last}"),
    (6, "{first} {initial} {last}"),
    (6, "{first} {initial}. {last}"),
    (6, "{first} {second} {last}"),
    (3, "{short}. {last}"),
    (2, "{short}.{initial}. {last}"),
    (3, "{last}, {first}"),
    (3, "{first} {last}{after}"),
    (3, "{first} {maiden} {last}"),
    (2, "{first} {capitals}"),
)
_FORMAT_OF_ROLL: Final = [text for share, text in _FORMATS for _ in range(share)]
_AFTER: Final = (" Jr.", " III", " Sr.", " II", ", Jr.")

Names = dict[str, list[str]]


class People(English):
    """Draws people."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        rich = {
            name: names
            for name, names in sorted(self.lists["people"].items())
            if min(len(names["first"]), len(names["last"])) >= _FEWEST_NAMES
        }
        self._english = [rich[name] for name in _ENGLISH]
        self._latin = [names for names in rich.values() if _is_latin(names)]
        self._others = [names for names in rich.values() if not _is_latin(names)]

    def _country(self) -> Names:
        roll = self.rng.random()
        if roll < _ENGLISH_SHARE:
            return self.pick(self._english)
        return self.pick(self._latin if roll < _LATIN_SHARE else self._others)

    def first(self) -> str:
        """Return a given name."""
        return self.pick(self._country()["first"])

    def last(self) -> str:
        """Return a family name."""
        return self._last(self._country())

    def _last(self, names: Names) -> str:
        name = self.pick(names["last"])
        if self.chance(0.04):
            return f"{self.one_of('particles')} {name}"
        return f"{name}-{self.pick(names['last'])}" if self.chance(0.04) else name

    def full(self) -> str:
        """Return a whole name in one of many forms."""
        names = self._country()
        first, last = self.pick(names["first"]), self._last(names)
        return self.pick(_FORMAT_OF_ROLL).format(
            first=first,
            last=last,
            short=first[:1],
            initial=self.pick(_INITIALS),
            second=self.pick(names["first"]),
            maiden=self._last(names),
            capitals=last.upper(),
            after=self.pick(_AFTER),
        )

    def person(self) -> str:
        """Return a name, whole or in part."""
        roll = self.rng.random()
        return self.full() if roll < 0.6 else self.first() if roll < 0.85 else self.last()

    def title(self) -> str:
        """Return what is put before a name."""
        return self.one_of("titles" if self.chance(0.9) else "more_titles")

    def nationality(self) -> str:
        """Return a nationality, a people, a faith or a political group."""
        roll = self.rng.random()
        if 0.7 <= roll < 0.88:
            name = str(self.pick(self.lists["nationalities"]))
        else:
            name = self.one_of("demonyms" if roll < 0.7 else "faiths")
        return name.lower() if self.chance(0.08) else name

    def user(self) -> str:
        """Return the name of an account."""
        first, last = (name.lower().replace(" ", "") for name in (self.first(), self.last()))
        forms = (
            f"{first}.{last}",
            f"{first}_{last}_{self.digits(3, 4)}",
            f"{first[:1]}{last}",
            f"{first}{self.digits(1, 4)}",
            f"{self.word()}{self.digits(1, 3)}",
        )
        return self.pick(forms)


def _is_latin(names: Names) -> bool:
    return names["last"][len(names["last"]) // 2][0] < _FIRST_OTHER_LETTER
