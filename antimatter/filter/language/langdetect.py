"""langdetect with its random numbers tamed: seeded anew for every text, its profiles in a fixed order.

It draws random numbers and so gives one short text different languages from run to run; here a verdict depends on the
text and the seed alone. It knows 55 languages and tells Chinese scripts apart, which count as one here.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from antimatter.filter.language.codes import standard
from antimatter.filter.language.samples import speaking
from antimatter.filter.language.verdicts import Verdicts, undecided


class LangDetect:
    """The detector: see the module. Slow, above a millisecond a sample."""

    def __init__(self, minimum_letters: int, seed: int) -> None:
        self.minimum_letters, self.seed = minimum_letters, seed

    def detect(self, samples: Sequence[str]) -> Verdicts:
        """As Detector.detect promises."""
        verdicts = undecided(len(samples))
        for row, text in zip(*speaking(samples, self.minimum_letters), strict=True):
            found = probabilities(text, self.seed)
            if found:
                verdicts.languages[row], verdicts.scores[row] = max(found.items(), key=lambda item: item[1])
        return verdicts


def probabilities(text: str, seed: int) -> dict[str, float]:
    """Languages above 0.1, the most probable first; none if the text holds no n-gram that any profile knows."""
    from langdetect import LangDetectException

    detector = _array_detector()(_factory(seed))
    detector.append(text)
    try:
        found = detector.get_probabilities()
    except LangDetectException:
        return {}
    summed: dict[str, float] = {}
    for one in found:
        code = standard(one.lang) or one.lang
        summed[code] = round(min(summed.get(code, 0.0) + float(one.prob), 1.0), 6)
    return summed


@functools.cache
def _array_detector() -> Any:
    """The library's detector with its loops over languages made into arrays. Each number is multiplied and added in the
    same order as there, so results are the same bits, in less than half the time."""
    from langdetect.detector import Detector

    class ArrayDetector(Detector):  # type: ignore[misc]
        def _init_probability(self) -> np.ndarray:
            return np.array(super()._init_probability())

        def _update_lang_prob(self, prob: np.ndarray, word: str, alpha: float) -> None:
            known = self.word_lang_prob_map[word]
            if isinstance(known, list):
                known = self.word_lang_prob_map[word] = np.array(known)
            prob *= alpha / self.BASE_FREQ + known

        def _normalize_prob(self, prob: np.ndarray) -> float:
            prob /= sum(prob.tolist())  # from left to right, unlike numpy's sum
            return float(prob.max())

    return ArrayDetector


@functools.cache
def _factory(seed: int) -> Any:
    from langdetect import DetectorFactory

    factory = DetectorFactory()
    # sorted: load_profile would take the folder as the file system lists it, and sums of floats depend on the order
    factory.load_json_profile([path.read_text(encoding="utf-8") for path in _profiles()])
    factory.set_seed(seed)
    return factory


def _profiles() -> list[Path]:
    from langdetect.detector_factory import PROFILES_DIRECTORY

    return sorted(path for path in Path(PROFILES_DIRECTORY).iterdir() if not path.name.startswith("."))
