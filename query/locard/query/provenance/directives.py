"""Orders within texts: sentences that tell somebody to do something, and signs of whom. Pure.

An order is a sentence in the imperative, or one that says what the reader must do. Most orders in
documents are honest ("please pay within 14 days"); what gives an order away that was written for an
agent are the signs around it, such as that it speaks of the task or of the user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from locard.query.provenance.vocabulary import signs, stem, verbs, vocabulary
from locard.query.provenance.writings import decoded, plain

_BREAK: Final = re.compile(
    r"\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)]|\w[\w ]{0,24}:\s))|(?<=[.!?:;])\s+|\s[-–—]{1,2}\s"
)
_OPENING: Final = re.compile(
    r"^[\W_]*(?:(?:\d+[.)]|todo|to do|action|task|step|note|important|urgent|system|reminder|"
    r"assistant|p\.?s)\b[\W\d]*)*"
    r"(?:(?:please|kindly|now|then|first|firstly|next|also|and|so|immediately|just|simply|always|"
    r"finally|lastly|you|can|could|would|will|must|should|shall|need|have|to|i|want|'d|like|"
    r"make|sure|be|remember|do|not|don't|forget|it|is|required|that|go|ahead|quickly|"
    r"instead|thanks|ok|hey|hi)\b[\s,]*)*",
    re.IGNORECASE,
)
_WITHIN: Final = re.compile(
    r"\b(?:please|must|should|need to|have to|needs to|make sure to|be sure to|remember to|"
    r"you to|required to|and then|then|first|and)\s+(\w+)",
    re.IGNORECASE,
)
_FIRST: Final = re.compile(r"\w+")
_HANDING: Final = frozenset({"send", "grant", "order"})
_PAYS: Final = frozenset(vocabulary()["things"]["pay"])
_AMOUNT: Final = re.compile(r"\b[0-9]+[.,][0-9]{2}\b")
_ACCOUNT: Final = re.compile("‹(?:IBAN_CODE|CREDIT_CARD|CRYPTO|US_BANK_NUMBER):")
_LONGEST: Final = 2_000_000  # characters of one text that are looked at
_BEFORE, _AFTER = 4, 1  # sentences around an order in which a sign belongs to it


@dataclass(frozen=True, slots=True)
class Directive:
    """A sentence that tells its reader to do something.

    Args:
        kinds: what it may ask for, as `Deed.kinds`.
        signs: which signs stand near it that it speaks to an agent.
        near: the sentence, with those around it that say more about it; as it is compared.
    """

    kinds: frozenset[str]
    signs: frozenset[str]
    near: str = field(repr=False)


@lru_cache(maxsize=5_000)
def directives(text: str) -> tuple[Directive, ...]:
    """Return the orders in a text, in its order, and after them those that are encoded in it."""
    text = text[:_LONGEST]
    return tuple(order for told in (text, *decoded(text)) for order in _orders(told))


def _orders(text: str) -> tuple[Directive, ...]:
    sentences = [s for s in map(_flat, _BREAK.split(text)) if s]
    signed = [_signs_in(sentence) for sentence in sentences]
    found = []
    for n, sentence in enumerate(sentences):
        if kinds := ordered(sentence):
            around = signed[max(0, n - _BEFORE) : n + _AFTER + 1]
            found.append(
                Directive(
                    kinds,
                    frozenset().union(*around),
                    plain(" ".join(sentences[max(0, n - 1) : n + 3])),
                )
            )
    return tuple(found)


def ordered(sentence: str) -> frozenset[str]:
    """Return what a sentence tells its reader to do; nothing where it tells nothing."""
    rest = _OPENING.sub("", sentence, count=1)
    found: set[str] = set()
    for word in (*_FIRST.findall(rest)[:1], *_WITHIN.findall(sentence)):
        found |= verbs().get(word.lower(), frozenset())
    return _with_payment(found, sentence)


def asked_in(text: str) -> frozenset[str]:
    """Return every deed whose verb stands anywhere in a text, in any form."""
    words = set(_FIRST.findall(text.lower()))
    found = {kind for word in words for form in stem(word) for kind in verbs().get(form, ())}
    return _with_payment(found, text)


def _with_payment(kinds: set[str], text: str) -> frozenset[str]:
    """Add that it is a payment where money is sent, given or made, or an account gets it."""
    is_money = bool(
        _PAYS & set(_FIRST.findall(text.lower())) or _AMOUNT.search(text) or _ACCOUNT.search(text)
    )
    return frozenset(kinds | {"pay"} if kinds & _HANDING and is_money else kinds)


def _signs_in(sentence: str) -> frozenset[str]:
    return frozenset(
        name
        for name, patterns in signs().items()
        if any(pattern.search(sentence) for pattern in patterns)
    )


def _flat(sentence: str) -> str:
    return " ".join(sentence.split())
