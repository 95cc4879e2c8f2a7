"""Masking: evaluation items cut out of the documents that hold them. The one edit that filter makes."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antimatter.filter.decontaminate import Contamination
from antimatter.text.characters import END_MARKS
from antimatter.text.loose_words import loose_spans

PARAGRAPH_BREAK = "\n\n"
_MARKUP = "*_#`~\"'"
_PAUSES = ",;:、，；：…"


class Masked(NamedTuple):
    """Texts without the shared words."""

    texts: pa.Array
    """of the type that came; the very same array if nothing was cut"""
    characters: np.ndarray
    """int32[n]: characters that were cut: the words, what stands between them, the punctuation that hangs on them"""


def mask(texts: pa.Array, contamination: Contamination) -> Masked:
    """Documents that reach the minimum lose all their matches; a paragraph break stands where words were.

    A cut goes from the start of the first matched word to the end of the last one; matches that overlap or touch make
    one. Opening punctuation that hangs on the first word goes too, and end marks, pauses and closing punctuation that
    hang on the last one; markup (** or #) on either side; white space around. The end mark of the sentence before
    stays, and a tag. The paragraph break is left out at either end of the text. What remains is not searched again: an
    item that stood around another one closes up.
    """
    characters = np.zeros(len(texts), dtype=np.int32)
    rows = np.flatnonzero(contamination.reaches)
    edited = []
    documents, positions, lengths, _ = contamination.found
    for row in rows.tolist():
        begin, end = np.searchsorted(documents, [row, row + 1])
        starts, ends = positions[begin:end], positions[begin:end] + lengths[begin:end]
        text, characters[row] = _cut(texts[row].as_py(), starts.tolist(), ends.tolist())
        edited.append(text)
    if not edited:
        return Masked(texts, characters)
    is_edited = np.zeros(len(texts), dtype=bool)
    is_edited[rows] = True
    return Masked(pc.replace_with_mask(texts, pa.array(is_edited), pa.array(edited, texts.type)), characters)


def _cut(text: str, starts: Sequence[int], ends: Sequence[int]) -> tuple[str, int]:
    """(text without the words starts[i] to ends[i] - 1, characters cut); starts ascend."""
    runs: list[list[int]] = []
    for start, end in zip(starts, ends, strict=True):
        if runs and start <= runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], end)
        else:
            runs.append([start, end])
    borders = np.unique([word for start, end in runs for word in (start, end - 1)])
    spans = dict(zip(borders.tolist(), loose_spans(text, borders).tolist(), strict=True))
    kept, position, characters = [], 0, 0
    for start, end in runs:
        first, last = spans[start][0], spans[end - 1][1]
        while first > position and _opens(text[first - 1]):
            first -= 1
        while last < len(text) and _closes(text[last]):
            last += 1
        kept.append(text[position:first])
        characters += last - first
        position = last
    kept.append(text[position:])
    kept = [kept[0].rstrip(), *(piece.strip() for piece in kept[1:-1]), kept[-1].lstrip()]
    return PARAGRAPH_BREAK.join(piece for piece in kept if piece), characters


def _opens(character: str) -> bool:
    return character in _MARKUP or character in "¿¡" or unicodedata.category(character) in ("Ps", "Pi", "Pd")


def _closes(character: str) -> bool:
    if character in _MARKUP or character in _PAUSES or character in END_MARKS:
        return True
    return unicodedata.category(character) in ("Pe", "Pf", "Pd")
