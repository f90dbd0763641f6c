"""Companies, schools, offices and brands."""

from __future__ import annotations

from collections.abc import Callable

from redaction.training.places import Places


class Organizations(Places):
    """Draws organisations."""

    def organization(self) -> str:
        """Return a company, a school, an office, a band."""
        return self.pick(self._makers())().replace("\n", " ")

    def _makers(self) -> tuple[Callable[[], str], ...]:
        one_of, last = self.one_of, self.last
        return (
            lambda: f"{last()} {one_of('legal_forms')}",
            lambda: f"{last()} {one_of('legal_forms')}",
            lambda: f"{last()}, {last()} and {last()}",
            lambda: f"{last()}-{last()}",
            lambda: f"{last()} & {last()}",
            lambda: f"{last()} {one_of('trades')}",
            lambda: f"{self.coined()} {one_of('trades')}",
            lambda: f"{self.coined()} {one_of('legal_forms')}",
            self.coined,
            self.coined,
            lambda: f"{self.word().title()} {one_of('trades')}",
            lambda: f"{self.word().title()} {self.word().title()} {one_of('legal_forms')}",
            lambda: f"{self.city().title()} {one_of('bodies')}",
            lambda: f"{one_of('bodies_of_towns')} of {self.city()}",
            lambda: f"{self.country()} {one_of('bodies')}",
            lambda: str(self.pick(self.lists["organizations"])),
            lambda: str(self.pick(self.lists["organizations"])),
            lambda: f"{self.word().title()} {self.word().title()}",
            lambda: f"{self.word().title()} {self.word().title()} {one_of('trades')}",
            lambda: f"{self.word().title()} & {self.word().title()}",
            lambda: f"{self.word().title()} {one_of('trades')} {one_of('legal_forms')}",
            lambda: f"{last()} {self.word().title()}",
            lambda: f"{last()} {last()} {one_of('trades')}",
            lambda: f"{one_of('demonyms')} {self.word().title()} {one_of('trades')}",
            lambda: f"{self.city().title()} {self.word().title()} {one_of('trades')}",
            lambda: f"{last()}'s {self.word().title()}",
            lambda: "".join(self.pick("ABCDEFGHIJKLMNOPRSTUVW") for _ in range(self.pick((3, 4)))),
        )

    def coined(self) -> str:
        """Return a made-up brand, such as `Cloudfare` or `MapStack`."""
        one, two = self.word(), self.word()
        if len(one) > 7:
            one = one[: self.rng.randint(3, 6)]
        roll = self.rng.random()
        if roll < 0.45:
            return (one + two).capitalize()
        if roll < 0.6:
            return one.capitalize() + two.capitalize()
        if roll < 0.75:
            return f"{one.capitalize()} {two.capitalize()}"
        return f"{one.capitalize()}{self.one_of('brand_endings')}"
