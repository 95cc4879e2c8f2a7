"""How well a tokenizer fits a text: figures per source and language, and how much of the vocabulary is in use.

bytes per token    UTF-8 bytes of text / tokens, frames not counted: higher is shorter
fertility          tokens per word; a word is a run of bytes between ASCII white space
byte token share   tokens that spell one byte of a character without a piece of its own
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from antimatter.corpus.reports import share
from antimatter.text.characters import buffers
from antimatter.tokenizer.interface import Encoded

QUANTITIES = ("documents", "bytes", "words", "tokens", "byte_tokens")
UNKNOWN = "unknown"
_RANKS = 60  # points of the curve of frequencies

Figures = dict[str, dict[str, dict[str, int]]]
"""source -> language -> quantity -> number"""


def measure(texts: pa.Array, encoded: Encoded, byte_tokens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[n, 5]: QUANTITIES of each text; byte_tokens bool[V]."""
    data, offsets = buffers(texts)
    spelt = np.concatenate([[0], np.cumsum(byte_tokens[encoded.ids])])
    columns = (
        np.ones(len(texts), dtype=np.int64),
        np.diff(offsets),
        words_in(data, offsets),
        np.diff(encoded.starts),
        np.diff(spelt[encoded.starts]),
    )
    return np.stack(columns, axis=1).astype(np.int64)


def add_up(figures: Figures, sources: pa.Array, languages: pa.Array, measured: NDArray[np.int64]) -> None:
    """Add int64[n, 5] to the figures of n documents' sources and languages."""
    name = pc.dictionary_encode(sources.cast(pa.string()))
    language = pc.dictionary_encode(languages.cast(pa.string()).fill_null(UNKNOWN))
    names, spoken = name.dictionary.to_pylist(), language.dictionary.to_pylist()
    group = name.indices.to_numpy().astype(np.int64) * max(1, len(spoken)) + language.indices.to_numpy()
    found, places = np.unique(group, return_inverse=True)
    sums = np.zeros((len(found), len(QUANTITIES)), dtype=np.int64)
    np.add.at(sums, places, measured)
    for number, row in zip(found.tolist(), sums.tolist(), strict=True):
        flow = figures.setdefault(names[number // len(spoken)], {}).setdefault(spoken[number % len(spoken)], {})
        for quantity, value in zip(QUANTITIES, row, strict=True):
            flow[quantity] = flow.get(quantity, 0) + value


def combined(parts: Iterable[Figures]) -> Figures:
    """The sum of several, names in order."""
    total: Figures = {}
    for part in parts:
        for source, languages in part.items():
            for language, numbers in languages.items():
                flow = total.setdefault(source, {}).setdefault(language, dict.fromkeys(QUANTITIES, 0))
                for quantity, value in numbers.items():
                    flow[quantity] += value
    return {source: dict(sorted(total[source].items())) for source in sorted(total)}


def report(figures: Figures) -> dict[str, Any]:
    """The ratios as a whole, per source and per language."""
    sources = {source: _sum(languages.values()) for source, languages in figures.items()}
    spoken = sorted({language for languages in figures.values() for language in languages})
    of_language = {
        language: _sum(languages[language] for languages in figures.values() if language in languages)
        for language in spoken
    }
    return {
        **{name: value for name, value in ratios(_sum(sources.values())).items() if name != "bytes"},
        "fit": {source: ratios(numbers) for source, numbers in sources.items()},
        "fit_by_language": {language: ratios(numbers) for language, numbers in of_language.items()},
    }


def ratios(numbers: Mapping[str, int]) -> dict[str, float]:
    """What the numbers of some text say, and how much text it is."""
    return {
        "bytes": numbers["bytes"],
        "bytes_per_token": share(numbers["bytes"], numbers["tokens"]),
        "tokens_per_word": share(numbers["tokens"], numbers["words"]),
        "byte_token_share": share(numbers["byte_tokens"], numbers["tokens"]),
    }


def vocabulary_use(counts: NDArray[np.int64], fixed: Iterable[int]) -> dict[str, Any]:
    """How many entries the training text uses; counts int64[V]; `fixed` ones (special and byte tokens) are left out."""
    ordinary = np.delete(counts, sorted(set(fixed)))
    total = int(ordinary.sum())
    falling = np.sort(ordinary)[::-1]
    half = int(np.searchsorted(np.cumsum(falling), total / 2)) + 1 if total else 0
    return {
        "entries": len(ordinary),
        "used": int((ordinary > 0).sum()),
        "used_share": share(int((ordinary > 0).sum()), len(ordinary)),
        "used_100_times": int((ordinary >= 100).sum()),
        "entries_for_half_the_tokens": half,
    }


def frequencies(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(rank, occurrences) at ranks that grow by a constant factor; entries that never occur are left out."""
    falling = np.sort(counts[counts > 0])[::-1]
    if not len(falling):
        return []
    ranks = np.unique(np.rint(np.geomspace(1, len(falling), _RANKS)).astype(np.int64))
    return [(int(rank), int(falling[rank - 1])) for rank in ranks]


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = dict.fromkeys(QUANTITIES, 0)
    for part in parts:
        for quantity in QUANTITIES:
            total[quantity] += part[quantity]
    return total


@njit(cache=True)
def words_in(data, offsets):  # type: ignore[no-untyped-def]
    """int64[n]: runs of bytes between ASCII white space (space, tab, line feed, vertical tab, form feed, return)."""
    words = np.zeros(len(offsets) - 1, dtype=np.int64)
    for text in range(len(offsets) - 1):
        found = 0
        was_space = True
        for place in range(offsets[text], offsets[text + 1]):
            byte = data[place]
            is_space = byte == 32 or (9 <= byte <= 13)
            if was_space and not is_space:
                found += 1
            was_space = is_space
        words[text] = found
    return words
