"""What a responder asks: the catalogue of questions, and asking them. See `docs/questions.md`."""

from __future__ import annotations

from locard.query.catalogue.asking import Answered, ask
from locard.query.catalogue.questions import Parameter, Question, catalogue, question

__all__ = ["Answered", "Parameter", "Question", "ask", "catalogue", "question"]
