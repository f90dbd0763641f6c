"""Names and addresses without a download: a small model that ships with the package."""

from locard.redaction.names.finder import ENTITIES, NameFinder, default_finder
from locard.redaction.names.model import MODEL_NAME

__all__ = ["ENTITIES", "MODEL_NAME", "NameFinder", "default_finder"]
