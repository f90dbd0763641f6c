"""What fills the slots of templates that name nobody: words, code, numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redaction.training.organizations import Organizations

_LETTERS_AND_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SMALL_IN_HEADINGS: Final = ("of", "and", "the", "in", "for", "to")


def plain_slots(forms: Organizations) -> dict[str, Callable[[], str]]:
    """Return by its name what fills each slot whose value has no label."""
    return {**_words(forms), **_code(forms), **_numbers(forms)}


def _words(forms: Organizations) -> dict[str, Callable[[], str]]:
    word = forms.word
    small = forms.vocabulary["small_words"]
    known = frozenset(forms.small_words) | frozenset(small)
    pairs = [pair for pair in forms.lists["pairs"] if known.issuperset(pair.split())]

    def run() -> str:
        """Return one word, or two that often stand together."""
        roll = forms.rng.random()
        if roll < 0.5:
            return str(forms.pick(pairs))
        return forms.small_word() if roll < 0.82 else str(forms.pick(small))

    def heading() -> str:
        words = [word(2500) for _ in range(forms.rng.randint(1, 4))]
        if len(words) > 2 and forms.chance(0.4):
            words[1] = forms.pick(_SMALL_IN_HEADINGS)
        return " ".join(w if w in _SMALL_IN_HEADINGS else w.capitalize() for w in words)

    return {
        "w": run,
        "word": word,
        "small": forms.small_word,
        "Cap": lambda: word().capitalize(),
        "CAPS": lambda: word().upper(),
        "Title": heading,
        "sentence": lambda: str(forms.pick(forms.lists["sentences"])),
        "n": lambda: forms.pick(("", "n")),
    }


def _code(forms: Organizations) -> dict[str, Callable[[], str]]:
    word, pick = forms.word, forms.pick
    return {
        "snake": lambda: "_".join(word() for _ in range(forms.rng.randint(1, 3))),
        "tool": lambda: "_".join(word() for _ in range(forms.rng.randint(2, 3))),
        "camel": lambda: word() + word().capitalize(),
        "Camel": lambda: word().capitalize() + word().capitalize(),
        "user": forms.user,
        "email": lambda: (
            f"{forms.user()}@{forms.coined().lower().replace(' ', '')}."
            f"{pick(('com', 'org', 'net', 'de'))}"
        ),
        "url": lambda: (
            f"{pick(('https://', 'www.', ''))}{word()}.{pick(('com', 'org', 'io', 'net'))}"
        ),
        "file": lambda: (
            f"{word()}{pick('_-/')}{word()}.{pick(('py', 'txt', 'json', 'csv', 'pdf', 'md'))}"
        ),
        "hex": lambda: "".join(pick("0123456789abcdef") for _ in range(32)),
        "code": lambda: "".join(pick(_LETTERS_AND_DIGITS) for _ in range(pick((5, 6, 6, 6, 7, 8)))),
        "AAA": lambda: "".join(pick("ABCDEFGHJKLMNOPRSTW") for _ in range(3)),
        "A": lambda: pick("ABCDEFGHJKLMPRST"),
        "mark": lambda: pick((": ", "=", " ", " = ")),
    }


def _numbers(forms: Organizations) -> dict[str, Callable[[], str]]:
    digits, pick, between = forms.digits, forms.pick, forms.rng.randint
    return {
        "id": lambda: forms.number_like("ids"),
        "long": lambda: forms.number_like("long_numbers"),
        "iban": lambda: f"{pick(('DE', 'GB', 'FR', 'US', 'CH'))}{digits(14, 22)}",
        "num": lambda: pick(
            (digits(1, 1), digits(1, 2), digits(2, 4), f"{digits(1, 3)}.{digits(1, 2)}")
        ),
        "money": lambda: (
            f"{pick(('$', '€', '£', 'USD ', ''))}{digits(1, 5)}"
            f"{pick(('', '.00', '.50', ' dollars', ' EUR', 'k'))}"
        ),
        "clock": lambda: f"{between(0, 23):02}:{between(0, 59):02}{pick((':00', '', ''))}",
        "ip": lambda: ".".join(str(between(1, 254)) for _ in range(4)),
    }
