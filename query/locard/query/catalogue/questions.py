"""The catalogue: which questions there are and what they need. Read from `questions.toml` once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias

from locard.query.moments import moment
from locard.schema import CannotContinue

Value: TypeAlias = str | int | datetime | None
_MOST: Final = 1_000_000


@dataclass(frozen=True)
class Parameter:
    """What a question can be asked with.

    Args:
        default: what counts where none is given.
    """

    name: str
    type: Literal["text", "time", "number"]
    help: str
    default: int | None = None


@dataclass(frozen=True)
class Question:
    """One question of the catalogue.

    Args:
        number: as in the published lists, from 1 to 22.
        asks: the question in words.
        needs: parameters that have to be given.
        one_of: parameters of which at least one has to be given.
        sql: the statement; `None` where it stands on code.
        stands_on: what else it stands on.
    """

    number: int
    name: str
    asks: str
    needs: tuple[Parameter, ...]
    one_of: tuple[Parameter, ...]
    optional: tuple[Parameter, ...]
    sql: str | None = field(repr=False)
    stands_on: str | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that can be given."""
        return (*self.needs, *self.one_of, *self.optional)

    def bound(self, given: Mapping[str, str | None], now: datetime) -> dict[str, Value]:
        """Return a value for each parameter, as the statement takes them.

        Args:
            given: as people write them, by name; see `moment` for times.

        Raises:
            CannotContinue: one is missing, is not of this question, or cannot be read.
        """
        told = {name: text for name, text in given.items() if text is not None}
        if unknown := sorted(told.keys() - {p.name for p in self.parameters}):
            names = ", ".join(p.name for p in self.parameters) or "none"
            raise CannotContinue(
                f"question {self.name} has no parameter {unknown[0]}; it has: {names}"
            )
        for parameter in self.needs:
            if parameter.name not in told:
                raise CannotContinue(
                    f"question {self.name} needs {parameter.name}: {parameter.help}"
                )
        if self.one_of and not any(parameter.name in told for parameter in self.one_of):
            names = " or ".join(parameter.name for parameter in self.one_of)
            raise CannotContinue(f"question {self.name} needs {names}")
        return {p.name: _value(p, told.get(p.name), now) for p in self.parameters}


@cache
def catalogue() -> Mapping[str, Question]:
    """Return the questions by their names, in the order of their numbers."""
    told = tomllib.loads(files(__package__).joinpath("questions.toml").read_text("utf-8"))
    known = {name: Parameter(name, **rest) for name, rest in told["parameters"].items()}
    return {
        question.name: question for question in (_question(one, known) for one in told["question"])
    }


def question(given: str) -> Question:
    """Return the question of this name or number.

    Raises:
        CannotContinue: there is none.
    """
    for name, found in catalogue().items():
        if given.lower() in (name, str(found.number), f"q{found.number}"):
            return found
    raise CannotContinue("there is no such question; `locard ask` lists those there are")


def _question(told: Mapping[str, Any], known: Mapping[str, Parameter]) -> Question:
    def parameters(name: str) -> tuple[Parameter, ...]:
        return tuple(known[one] for one in told.get(name, ()))

    return Question(
        number=told["number"],
        name=told["name"],
        asks=told["asks"],
        needs=parameters("needs"),
        one_of=parameters("one_of"),
        optional=parameters("optional"),
        sql=told["sql"].strip() if "sql" in told else None,
        stands_on=told.get("stands_on"),
    )


def _value(parameter: Parameter, text: str | None, now: datetime) -> Value:
    if text is None:
        return parameter.default
    if parameter.type == "time":
        try:
            return moment(text, now, is_end=parameter.name == "until")
        except CannotContinue as error:
            raise CannotContinue(f"{parameter.name}: {error}") from None
    if parameter.type == "number":
        if not text.isascii() or not text.isdigit() or int(text) > _MOST:
            raise CannotContinue(f"{parameter.name} is a whole number from 0 to {_MOST:,}")
        return int(text)
    return text
