"""Contents: the text behind its Unicode form and spacing, as a digest. Equal digests: exact copies.

"The  cat\\n"  and  "The cat"        one digest: xxh3_128 of the UTF-8 of " ".join(NFC(text).split())
"""

import itertools
import unicodedata

import numpy as np
import pyarrow as pa
import xxhash
from numba import njit

from antimatter.text.characters import SPACE, buffers, decode, tables


def canonical(texts: pa.Array) -> pa.Array:
    """The texts in Unicode's form NFC; the same array where they all were, as cleaned ones are.

    texts: string or large_string without nulls.
    """
    data, offsets = buffers(texts)
    doubtful = np.flatnonzero(_doubtful(data, offsets))
    forms: list[str] = []
    replaced: np.ndarray = np.zeros(len(texts), dtype=bool)
    for row in doubtful.tolist():
        text = texts[row].as_py()
        if not unicodedata.is_normalized("NFC", text):
            forms.append(unicodedata.normalize("NFC", text))
            replaced[row] = True
    if not forms:
        return texts
    rows = np.cumsum(replaced) - 1 + len(texts)
    chosen = np.where(replaced, rows, np.arange(len(texts)))
    return pa.concat_arrays([texts, pa.array(forms, texts.type)]).take(pa.array(chosen))


def content_digests(texts: pa.Array, collapse: bool = True) -> np.ndarray:
    """uint64[n, 2]: xxh3_128 of each canonical text, most significant half first.

    collapse  whitespace runs become one space, at the ends nothing
    """
    data, offsets = buffers(texts)
    if collapse:
        data, offsets = _collapsed(data, offsets, tables().flags)
    view = memoryview(np.ascontiguousarray(data).data)
    digest, bounds = xxhash.xxh3_128_digest, offsets.tolist()
    found = b"".join([digest(view[start:end]) for start, end in itertools.pairwise(bounds)])
    return np.frombuffer(found, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def content_digest(text: str, collapse: bool = True) -> bytes:
    """The digest of one text, in plain Python."""
    text = unicodedata.normalize("NFC", text)
    return xxhash.xxh3_128((" ".join(text.split()) if collapse else text).encode()).digest()


@njit(cache=True)
def _doubtful(data, offsets):  # type: ignore[no-untyped-def]
    """bool[n]: holds a character that NFC may not leave alone. Below U+0300, and from U+2002 to U+20CF (dashes, quotes,
    currencies), every character is its own form and joins with no other."""
    found = np.zeros(len(offsets) - 1, np.bool_)
    for d in range(len(found)):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            if i + 32 <= end:  # at memory speed where nothing is at U+0300 or above
                largest = np.uint8(0)
                for ahead in range(32):
                    largest = max(largest, data[i + ahead])
                if largest < 0xCC:
                    i += 32
                    continue
            if data[i] < 0xCC:
                i += 1
                continue
            point, i = decode(data, i)
            if not 0x2002 <= point <= 0x20CF:
                found[d] = True
                break
    return found


@njit(cache=True)
def _collapsed(data, offsets, flags):  # type: ignore[no-untyped-def]
    """(data, offsets) of the same texts with one space for each run of whitespace, and none at the ends."""
    n = len(offsets) - 1
    starts = np.zeros(n + 1, np.int64)
    out = np.empty(offsets[n] - offsets[0], np.uint8)
    size = 0
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        first = size
        waits = False
        while i < end:
            if 32 < data[i] < 128:  # most of most texts
                if waits:
                    out[size] = 32
                    size += 1
                    waits = False
                out[size] = data[i]
                size += 1
                i += 1
                continue
            point, behind = decode(data, i)
            if flags[point] & SPACE:
                waits = size > first
            else:
                if waits:
                    out[size] = 32
                    size += 1
                    waits = False
                while i < behind:
                    out[size] = data[i]
                    size += 1
                    i += 1
            i = behind
        starts[d + 1] = size
    return out[:size], starts
