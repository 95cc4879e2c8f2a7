"""Loose words: what is compared of texts that were written down in different ways.

    "Don\u2019t (re\u00adstart)!"  and  "don't <b>restart</b>"        don t restart   and   don t b restart b

Runs of letters, digits and marks; whatever else parts words, and format characters (soft hyphens, joiners) are not
there. Letters of scripts without spaces are words of their own, as among ordinary words. `segment(texts, loose=True)`
gives their hashes; here is where they lie, and the definition in plain Python.
"""

import unicodedata

import numpy as np
from numba import njit

from antimatter.text.characters import ALNUM, IGNORED, MARK, SPACE, STANDS_ALONE, decode, loose_flags
from antimatter.text.words import is_mark, stands_alone


def loose_words_of(text: str) -> list[str]:
    """The words of segment(..., loose=True), in plain Python."""
    words = [text[start:end] for start, end in loose_spans_of(text)]
    return ["".join(c for c in word if unicodedata.category(c) != "Cf") for word in words]


def loose_spans_of(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word of segment(..., loose=True) in characters, in plain Python. Format characters inside a
    span are no part of the word: loose_words_of leaves them out.

    >>> [text[start:end] for text in ["Don’t (re­start)!"] for start, end in loose_spans_of(text)]
    ['Don', 't', 're\xadstart']
    """
    spans = []
    start = end = -1
    is_alone = False
    for position, character in enumerate(text):
        if unicodedata.category(character) == "Cf":
            continue
        is_word, goes_on, alone = character.isalnum(), is_mark(character), stands_alone(character)
        if start >= 0 and (alone or (is_alone and not goes_on) or not (is_word or goes_on)):
            spans.append((start, end))
            start = -1
        if is_word and start < 0:
            start, is_alone = position, alone
        if start >= 0:
            end = position + 1
    return [*spans, (start, end)] if start >= 0 else spans


def loose_spans(text: str, chosen: np.ndarray) -> np.ndarray:
    """int64[k, 2]: loose_spans_of(text)[word] for the k words whose numbers ascend in `chosen`, by a kernel."""
    spans = np.full((len(chosen), 2), -1, dtype=np.int64)
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    _locate(data, loose_flags(), np.asarray(chosen, dtype=np.int64), spans)
    return spans


@njit(cache=True)
def _locate(data, flags, chosen, spans):  # type: ignore[no-untyped-def]
    """Fill spans[k] with the (start, end) in characters of word chosen[k] of a text with loose flags."""
    i = position = word = found = 0
    start = end = np.int64(-1)
    is_alone = False
    while found < len(chosen):
        at_end = i == len(data)
        flag = np.int64(SPACE)
        if not at_end:
            point, i = decode(data, i)
            flag = np.int64(flags[point])
        if flag & IGNORED == 0:
            if start >= 0 and (flag & (SPACE | STANDS_ALONE) != 0 or (is_alone and flag & MARK == 0)):
                if chosen[found] == word:
                    spans[found, 0], spans[found, 1] = start, end
                    found += 1
                word += 1
                start = np.int64(-1)
            if flag & ALNUM and start < 0:
                start, is_alone = np.int64(position), flag & STANDS_ALONE != 0
            if start >= 0:
                end = np.int64(position + 1)
        if at_end:
            return
        position += 1
