"""How many characters of each class a text has: a histogram of its ASCII bytes, and flags for the others."""

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import (
    ALNUM,
    DECIMAL,
    LETTER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    UPPER,
    buffers,
    decode,
    tables,
)

COUNTS = (
    "characters", "spaces", "alphanumeric", "letters", "digits", "upper_case", "punctuation", "symbols", "brackets",
    "curly_brackets", "hashes", "newlines", "ellipses", "url_characters",
)  # fmt: skip
"""ellipses: "..." (not overlapping) and U+2026. url_characters: of tokens that hold "://" or "www."."""
_CLASSES = (SPACE, ALNUM, LETTER, DECIMAL, UPPER | LETTER, PUNCTUATION, SYMBOL)
"""In the order of COUNTS, from index 1 on: flags that a character must have (all: Ⅷ is upper case, but no letter)."""


def count_characters(texts: pa.Array) -> dict[str, np.ndarray]:
    """int64[n] for each of COUNTS, of an array of n texts."""
    data, offsets = buffers(texts)
    flags = tables().flags
    classes = np.array(_CLASSES, dtype=np.uint16)
    of_byte = np.stack([(flags[:128] & flag == flag) for flag in _CLASSES], axis=1).astype(np.int64)
    counts = np.zeros((len(offsets) - 1, len(COUNTS)), dtype=np.int64)
    _count(data, offsets, flags, classes, of_byte, counts)
    return dict(zip(COUNTS, counts.T.copy(), strict=True))


@njit(cache=True)
def _count(data, offsets, flags, classes, of_byte, counts):  # type: ignore[no-untyped-def]
    """of_byte: int64[128, 7], the classes of the ASCII characters."""
    ascii_counts = np.empty(128, np.int64)
    for d in range(len(offsets) - 1):
        row = counts[d]
        ascii_counts[:] = 0
        start, end = offsets[d], offsets[d + 1]
        i = start
        others = dots = ellipses = url_characters = token = 0
        is_url = False
        while i < end:
            byte = data[i]
            if byte < 128:
                ascii_counts[byte] += 1
                i += 1
                if byte == 46:
                    dots += 1
                    if dots == 3:
                        dots = 0
                        ellipses += 1
                    is_url |= i - start >= 4 and _is_www(data, i)
                else:
                    dots = 0
                    is_url |= byte == 47 and i - start >= 3 and data[i - 2] == 47 and data[i - 3] == 58
                is_space = of_byte[byte, 0] != 0
            else:
                point, i = decode(data, i)
                dots = 0
                others += 1
                ellipses += point == 0x2026
                flag = flags[point]
                for k in range(len(classes)):
                    row[1 + k] += flag & classes[k] == classes[k]
                is_space = flag & SPACE != 0
            if not is_space:
                token += 1
            if is_space or i == end:
                if is_url:
                    url_characters += token
                token = 0
                is_url = False
        row[0] = others
        for byte in range(128):
            count = ascii_counts[byte]
            if count:
                row[0] += count
                for k in range(len(classes)):
                    row[1 + k] += count * of_byte[byte, k]
        curly = ascii_counts[123] + ascii_counts[125]
        row[8] = ascii_counts[40] + ascii_counts[41] + ascii_counts[91] + ascii_counts[93] + curly
        row[9] = curly
        row[10] = ascii_counts[35]
        row[11] = ascii_counts[10]
        row[12] = ellipses
        row[13] = url_characters


@njit(cache=True)
def _is_www(data, i):  # type: ignore[no-untyped-def]
    """Whether the three bytes before the full stop that ends before i are www, in any case."""
    return data[i - 2] | 32 == 119 and data[i - 3] | 32 == 119 and data[i - 4] | 32 == 119
