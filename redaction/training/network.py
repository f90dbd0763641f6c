"""The model in training: a table of features, a window of words, one hidden layer, labels.

vector of a word    = sum of its features' rows / sqrt(their number)
hidden              = relu(vectors of the window, side by side, times a matrix)
score of each label = hidden times a matrix
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from locard.redaction.names.features import ROWS
from locard.redaction.names.labels import LABELS

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

WIDTH: Final = 32  # of a word's vector
HIDDEN: Final = 64
REACH: Final = 6  # words to each side
WINDOW: Final = 2 * REACH + 1
_DECAY1, _DECAY2, _TINY = 0.9, 0.99, 1e-8
_HIDDEN_DROPOUT: Final = 0.2
_NEIGHBOUR_DROPOUT: Final = 0.1  # so that no single neighbour is relied on


class Batch(NamedTuple):
    """What is learned from in one step.

    Args:
        rows: the features of all kinds of words, one after another.
        firsts: where the features of each kind begin.
        words: of each place in the text, the number of its kind of word.
        labels: of each place, -1 where there is nothing to learn.
    """

    rows: Integers
    firsts: Integers
    words: Integers
    labels: Integers


class Network:
    """Weights and their training by Adam, in single precision and in a fixed order."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self.table = self._start((ROWS, WIDTH), 0.3)
        self.window = self._start((WINDOW * WIDTH, HIDDEN), (2 / (WINDOW * WIDTH)) ** 0.5)
        self.hidden_bias = np.zeros(HIDDEN, np.float32)
        self.output = self._start((HIDDEN, LABELS), (1 / HIDDEN) ** 0.5)
        self.output_bias = np.zeros(LABELS, np.float32)
        self._dense = (self.window, self.hidden_bias, self.output, self.output_bias)
        self._moments = [(np.zeros_like(w), np.zeros_like(w)) for w in (*self._dense, self.table)]
        self._steps = 0

    def _start(self, shape: tuple[int, int], scale: float) -> Floats:
        return (self._rng.standard_normal(shape, np.float32) * np.float32(scale)).astype(np.float32)

    def learn(self, batch: Batch, rate: float) -> float:
        """Take one step and return the mean loss before it."""
        counts = np.diff(np.append(batch.firsts, len(batch.rows)))
        scale = (1 / np.sqrt(counts)).astype(np.float32)[:, None]
        vectors = np.add.reduceat(self.table[batch.rows], batch.firsts, axis=0) * scale
        places = np.flatnonzero(batch.labels >= 0)
        around = batch.words[places[:, None] + np.arange(-REACH, REACH + 1)]
        seen = self._rng.random(around.shape, np.float32) >= _NEIGHBOUR_DROPOUT
        seen[:, REACH] = True
        inputs = vectors[around]
        inputs *= seen[:, :, None]
        inputs = inputs.reshape(len(places), WINDOW * WIDTH)
        before = inputs @ self.window + self.hidden_bias
        kept = self._rng.random(before.shape, np.float32) >= _HIDDEN_DROPOUT
        active = (before > 0) & kept
        hidden = before * active / np.float32(1 - _HIDDEN_DROPOUT)
        scores = hidden @ self.output + self.output_bias
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        right = (np.arange(len(places)), batch.labels[places])
        loss = float(-np.log(shares[right] + _TINY).mean())
        shares[right] -= 1
        shares /= np.float32(len(places))
        to_hidden = (shares @ self.output.T) * active / np.float32(1 - _HIDDEN_DROPOUT)
        to_inputs = (to_hidden @ self.window.T).reshape(-1, WIDTH) * seen.reshape(-1, 1)
        to_vectors = _summed(to_inputs, around.ravel(), len(vectors)) * scale
        gradients = (inputs.T @ to_hidden, to_hidden.sum(0), hidden.T @ shares, shares.sum(0))
        self._step(gradients, batch.rows, np.repeat(to_vectors, counts, axis=0), rate)
        return loss

    def _step(
        self, gradients: tuple[Floats, ...], rows: Integers, to_rows: Floats, rate: float
    ) -> None:
        self._steps += 1
        rate *= float(np.sqrt(1 - _DECAY2**self._steps) / (1 - _DECAY1**self._steps))
        for weights, gradient, (mean, square) in zip(
            self._dense, gradients, self._moments, strict=False
        ):
            mean *= np.float32(_DECAY1)
            mean += np.float32(1 - _DECAY1) * gradient
            square *= np.float32(_DECAY2)
            square += np.float32(1 - _DECAY2) * gradient * gradient
            weights -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(_TINY))
        # Only the rows that were used: the others rest as they are.
        used, places = np.unique(rows, return_inverse=True)
        gradient = _summed(to_rows, places, len(used))
        mean, square = self._moments[-1]
        mean[used] = np.float32(_DECAY1) * mean[used] + np.float32(1 - _DECAY1) * gradient
        square[used] = (
            np.float32(_DECAY2) * square[used] + np.float32(1 - _DECAY2) * gradient * gradient
        )
        self.table[used] -= (
            np.float32(rate) * mean[used] / (np.sqrt(square[used]) + np.float32(_TINY))
        )


def _summed(values: Floats, places: Integers, count: int) -> Floats:
    """Return the sum of all values of each place."""
    order = np.argsort(places, kind="stable")
    in_order = places[order]
    firsts = np.flatnonzero(np.diff(in_order, prepend=-1))
    sums = np.zeros((count, values.shape[1]), np.float32)
    sums[in_order[firsts]] = np.add.reduceat(values[order], firsts, axis=0)
    return sums
