"""Which language a text is in: langdetect, seeded, on the start of the text.

langdetect draws random numbers and so gives one short text different languages from run to run; the generator is
seeded anew for every text, so a verdict depends on the text alone.
"""

import functools
from typing import NamedTuple

MINIMUM_LETTERS = 20


class Verdict(NamedTuple):
    """ISO 639-1 code and its probability; (None, 0.0) if the text holds too few letters to tell."""

    language: str | None
    score: float


@functools.cache
def _factory(seed: int) -> object:
    from langdetect import DetectorFactory
    from langdetect.detector_factory import PROFILES_DIRECTORY

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(seed)
    return factory


def detect(text: str, characters: int, seed: int) -> Verdict:
    """The most probable language of the first `characters` characters."""
    from langdetect import LangDetectException

    start = text[:characters]
    if sum(map(str.isalpha, start)) < MINIMUM_LETTERS:
        return Verdict(None, 0.0)
    detector = _factory(seed).create()  # type: ignore[attr-defined]
    detector.append(start)
    try:
        probabilities = detector.get_probabilities()
    except LangDetectException:  # no n-gram that any of its profiles knows
        return Verdict(None, 0.0)
    if not probabilities:
        return Verdict(None, 0.0)
    return Verdict(probabilities[0].lang, float(probabilities[0].prob))
