"""Samples: the piece of a text on which its language is judged, and what in it can speak a language."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import LETTER, LOWER, STANDS_ALONE, UPPER, buffers, decode, tables

_REACH = 40  # bytes: how far a cut may move to fall behind a space
SPACES = (
    "\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What is a space to Unicode, but part of a word to detectors: all beyond ASCII."""
_ADDRESS = re.compile(r"(?:[A-Za-z]{2,10}://|www\.)[!-;=?-~]+|[\w.+-]{1,64}@[\w.-]{1,255}", re.ASCII)


def samples_of(texts: pa.Array, characters: int) -> list[str]:
    """Half of each sample from the start of its text, half from the middle, a line break between; short texts whole.

    texts:   string or large_string, no nulls; n texts. Only the bytes of the samples are decoded.
    Returns: n strings of at most `characters` code points. The middle is that of the bytes; a cut moves up to 40 bytes
             so that it falls behind a space, where there is one.
    Raises:  TypeError for an array of another type, ValueError for nulls or fewer than two characters.
    """
    if characters < 2:
        raise ValueError(f"a sample of {characters} characters has no two halves")
    data, starts = buffers(texts)
    content = memoryview(data.data)
    samples = []
    for start, first_end, second, end in _cuts(data, starts, characters).tolist():
        first = str(content[start:first_end], "utf-8")
        samples.append(first if second == end else f"{first}\n{str(content[second:end], 'utf-8')}")
    return samples


def shorter(sample: str, characters: int) -> str:
    """`sample` if it is no longer than that, else as many characters, half from its start and half from its middle."""
    if len(sample) <= characters:
        return sample
    half, middle = (characters - 1) // 2, len(sample) // 2
    return f"{sample[: characters - half - 1]}\n{sample[middle : middle + half]}"


def speaking(samples: Sequence[str], minimum_letters: int) -> tuple[list[int], list[str]]:
    """Which samples have enough letters to be judged, and what of them is to be judged.

    Every space becomes a plain one. Addresses of the web and of mail go: they are English to every detector, whoever
    writes them. A sample with more upper- than lower-case letters is lowered: detectors learned from running text.

    A letter of a script without spaces (Han, kana, Thai, ...) counts as two: it says as much as a syllable.
    """
    plain = [one if one.isascii() else _with_plain_spaces(one) for one in samples]
    stripped = [_ADDRESS.sub(" ", one) if "@" in one or "://" in one or "www." in one else one for one in plain]
    letters, upper, lower = _count(*pack(stripped), tables().flags)
    rows = np.flatnonzero(letters >= minimum_letters).tolist()
    shouted = (upper > lower).tolist()
    return rows, [stripped[row].lower() if shouted[row] else stripped[row] for row in rows]


def _with_plain_spaces(text: str) -> str:
    for space in SPACES:  # ten times as fast as a regular expression
        text = text.replace(space, " ")
    return text


def pack(samples: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(UTF-8 uint8[], offsets int64[n+1]); a lone surrogate is written as if it were a character."""
    encoded = [sample.encode("utf-8", "surrogatepass") for sample in samples]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


@njit(cache=True)
def _cuts(data, starts, characters):  # type: ignore[no-untyped-def]
    """int64[n, 4]: the sample is bytes [0]:[1] and [2]:[3]; [2] == [3] if it is the whole text."""
    cuts = np.empty((len(starts) - 1, 4), dtype=np.int64)
    half = (characters - 1) // 2
    for text in range(len(starts) - 1):
        start, end = starts[text], starts[text + 1]
        cuts[text] = (start, end, end, end)
        if end - start <= characters or _forward(data, start, end, characters) == end:
            continue
        first_end = _forward(data, start, end, characters - half - 1)
        second = start + (end - start) // 2
        while data[second] & 0xC0 == 0x80:
            second += 1
        second = max(second, first_end)
        second_end = _forward(data, second, end, half)
        cuts[text, 1] = _behind_space(data, first_end, start)
        for i in range(second, min(second + _REACH, second_end)):
            if _is_blank(data[i]):
                second = i + 1
                break
        cuts[text, 2] = second
        cuts[text, 3] = second_end if second_end == end else _behind_space(data, second_end, second)
    return cuts


@njit(cache=True, inline="always")
def _forward(data, i, end, characters):  # type: ignore[no-untyped-def]
    """Where `characters` code points from i end, or the end of the text."""
    while characters > 0 and i < end:
        i += 1
        while i < end and data[i] & 0xC0 == 0x80:
            i += 1
        characters -= 1
    return i


@njit(cache=True, inline="always")
def _is_blank(byte):  # type: ignore[no-untyped-def]
    return byte == 0x20 or 0x09 <= byte <= 0x0D


@njit(cache=True)
def _behind_space(data, i, least):  # type: ignore[no-untyped-def]
    """The last place in reach before i that is behind a space, or i."""
    for place in range(i, max(i - _REACH, least), -1):
        if _is_blank(data[place - 1]):
            return place
    return i


@njit(cache=True)
def _count(data, offsets, flags):  # type: ignore[no-untyped-def]
    """Letters (those of scripts without spaces twice), upper- and lower-case characters of each sample, int64[n]."""
    letters = np.zeros(len(offsets) - 1, dtype=np.int64)
    upper = np.zeros(len(offsets) - 1, dtype=np.int64)
    lower = np.zeros(len(offsets) - 1, dtype=np.int64)
    for sample in range(len(offsets) - 1):
        i = offsets[sample]
        while i < offsets[sample + 1]:
            point, i = decode(data, i)
            flag = flags[point]
            letters[sample] += ((flag & LETTER) != 0) + ((flag & STANDS_ALONE) != 0)
            upper[sample] += (flag & UPPER) != 0
            lower[sample] += (flag & LOWER) != 0
    return letters, upper, lower
