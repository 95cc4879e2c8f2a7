"""Which language a text is in: langdetect, seeded, on the start of the text.

langdetect draws random numbers and so gives one short text different languages from run to run; the generator is
seeded anew for every text, so a verdict depends on the text alone.
"""

import functools
from pathlib import Path
from typing import NamedTuple

MINIMUM_LETTERS = 20


class Verdict(NamedTuple):
    """ISO 639-1 code and its probability; (None, 0.0) if the text holds too few letters to tell."""

    language: str | None
    score: float


@functools.cache
def _factory(seed: int) -> object:
    from langdetect import DetectorFactory

    factory = DetectorFactory()
    # sorted: load_profile would take the folder as the file system lists it, and sums of floats depend on the order
    factory.load_json_profile([path.read_text(encoding="utf-8") for path in _profiles()])
    factory.set_seed(seed)
    return factory


def _profiles() -> list[Path]:
    from langdetect.detector_factory import PROFILES_DIRECTORY

    return sorted(path for path in Path(PROFILES_DIRECTORY).iterdir() if not path.name.startswith("."))


def known_languages() -> list[str]:
    """The codes that `detect` can return."""
    return [path.name for path in _profiles()]


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
    return Verdict(probabilities[0].lang, round(float(probabilities[0].prob), 6))
