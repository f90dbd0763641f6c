"""Sentences, mails, forms and records, made from templates and the forms of names.

A template is a line: `[a|b|]` is one of several, `{slot}` is filled, `\\n` begins a new line. The
templates stand in `templates/`, one register a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from redaction.training.organizations import Organizations
from redaction.training.places import Piece
from redaction.training.slots import plain_slots

_FOLDER: Final = Path(__file__).with_name("templates")
_SLOT: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_LABELS: Final = {
    "p": "PER",
    "full": "PER",
    "first": "PER",
    "last": "PER",
    "title": "TITLE",
    "occ": "TITLE",
    "city": "LOC",
    "country": "LOC",
    "region": "LOC",
    "street": "ADDR",
    "street_name": "ADDR",
    "unit": "ADDR",
    "box": "ADDR",
    "zip": "ZIP",
    "org": "ORG",
    "coin": "ORG",
    "nat": "NRP",
    "age": "AGE",
    "dob": "DOB",
    "date": "DATE",
    "time": "DATE",
    "month": "DATE",
    "day": "DATE",
    "year": "DATE",
    "phone": "PHONE",
    "card": "CARD",
}


def read_templates() -> dict[str, list[str]]:
    """Return the templates of each register."""
    return {
        path.stem: [line for line in path.read_text("utf-8").splitlines() if line]
        for path in sorted(_FOLDER.glob("*.txt"))
    }


class Writer:
    """Fills templates.

    Args:
        forms: what slots are filled with.
    """

    def __init__(self, forms: Organizations) -> None:
        self.forms = forms
        self.fillers: dict[str, Callable[[], str]] = {
            "p": forms.person,
            "full": forms.full,
            "first": forms.first,
            "last": forms.last,
            "title": forms.title,
            "city": forms.city,
            "country": forms.country,
            "region": forms.region,
            "street": forms.street,
            "street_name": forms.street_name,
            "unit": forms.unit,
            "box": forms.box,
            "zip": forms.zip,
            "org": forms.organization,
            "coin": forms.coined,
            "nat": forms.nationality,
            "age": lambda: str(forms.rng.randint(1, 99)),
            "dob": lambda: forms.date(1925, 2012),
            "date": lambda: forms.date(2012, 2032),
            "time": forms.time_word,
            "month": forms.month,
            "day": forms.day,
            "year": lambda: str(forms.rng.randint(1890, 2030)),
            "occ": lambda: str(forms.pick(forms.lists["occupations"])),
            "phone": lambda: forms.number_like("phones"),
            "card": lambda: forms.number_like("cards"),
            **plain_slots(forms),
        }

    def fill(self, template: str) -> list[Piece]:
        """Return a filled template as pieces with their labels."""
        line = self._choose(template).replace("\\n", "\n").replace("\\t", "\t")
        pieces: list[Piece] = []
        at = 0
        for slot in _SLOT.finditer(line):
            pieces.append((line[at : slot.start()], None))
            at = slot.end()
            name = slot[1]
            if name == "addr":
                pieces += self.forms.address()
            elif name in self.fillers:
                pieces.append((self.fillers[name](), _LABELS.get(name)))
            else:
                pieces.append((slot[0], None))
        return [*pieces, (line[at:], None)]

    def _choose(self, template: str) -> str:
        """Return a template with one of each `[a|b]` chosen, also of those inside another.

        Brackets without a bar inside are text.
        """
        out: list[list[list[str]]] = [[[""]]]
        for character in template:
            if character == "[":
                out.append([[""]])
            elif character == "|" and len(out) > 1:
                out[-1].append([""])
            elif character == "]" and len(out) > 1:
                options = out.pop()
                if len(options) == 1:
                    chosen = f"[{''.join(options[0])}]"
                else:
                    chosen = "".join(self.forms.pick(options))
                out[-1][-1].append(chosen)
            else:
                out[-1][-1].append(character)
        return "".join(out[0][0])
