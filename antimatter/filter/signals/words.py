"""Sums over the words of a text: how many, how long, with letters, in capitals, stop words."""

import numpy as np
from numba import njit

from antimatter.text.words import ALL_CAPITALS, HAS_LETTER, STOP_WORD_SHIFT, Words

COUNTS = (
    "words", "word_characters", "longest_word", "alphabetic_words", "capital_words", "stop_word_occurrences",
    "stop_words",
)  # fmt: skip
"""stop_words are distinct ones."""


def count_words(words: Words) -> dict[str, np.ndarray]:
    """int64[n] for each of COUNTS, of the words of n texts."""
    counts = np.zeros((len(words.starts) - 1, len(COUNTS)), dtype=np.int64)
    _count(words.starts, words.ids, words.characters, words.kinds, counts)
    return dict(zip(COUNTS, counts.T.copy(), strict=True))


@njit(cache=True)
def _count(starts, ids, characters, kinds, counts):  # type: ignore[no-untyped-def]
    for d in range(len(starts) - 1):
        total = longest = letters = capitals = stops = 0
        seen = np.int64(0)
        for word in ids[starts[d] : starts[d + 1]]:
            size = characters[word]
            total += size
            longest = max(longest, size)
            kind = np.int64(kinds[word])
            letters += kind & HAS_LETTER != 0
            capitals += kind & ALL_CAPITALS != 0
            stop_word = kind >> STOP_WORD_SHIFT
            if stop_word:
                stops += 1
                seen |= np.int64(1) << (stop_word - 1)
        row = counts[d]
        row[0], row[1], row[2] = starts[d + 1] - starts[d], total, longest
        row[3], row[4], row[5] = letters, capitals, stops
        while seen:
            row[6] += seen & 1
            seen >>= 1
