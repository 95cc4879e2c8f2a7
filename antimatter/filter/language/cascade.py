"""fastText where it is confident, langdetect as arbiter where it is not.

The arbiter reads a shorter piece, because it costs a hundred times as much. Then:

    fastText's language is none of the arbiter's 55, or the arbiter knows no n-gram of the text   -> fastText's verdict
    otherwise: of both favourites the one with the larger mean of both probabilities (equal: fastText's), and that mean

So agreement raises the score, and two sure detectors that disagree end near 0.5, below every usual threshold. Were the
arbiter's word final, as many languages would be found, but it is sure of all it says: of paragraphs in languages that
it does not know, 53 % would pass a threshold of 0.65 under a wrong name, not 17 % (docs/experiments.md).

Where fastText's language is none of the arbiter's, its second or third may be (sr, then hr). The arbiter is not asked
for that: of paragraphs in languages that all know 98.8 % would be right, not 98.0, but 37 %, not 55, in those that
fastText knows and the arbiter does not, and twice as many of these would be arbitrated.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from antimatter.filter.language import fasttext, langdetect
from antimatter.filter.language.codes import known_languages
from antimatter.filter.language.samples import shorter, speaking
from antimatter.filter.language.verdicts import Verdicts


class Cascade:
    """The detector: see the module."""

    def __init__(self, minimum_letters: int, confident: float, arbiter_characters: int, seed: int) -> None:
        self.minimum_letters, self.confident = minimum_letters, confident
        self.arbiter_characters, self.seed = arbiter_characters, seed
        self.arbitrable = frozenset(known_languages("langdetect"))

    def detect(self, samples: Sequence[str]) -> Verdicts:
        """As Detector.detect promises."""
        verdicts = fasttext.FastText(self.minimum_letters).detect(samples)
        unsure = [
            row
            for row in np.flatnonzero(verdicts.scores < self.confident).tolist()
            if verdicts.languages[row] in self.arbitrable
        ]
        _, texts = speaking([samples[row] for row in unsure], 0)
        verdicts.arbitrated[unsure] = True
        for row, text, probabilities in zip(unsure, texts, fasttext.probabilities(texts), strict=True):
            first = dict(zip(fasttext.labels(), probabilities.tolist(), strict=True))
            second = langdetect.probabilities(shorter(text, self.arbiter_characters), self.seed)
            if second:
                verdicts.languages[row], verdicts.scores[row] = agreed(first, second)
        return verdicts


def agreed(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[str, float]:
    """Of both favourites the one with the larger mean probability, and that mean.

    >>> agreed({"en": 0.6, "fr": 0.3}, {"en": 1.0})
    ('en', 0.8)
    >>> agreed({"en": 0.5, "fr": 0.4}, {"fr": 0.9, "en": 0.1})
    ('fr', 0.65)
    """
    mean = {
        language: round((first.get(language, 0.0) + second.get(language, 0.0)) / 2, 6)
        for language in (max(first, key=first.__getitem__), max(second, key=second.__getitem__))
    }
    best = max(mean, key=mean.__getitem__)
    return best, mean[best]
