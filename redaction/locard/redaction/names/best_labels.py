"""The likeliest labels of a text, of those that make sense one after another.

An entity has to begin before it goes on. Viterbi's algorithm finds the best such sequence. It runs
on all stretches of doubtful tokens at once: what is surely outside cuts them off from each other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]

SURELY_OUTSIDE: Final = 0.995
_LONGEST: Final = 128  # tokens; a longer stretch without an ordinary word is cut
_TINY: Final = 1e-9


def best_labels(shares: Floats, outside_weight: float) -> tuple[Integers, Integers]:
    """Return the places of doubtful tokens, in order, and the best label of each.

    Args:
        shares: of each label for each token.
        outside_weight: below 1, an entity is preferred where both are about as likely.
    """
    places = np.flatnonzero(shares[:, 0] < SURELY_OUTSIDE)
    if not len(places):
        return places, places
    logs = np.log(shares[places] + np.float32(_TINY))
    logs[:, 0] += np.float32(np.log(outside_weight))
    labels = logs.argmax(axis=1)
    follows = np.empty(len(places), np.bool_)  # the token right before is doubtful too
    follows[0] = False
    np.equal(places[1:], places[:-1] + 1, out=follows[1:])
    if not _makes_sense(labels, follows):
        _decode(logs, *_stretches(follows), labels)
    return places, labels


def _makes_sense(labels: Integers, follows: npt.NDArray[np.bool_]) -> bool:
    """Say whether nothing goes on that has not begun: then the likeliest label each is the best."""
    inside = np.flatnonzero((labels > 0) & (labels & 1 == 0))
    now, before = labels[inside], labels[inside - 1]
    return bool((follows[inside] & ((before == now) | (before == now - 1))).all())


def _stretches(follows: npt.NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return where each run of neighbours begins and how long it is, the longest first."""
    firsts = np.flatnonzero(~follows)
    lengths = np.diff(np.append(firsts, len(follows)))
    pieces = -(-lengths // _LONGEST)
    number_in_run = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    firsts = np.repeat(firsts, pieces) + number_in_run * _LONGEST
    lengths = np.minimum(np.repeat(lengths, pieces) - number_in_run * _LONGEST, _LONGEST)
    order = np.argsort(-lengths, kind="stable")
    return firsts[order], lengths[order]


def _decode(logs: Floats, firsts: Integers, lengths: Integers, labels: Integers) -> None:
    """Write the best label of each token, one step along all stretches at a time."""
    values = np.zeros((len(firsts), logs.shape[1]), np.float32)
    values[:, 1:] = -np.inf  # before a stretch is outside
    steps: list[tuple[Integers, npt.NDArray[np.bool_]]] = []
    last = np.zeros(len(firsts), np.intp)
    for step in range(int(lengths[0])):
        active = int(np.searchsorted(-lengths, -step, side="left"))
        before, own = values[:active], logs[firsts[:active] + step]
        best = before.argmax(axis=1)
        began, went_on = before[:, 1::2], before[:, 2::2]
        steps.append((best, began >= went_on))
        after = before.max(axis=1, keepdims=True) + own
        after[:, 2::2] = np.maximum(began, went_on) + own[:, 2::2]
        values[:active] = after
        last[:active] = after.argmax(axis=1)
    for step in range(len(steps) - 1, -1, -1):
        best, from_begin = steps[step]
        active = len(best)
        now = last[:active]
        labels[firsts[:active] + step] = now
        goes_on = (now > 0) & (now % 2 == 0)
        kind = np.maximum(now - 1, 0) // 2
        before_inside = now - from_begin[np.arange(active), kind]
        last[:active] = np.where(goes_on, before_inside, best)
