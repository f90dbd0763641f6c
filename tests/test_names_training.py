"""Training of the model of names: repeatable, and without the texts that measure it."""

from __future__ import annotations

import re

import pytest
from redaction.training.lexicons import training_lexicon, whole_lexicon
from redaction.training.samples import Samples
from redaction.training.source import read_lists
from redaction.training.train import Trainer
from redaction.training.writer import read_templates

from corpora import SHORT_TEXTS, needs_corpora, runs
from locard.redaction.names.labels import LABELS
from locard.redaction.names.model import FILE, Model
from locard.redaction.names.tokens import tokens_of

_WORDS_ALIKE = 5
_SAMPLES = 6000


def trained(seed):
    """Return the file of a model that has hardly learned."""
    trainer = Trainer(seed)
    trainer.train(12_000)
    return trainer.model().to_bytes()


def test_the_same_seed_makes_the_same_bytes():
    """Whoever doubts the model can make it again."""
    first = trained(3)
    assert trained(3) == first
    assert trained(4) != first


def test_samples_have_a_label_for_each_token():
    """What is labelled is what the finder will see."""
    samples = Samples(1)
    labels = set()
    for _ in range(500):
        sample = samples.sample()
        assert len(sample.labels) == len(sample.tokens) == len(tokens_of(sample.text).texts)
        labels |= set(sample.labels)
    assert labels <= set(range(LABELS))
    assert len(labels) > LABELS / 2


def test_no_template_names_a_slot_that_is_never_filled():
    """A slot with a typing mistake would be learned as text."""
    samples = Samples(2)
    writer = samples._writer
    left = {
        slot
        for lines in read_templates().values()
        for line in lines
        for slot in re.findall(r"\{([A-Za-z_]\w*)\}", line)
        if slot not in writer.fillers and slot != "addr"
    }
    assert left == set()


def test_the_model_that_ships_knows_the_lists_that_lie_here():
    """Lists and model belong together: whoever changes a list has to train again."""
    lexicon = whole_lexicon(read_lists())
    shipped = Model.load(FILE).lexicon
    assert lexicon.hashes.tolist() == shipped.hashes.tolist()
    assert lexicon.bits.tolist() == shipped.bits.tolist()


def test_part_of_the_names_is_unknown_in_training():
    """Else the model would learn to look names up, and miss all that no list has."""
    lists = read_lists()
    assert len(training_lexicon(lists).hashes) < 0.85 * len(whole_lexicon(lists).hashes)


@pytest.mark.corpora
@needs_corpora
def test_no_phrase_of_the_measuring_texts_is_trained_on():
    """Five words in a row, labelled values aside, would be tuning to what measures the model."""
    ours: set[tuple[str, ...]] = set()
    samples = Samples(6)
    for _ in range(_SAMPLES):
        ours |= _phrases(samples.sample().text)
    theirs: set[tuple[str, ...]] = set()
    for row in runs(SHORT_TEXTS):
        text = list(row["text"])
        for span in row["spans"]:
            start, end = span["start_position"], span["end_position"]
            text[start:end] = "\0" * (end - start)
        for part in "".join(text).split("\0"):
            theirs |= _phrases(part)
    assert len(theirs) > 400
    assert ours & theirs == set()


def _phrases(text):
    words = re.findall(r"[a-z']+", text.lower())
    return {tuple(words[at : at + _WORDS_ALIKE]) for at in range(len(words) - _WORDS_ALIKE + 1)}
