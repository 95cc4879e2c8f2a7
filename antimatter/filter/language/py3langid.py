"""py3langid: naive Bayes over byte n-grams, 140 languages; its model needs no share-alike licence (BSD-3)."""

import functools
from collections.abc import Sequence
from typing import Any

from antimatter.filter.language.codes import standard
from antimatter.filter.language.samples import speaking
from antimatter.filter.language.verdicts import Verdicts, undecided


class Py3LangId:
    """The detector: see the module."""

    def __init__(self, minimum_letters: int) -> None:
        self.minimum_letters = minimum_letters

    def detect(self, samples: Sequence[str]) -> Verdicts:
        """As Detector.detect promises, with four decimals: the library adds in 32 bits."""
        verdicts = undecided(len(samples))
        for row, text in zip(*speaking(samples, self.minimum_letters), strict=True):
            label, score = _identifier().classify(text)
            verdicts.languages[row] = standard(label)
            if verdicts.languages[row] is not None:
                verdicts.scores[row] = round(min(score, 1.0), 4)
        return verdicts


@functools.cache
def _identifier() -> Any:
    """The model, once a process (0.8 s); scores are probabilities, not the logarithms that the library prefers."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
