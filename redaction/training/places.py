"""Towns, countries, streets and whole addresses, in the ways of many countries."""

from __future__ import annotations

from typing import Final

from redaction.training.people import People

Piece = tuple[str, str | None]

_BETWEEN_LINES: Final = (", ", ", ", ", ", "\n", "\n", " ", "\n ", "\n\n")


class Places(People):
    """Draws places. An address is pieces: texts, and the label of what they name or `None`."""

    def city(self) -> str:
        """Return a town; the large ones come more often."""
        cities = self.lists["cities"]
        if self.chance(0.25):
            name = str(self.pick(self.lists["towns"]))
        else:
            name = str(cities[int(self.rng.random() ** 2 * len(cities))])
        return name.upper() if self.chance(0.08) else name

    def country(self) -> str:
        """Return a country."""
        if self.chance(0.25):
            return self.one_of("countries_common")
        return str(self.pick(self.lists["countries"]))

    def region(self) -> str:
        """Return a state or a province."""
        name = str(self.pick(self.lists["regions"]))
        return "Bavaria" if name.isdigit() else name

    def zip(self) -> str:
        """Return a postal code."""
        return self.number_like("zips")

    def unit(self) -> str:
        """Return such as `Apt. 4B`."""
        kind, number = self.one_of("units"), self.number_like("unit_numbers")
        return f"#{number}" if kind == "#" else f"{kind} {number}"

    def box(self) -> str:
        """Return a post box, also of the armed forces."""
        return self.number_like("boxes").replace("{}", self.last())

    def street(self) -> str:
        """Return a street with its house number."""
        roll = self.rng.random()
        number = self.number_like("house_numbers")
        if self.chance(0.06):
            number += self.pick("abcABC")
        if roll < 0.45:
            return f"{number} {self.english_street()}"
        name = self.foreign_street()
        if roll < 0.7:
            return f"{name} {number}"
        if roll < 0.85:
            return f"{number} {name}"
        return f"{number} {name} {self.digits(1, 3)}" if roll < 0.93 else f"{number}, {name}"

    def street_name(self) -> str:
        """Return a street without a number."""
        return self.english_street() if self.chance(0.6) else self.foreign_street()

    def english_street(self) -> str:
        """Return such as `North Oak Street`."""
        makers = (self.last, self.first, self._nature, self._ordinal, self._listed_street)
        name = self.pick(makers)()
        if self.chance(0.12):
            name = f"{name} {self._nature()}"
        roll = self.rng.random()
        if roll < 0.75:
            suffix = self.one_of(
                "street_suffixes_common" if roll < 0.5 else "street_suffixes_short"
            )
        else:
            suffix = str(self.pick(self.lists["street_suffixes"]))
        street = f"{name} {suffix}"
        if self.chance(0.1):
            street = f"{self.one_of('directions')} {street}"
        return f"{street} {self.one_of('directions')}" if self.chance(0.04) else street

    def foreign_street(self) -> str:
        """Return such as `Rua das Flores`, `Lindenweg`, `Kossuth utca`."""
        roll = self.rng.random()
        if roll < 0.4:
            return self._listed_street()
        if roll < 0.6:
            name = self.pick((self.full, self.last, self.city))()
            return f"{self.one_of('street_prefixes_foreign')} {name}"
        if roll < 0.85:
            name = self.pick((self.last, self.city, self.first))()
            return f"{name}{self.one_of('street_suffixes_foreign')}"
        return self.pick((self.full, self.city, self.last))()

    def _listed_street(self) -> str:
        return str(self.pick(self.lists["streets"])).strip()

    def _nature(self) -> str:
        return self.one_of("nature")

    def _ordinal(self) -> str:
        number, names = self.rng.randint(1, 120), self.vocabulary["ordinals"]
        if number <= len(names) and self.chance(0.5):
            return str(names[number - 1])
        is_teen = number % 100 in (11, 12, 13)
        ending = "th" if is_teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending}"

    def address(self) -> list[Piece]:
        """Return a whole address, on one line or several."""
        if self.chance(0.06):
            return [(self.box(), "ADDR")]
        between = self.pick(_BETWEEN_LINES)
        pieces: list[Piece] = [(self._house(between), "ADDR")]
        if self.chance(0.12):
            return pieces
        return [*pieces, (between, None), *self._town(between)]

    def _house(self, between: str) -> str:
        street = self.street()
        if self.chance(0.6):
            return street
        unit = self.box() if self.chance(0.03) else self.unit()
        parts = [unit, street] if self.chance(0.1) else [street, unit]
        return self.pick((", ", " ", between)).join(parts)

    def _town(self, between: str) -> list[Piece]:
        """Return the town with its code, its state and its country, of which some are left out."""
        city: Piece = (self.city(), "LOC")
        code: Piece = (self.zip(), "ADDR")
        blank: Piece = (" ", None)
        roll = self.rng.random()
        if roll < 0.2:
            return [code, blank, city, *self._country_line(between, 0.5)]
        if roll < 0.32:
            return [city, *self._country_line(between, 0.5)]
        if roll < 0.7:
            is_code = self.chance(0.6)
            state = str(self.pick(self.lists["states"])) if is_code else self.region()
            comma = self.pick((", ", ", ", " "))
            pieces: list[Piece] = [
                city,
                (comma, None),
                (state, "ADDR" if is_code else "LOC"),
                blank,
                code,
            ]
            return [*pieces, *self._country_line(between, 0.3)]
        if roll < 0.85:
            return [city, blank, code, *self._country_line(between, 0.5)]
        return [city, (between, None), (self.country(), "LOC"), blank, code]

    def _country_line(self, between: str, share: float) -> list[Piece]:
        return [(between, None), (self.country(), "LOC")] if self.chance(share) else []
