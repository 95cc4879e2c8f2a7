"""The cascade: who is asked, and what becomes of two opinions."""

import doctest

import numpy as np
import pytest

from antimatter.filter.language import cascade, codes, detector, fasttext, langdetect
from antimatter.filter.language.cascade import agreed
from antimatter.params.filter import Language
from tests.filter.test_language import DOUBTFUL, SENTENCES


@pytest.mark.parametrize("module", [cascade, codes])
def test_the_examples_are_true(module):
    assert doctest.testmod(module).failed == 0


def test_a_confident_verdict_is_that_of_fasttext_alone(monkeypatch):
    monkeypatch.setattr(langdetect, "probabilities", lambda text, seed: pytest.fail("asked"))
    texts = [SENTENCES[language] for language in ("en", "fr", "es", "de")]
    alone, both = (detector(Language(detector=name)).detect(texts) for name in ("fasttext", "cascade"))
    assert (both.languages, both.scores.tolist()) == (alone.languages, alone.scores.tolist())
    assert not both.arbitrated.any()


def test_a_doubtful_verdict_is_arbitrated_and_says_so():
    alone, both = (detector(Language(detector=name)).detect([DOUBTFUL]) for name in ("fasttext", "cascade"))
    assert alone.scores[0] < 0.7
    assert both.arbitrated.tolist() == [True]
    row = fasttext.probabilities([DOUBTFUL])[0].tolist()
    first = dict(zip(fasttext.labels(), row, strict=True))
    assert (both.languages[0], both.scores[0]) == agreed(first, langdetect.probabilities(DOUBTFUL, 0))


@pytest.mark.parametrize("confident, arbitrated", [(0.0, False), (1.0, True)])
def test_confident_bounds_who_is_asked(confident, arbitrated):
    both = detector(Language(confident=confident)).detect([DOUBTFUL])
    assert both.arbitrated.tolist() == [arbitrated]


def test_a_language_that_the_arbiter_does_not_know_is_left_to_fasttext():
    latin = "Omnes homines liberi aequique nascuntur."
    alone, both = (detector(Language(detector=name, confident=1.0)).detect([latin]) for name in ("fasttext", "cascade"))
    assert alone.languages == both.languages == ["la"]
    assert alone.scores.tolist() == both.scores.tolist()
    assert not both.arbitrated.any()


def test_an_arbiter_that_knows_nothing_changes_nothing(monkeypatch):
    monkeypatch.setattr(langdetect, "probabilities", lambda text, seed: {})
    alone, both = (detector(Language(detector=name)).detect([DOUBTFUL]) for name in ("fasttext", "cascade"))
    assert (both.languages, both.scores.tolist()) == (alone.languages, alone.scores.tolist())
    assert both.arbitrated.tolist() == [True]


def test_the_arbiter_reads_no_more_than_its_share(monkeypatch):
    read = []
    monkeypatch.setattr(langdetect, "probabilities", lambda text, seed: read.append(len(text)) or {"en": 1.0})
    detector(Language(confident=1.0, arbiter_characters=50)).detect([SENTENCES["en"] * 20])
    assert read == [50]


def test_two_who_are_sure_and_disagree_pass_no_usual_threshold():
    assert agreed({"en": 0.69, "fr": 0.31}, {"sv": 1.0}) == ("sv", 0.5)
    assert agreed({"en": 0.5, "fr": 0.5}, {"fr": 0.5, "en": 0.5}) == ("en", 0.5)  # equal: fastText's
    assert np.isclose(agreed({"en": 0.6}, {"en": 0.9})[1], 0.75)
