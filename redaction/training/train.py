"""Trains the model of names and writes its file.

    python -m redaction.training.train FILE [--tokens N] [--seed N]

The same lists, templates, seed and arithmetic give the same bytes; `script/train-names` fixes the
arithmetic as well, so that processors of several kinds agree.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Final

import numpy as np
from redaction.training.lexicons import training_lexicon, whole_lexicon
from redaction.training.network import REACH, Batch, Network
from redaction.training.samples import Sample, Samples

from locard.redaction.names.features import IDENTITY, KEY, PAD, rows_of
from locard.redaction.names.lexicon import Lexicon
from locard.redaction.names.model import Model

_log = logging.getLogger(__name__)

DEFAULT_TOKENS: Final = 9_000_000
_BATCH: Final = 4000  # tokens in a step
_RATE: Final = 0.004
_UNKNOWN_SHARE: Final = 0.35  # of words whose identity is hidden in a step
_MOST_KEY_WORDS: Final = 3


class Trainer:
    """Draws samples and learns from them."""

    def __init__(self, seed: int) -> None:
        self._samples = Samples(seed)
        self._rng = np.random.Generator(np.random.PCG64(seed + 1))
        self._lexicon: Lexicon = training_lexicon(self._samples.forms.lists)
        self._rows: dict[str, list[int]] = {}
        self.network = Network(seed + 2)

    def train(self, tokens: int) -> None:
        """Learn from so many tokens; the rate falls to nothing towards the end."""
        steps, began, loss = max(tokens // _BATCH, 1), time.monotonic(), 0.0
        for step in range(steps):
            rate = _RATE * min(1.0, (step + 1) / 50) * (1 - step / steps)
            loss += (self.network.learn(self._batch(), rate) - loss) * (0.02 if step else 1)
            if step % 100 == 0:
                seconds = time.monotonic() - began
                _log.info("step %d of %d, loss %.4f, %.0f s", step, steps, loss, seconds)

    def model(self) -> Model:
        """Return the model that was learned."""
        network = self.network
        return Model.of(
            whole_lexicon(self._samples.forms.lists),
            network.table,
            network.window,
            network.hidden_bias,
            network.output,
            network.output_bias,
        )

    def _batch(self) -> Batch:
        words, labels = [PAD] * REACH, [-1] * REACH
        while len(words) < _BATCH:
            sample = self._samples.sample()
            key = _key_tokens(sample)
            words += [*key, *sample.tokens, *[PAD] * REACH]
            labels += [*[-1] * len(key), *sample.labels, *[-1] * REACH]
        kinds = {word: number for number, word in enumerate(dict.fromkeys(words))}
        rows: list[int] = []
        firsts = []
        hidden = self._rng.random(len(kinds)) < _UNKNOWN_SHARE
        for word, number in kinds.items():
            firsts.append(len(rows))
            own = self._rows_of(word)
            rows += own[:IDENTITY] + own[IDENTITY + 1 :] if hidden[number] else own
        return Batch(
            np.array(rows), np.array(firsts), np.array([kinds[w] for w in words]), np.array(labels)
        )

    def _rows_of(self, word: str) -> list[int]:
        rows = self._rows.get(word)
        if rows is None:
            rows = self._rows[word] = rows_of(word, self._lexicon)
        return rows


def _key_tokens(sample: Sample) -> list[str]:
    return (
        [*(f" {word}" for word in sample.context[-_MOST_KEY_WORDS:]), KEY] if sample.context else []
    )


def main() -> None:
    """Train and write the file that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokens", type=int, default=DEFAULT_TOKENS)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    trainer = Trainer(arguments.seed)
    trainer.train(arguments.tokens)
    arguments.file.write_bytes(trainer.model().to_bytes())


if __name__ == "__main__":
    main()
