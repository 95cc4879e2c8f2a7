"""Frames: [BOS] ids [EOS] around every document, put on for many at once (arrays, no loop a document)."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from antimatter.tokenizer.interface import Encoded, Tokenizer

Value = TypeVar("Value", bound=np.generic)


class Frame(NamedTuple):
    """What stands around a document."""

    front: int | None
    back: int | None

    @property
    def size(self) -> int:
        """Tokens of it."""
        return (self.front is not None) + (self.back is not None)


def frame_of(tokenizer: Tokenizer) -> Frame:
    """[BOS] text [EOS]; where both are one token (GPT-2's <|endoftext|>) it stands in front alone, and the next
    document's ends the text; where there is no BOS, EOS alone."""
    bos, eos = tokenizer.specials.get("bos"), tokenizer.specials["eos"]
    return Frame(bos, None if bos == eos else eos)


def put_on(encoded: Encoded, frame: Frame) -> Encoded:
    """Every document with its frame."""
    starts = encoded.starts + frame.size * np.arange(len(encoded.starts))
    ids = np.empty(int(starts[-1]), dtype=encoded.ids.dtype)
    inner = np.ones(len(ids), dtype=np.bool_)
    if frame.front is not None:
        ids[starts[:-1]] = frame.front
        inner[starts[:-1]] = False
    if frame.back is not None:
        ids[starts[1:] - 1] = frame.back
        inner[starts[1:] - 1] = False
    ids[inner] = encoded.ids
    return Encoded(ids, starts)


def apart(starts: NDArray[np.int64], frame: Frame) -> NDArray[np.int64]:
    """Bounds that make each token of a frame a document of its own: [BOS] [text] [EOS] [BOS] [text] [EOS] ...;
    `of_texts` finds the texts among them."""
    columns = [starts[:-1]]
    if frame.front is not None:
        columns.append(starts[:-1] + 1)
    if frame.back is not None:
        columns.append(starts[1:] - 1)
    return np.concatenate([np.stack(columns, axis=1).ravel(), starts[-1:]]).astype(np.int64)


def of_texts(values: NDArray[Value], frame: Frame) -> NDArray[Value]:
    """[n]: the values of the texts, of a value for each of the n * (1 + frame.size) documents that `apart` makes.

    >>> of_texts(np.array(["[BOS]", "one", "[EOS]", "[BOS]", "two", "[EOS]"]), Frame(1, 2)).tolist()
    ['one', 'two']
    """
    return values[int(frame.front is not None) :: 1 + frame.size]


def parted(encoded: Encoded, cuts: NDArray[np.int64]) -> tuple[Encoded, Encoded]:
    """The first cuts[d] ids of every document d, and the rest; both keep all documents, some empty."""
    lengths = np.diff(encoded.starts)
    within = np.arange(len(encoded.ids)) - np.repeat(encoded.starts[:-1], lengths)
    is_first = within < np.repeat(cuts, lengths)
    first, rest = (np.concatenate([[0], np.cumsum(parts)]) for parts in (cuts, lengths - cuts))
    return Encoded(encoded.ids[is_first], first), Encoded(encoded.ids[~is_first], rest)


def chosen(encoded: Encoded, wanted: NDArray[np.bool_]) -> Encoded:
    """Some of the documents."""
    lengths = np.diff(encoded.starts)
    starts = np.concatenate([[0], np.cumsum(lengths[wanted])])
    return Encoded(encoded.ids[np.repeat(wanted, lengths)], starts)
