"""The gauge: everything that is measured on documents, whoever asks for it later.

The text's own signals, its language, what it shares with evaluation items, words of a list, the score of a classifier;
and what the line steps of clean saw.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.shards import require
from antimatter.corpus.signals import signals_of
from antimatter.filter import bad_words, decontaminate, masking, quality
from antimatter.filter.language import detector
from antimatter.filter.language.samples import samples_of
from antimatter.filter.signals import measure
from antimatter.params.filter import Filter
from antimatter.text.words import segment

LINE_STEPS = ("c4_lines", "c4_datatrove_lines", "refinedweb_lines")
"""Steps of clean whose signals page rules judge; they are copied."""
Columns = dict[str, Any]
"""Signals by name: numpy arrays, or Arrow arrays of strings."""


class Measured(NamedTuple):
    """What is known of n documents."""

    texts: pa.Array
    """with evaluation items cut out, if that is asked for"""
    signals: Columns
    sets: tuple[str, ...]
    by_set: np.ndarray
    """int32[n, S]: matches with each evaluation set"""
    reaches: np.ndarray
    """bool[n]: shares enough with evaluation sets"""
    is_contaminated: np.ndarray
    """bool[n]: leaves for it"""
    owners: np.ndarray
    """numbers of the evaluation items that were met"""


class Gauge:
    """Measures documents: the text's own signals, language, evaluation items, bad words, quality."""

    def __init__(self, index: Path, settings: Filter) -> None:
        """index: the file of the evaluation items that are sought (decontaminate.save)."""
        self.settings = settings
        self.index = decontaminate.load(index)
        self.detector = detector(settings.language)
        self.listed = bad_words.load(settings.bad_words) if settings.bad_words.path else None
        self.model = quality.load(settings.quality_model) if settings.quality_model.path else None

    def measure(self, texts: pa.Array) -> Measured:
        """Everything but what clean saw; signals are those of the texts as they came."""
        words = segment(texts)
        verdicts = self.detector.detect(samples_of(texts, self.settings.language.sample_characters))
        action, minimum = self.settings.decontamination.action, self.settings.decontamination.minimum_matches
        found = decontaminate.search(self.index, texts, minimum)
        signals: Columns = {
            **measure(texts, words),
            "language": pa.array(verdicts.languages, pa.string()),
            "language_score": verdicts.scores,
            "language_arbitrated": verdicts.arbitrated,
            "contaminated_matches": found.matches,
            "contaminated_set": found.sets,
            "contaminated_item": found.items,
        }
        if self.listed is not None:
            signals["bad_words"] = bad_words.count(self.listed, words)
        if self.model is not None:
            signals["quality_score"] = quality.score(words, self.model)
        is_contaminated: np.ndarray = found.reaches & (action != "report")
        if action == "mask":
            texts, signals["masked_characters"] = masking.mask(texts, found)
            is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)
            is_contaminated &= np.asarray(is_empty)  # a masked document leaves if nothing is left of it
        sets = tuple(sought.name for sought in self.index.sets)
        owners = np.unique(found.found.owners)
        return Measured(texts, signals, sets, found.by_set, found.reaches, is_contaminated, owners)


def line_signals(path: Path, ids: pa.ChunkedArray) -> Columns:
    """What clean's line steps saw of these documents, where they were among its steps: page rules judge it."""
    names = [name for name in pq.read_schema(require(path)).names if name.split(".")[0] in LINE_STEPS]
    if not names:
        return {}
    table = signals_of(path, ids, names, "clean")
    signals = {name: table.column(name).to_numpy() for name in names}
    for step in dict.fromkeys(name.split(".")[0] for name in names):
        removed, words = signals[f"{step}.words_removed"], signals[f"{step}.words_in"]
        share = np.divide(removed, words, out=np.zeros(len(words), dtype=np.float64), where=words != 0)
        signals[f"{step}.removed_word_share"] = share
    return signals


def text_bytes(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """UTF-8 bytes of each text, int64."""
    return np.asarray(pc.binary_length(texts), dtype=np.int64)
