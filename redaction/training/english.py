"""English words, dates and times."""

from __future__ import annotations

from functools import cached_property

from redaction.training.source import Source


class English(Source):
    """Draws words that are nobody's name, and times."""

    def word(self, most: int = 20_000) -> str:
        """Return an English word that is not mainly a name; frequent ones come more often."""
        return str(self.words[int(self.rng.random() ** 2.2 * min(most, len(self.words)))])

    def small_word(self) -> str:
        """Return an English word as it stands inside a sentence, also one that can be a name."""
        pool = self.small_words
        share = self.rng.random()
        return str(pool[int((share if self.chance(0.15) else share**2.5) * len(pool))])

    @cached_property
    def words(self) -> list[str]:
        """English words, the frequent ones first, without those that are often names."""
        often = {name for name, count in self._name_counts("first", "last").items() if count >= 5}
        return [word for word in self.small_words if word not in often][60:30_000]

    @cached_property
    def small_words(self) -> list[str]:
        """English words, less those that are nothing but names."""
        vocabulary = self.vocabulary
        firsts = {name for name, count in self._name_counts("first").items() if count >= 8}
        lasts = {name.lower() for name in self.lists["people"]["en_US"]["last"]}
        words = set(self.lists["words"])
        lasts = {w for w in lasts if not words & {f"{w}ed", f"{w}ing", f"{w}er", f"{w}ly"}}
        places = {name.lower() for name in self.lists["cities"][:8_000]}
        places |= {name.lower() for key in ("countries", "regions") for name in self.lists[key]}
        others = {
            w.lower() for key in ("demonyms", "faiths", "months", "days") for w in vocabulary[key]
        }
        names = firsts | lasts | places | others
        names -= set(vocabulary["names_that_are_words"])
        return [w for w in self.lists["words"][:50_000] if w not in names and len(w) > 1]

    def _name_counts(self, *parts: str) -> dict[str, int]:
        """Return in how many countries each of the names is one."""
        counts: dict[str, int] = {}
        for locale in self.lists["people"].values():
            for name in {name.lower() for part in parts for name in locale[part]}:
                counts[name] = counts.get(name, 0) + 1
        return counts

    def month(self) -> str:
        """Return a month's name, whole or short."""
        name = self.one_of("months")
        return name if self.chance(0.65) else name[:3]

    def day(self) -> str:
        """Return a day of the week."""
        return self.one_of("days")

    def date(self, first: int = 1970, last: int = 2030) -> str:
        """Return a day between two years, in one of many notations."""
        year, month = self.rng.randint(first, last), self.rng.randint(1, 12)
        day = self.rng.randint(1, 28)
        name = self.vocabulary["months"][month - 1]
        name = name if self.chance(0.6) else name[:3]
        ending = self.pick(("", "", "st" if day in (1, 21) else "th"))
        notations = (
            f"{year}-{month:02}-{day:02}",
            f"{year}-{month:02}-{day:02}",
            f"{month:02}/{day:02}/{year}",
            f"{day:02}.{month:02}.{year}",
            f"{day}/{month}/{year % 100:02}",
            f"{name} {day}{ending}, {year}",
            f"{day} {name} {year}",
            f"{name} {day}{ending} {year}",
            f"{day}-{name}-{year}",
            f"{day}{ending} of {name} {year}",
            f"{month}/{day}/{year}",
            f"{year}/{month:02}/{day:02}",
            f"{day:02}-{month:02}-{year}",
            f"{year}{month:02}{day:02}" if first < 1970 else f"{name} {day}",
        )
        return self.pick(notations)

    def time_word(self) -> str:
        """Return a day of the week, a month with its year, a year, a day of a month."""
        times = (
            self.day(),
            f"{self.month()} {self.rng.randint(1950, 2030)}",
            f"{self.month()} {self.rng.randint(1950, 2030)}",
            self.month(),
            str(self.rng.randint(1900, 2030)),
            str(self.rng.randint(1900, 2030)),
            f"{self.month()} {self.rng.randint(1, 28)}",
            f"{self.rng.randint(1, 28)} {self.month()}",
            self.date(),
            f"{self.rng.randint(1, 12):02}/{self.rng.randint(20, 40)}",
            f"{self.day()}, {self.date()}",
        )
        return self.pick(times)
