"""The choice of what looks for personal data.

The model of names is chosen by one word:

    built-in       the one that ships with the package
    none           names are not looked for
    spacy:NAME     a pipeline of spaCy, by the name of its package or its folder
    gliner:NAME    a model of GLiNER
    FILE.yaml      Presidio's own configuration of spaCy, stanza or transformers

Nothing is ever fetched: a model that is not on this machine is an error. Presidio's documentation
describes the file: https://presidio.dataprivacystack.org/analyzer/customizing_nlp_models/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUILT_IN: Final = "built-in"
NONE: Final = "none"


@dataclass(frozen=True)
class DetectionSettings:
    """What is to look for personal data.

    Args:
        model: of names, as above.
        recognizers: a file with recognizers beside Presidio's own, in the YAML that its
            `add_recognizers_from_yaml` reads.
    """

    model: str = BUILT_IN
    recognizers: Path | None = None


DEFAULT_DETECTION: Final = DetectionSettings()
