"""The model of names as it ships: a file of whole numbers, and what it says of each token.

The file is a zip of numpy arrays. Weights of the table are kept as bytes with one scale a column,
those of the layers in half precision.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from locard.redaction.names.features import PAD, rows_of
from locard.redaction.names.labels import LABELS
from locard.redaction.names.lexicon import Lexicon
from locard.redaction.names.tokens import LONGEST_WORD

Floats = npt.NDArray[np.float32]

MODEL_NAME: Final = "locard-names/1"  # stored with every event that it has seen
FILE: Final = Path(__file__).with_name("model.npz")
_MOST_WORDS_KNOWN: Final = 8192  # kept ready, in some 28 MB; more than two pieces of a text
_PIECE: Final = 512  # tokens scored at once, so that a long text needs no more memory
_FIRST: Final = np.arange(_PIECE)
_ROWS_AT_ONCE: Final = 64
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


class Model:
    """Scores the labels of tokens.

    Args:
        arrays: the content of the file.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._arrays = arrays
        self.lexicon = Lexicon(arrays["hashes"], arrays["bits"])  # type: ignore[arg-type]
        self._table = arrays["table"]
        self._scale = arrays["scale"].astype(np.float32)
        width, hidden = self._table.shape[1], arrays["window"].shape[1]
        # What a word at each place of the window adds to the hidden layer.
        self._window = (
            arrays["window"].astype(np.float32).reshape(-1, width, hidden).transpose(1, 0, 2).copy()
        )
        self._places = self._window.shape[1]
        self._hidden_bias = arrays["hidden_bias"].astype(np.float32)
        self._output = arrays["output"].astype(np.float32)
        self._output_bias = arrays["output_bias"].astype(np.float32)
        self._known: dict[str, int] = {}
        self._added = np.zeros((self._places * _MOST_WORDS_KNOWN, hidden), np.float32)
        self._steps = np.arange(self._places)
        self._offsets = self._steps * _MOST_WORDS_KNOWN

    @classmethod
    def load(cls, file: Path = FILE) -> Model:
        """Return the model of a file that `to_bytes` made."""
        with np.load(file) as content:
            return cls(dict(content))

    @classmethod
    def of(
        cls,
        lexicon: Lexicon,
        table: Floats,
        window: Floats,
        hidden_bias: Floats,
        output: Floats,
        output_bias: Floats,
    ) -> Model:
        """Return the model of weights in single precision, which are rounded."""
        scale = np.maximum(np.abs(table).max(axis=0), 1e-9) / 127
        return cls({
            "hashes": lexicon.hashes,
            "bits": lexicon.bits,
            "table": np.round(table / scale).astype(np.int8),
            "scale": scale.astype(np.float16),
            "window": window.astype(np.float16),
            "hidden_bias": hidden_bias.astype(np.float16),
            "output": output.astype(np.float16),
            "output_bias": output_bias.astype(np.float16),
        })  # fmt: skip

    def to_bytes(self) -> bytes:
        """Return the file: the same weights give the same bytes."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, array in sorted(self._arrays.items()):
                content = io.BytesIO()
                np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(
                    zipfile.ZipInfo(f"{name}.npy", _LONG_AGO),
                    content.getvalue(),
                    zipfile.ZIP_DEFLATED,
                )
        return file.getvalue()

    def scores(self, tokens: Sequence[str]) -> Floats:
        """Return the share of each label for each token; each row adds up to 1."""
        reach = self._places // 2
        padded = [*[PAD] * reach, *tokens, *[PAD] * reach]
        parts = [
            self._scored(padded[at : at + _PIECE + 2 * reach])
            for at in range(0, len(tokens), _PIECE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, LABELS), np.float32)

    def _scored(self, padded: list[str]) -> Floats:
        numbers = np.array(self._numbers(padded), np.intp)
        count = len(padded) - self._places + 1
        around = numbers[_FIRST[:count, None] + self._steps] + self._offsets
        rows = -(-count // _ROWS_AT_ONCE) * _ROWS_AT_ONCE
        hidden = np.zeros((rows, len(self._hidden_bias)), np.float32)
        np.add.reduce(self._added.take(around, axis=0), axis=1, out=hidden[:count])
        hidden += self._hidden_bias
        np.maximum(hidden, 0, out=hidden)
        # Products of this size are not shared among threads, which would cost more than they save.
        layers = hidden.reshape(-1, _ROWS_AT_ONCE, hidden.shape[1]) @ self._output
        scores = layers.reshape(rows, -1)[:count]
        scores += self._output_bias
        scores -= scores.max(axis=1, keepdims=True)
        shares: Floats = np.exp(scores, out=scores)
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def _numbers(self, tokens: list[str]) -> list[int]:
        """Return where each token stands among the words that are kept ready."""
        known = self._known
        try:
            return [known[token] for token in tokens]
        except KeyError:
            pass
        tokens = [token[:LONGEST_WORD] for token in tokens]
        if len(known) + len(tokens) > _MOST_WORDS_KNOWN:
            known.clear()
        for token in tokens:
            if token not in known:
                rows = rows_of(token, self.lexicon)
                vector = self._table[rows].sum(axis=0, dtype=np.float32)
                vector *= self._scale / np.float32(len(rows) ** 0.5)
                self._added[len(known) + self._offsets] = np.einsum(
                    "w,wph->ph", vector, self._window
                )
                known[token] = len(known)
        return [known[token] for token in tokens]
