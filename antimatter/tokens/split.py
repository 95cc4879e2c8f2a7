"""Training or validation: a keyed hash of a document's id, so its side depends on no other document and on no order.

In a corpus so small that this could hold out next to nothing, every document is cut instead and its last part held out.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from antimatter.corpus.schema import falls_below
from antimatter.params.tokenize import Tokenize

FEWEST_HELD_OUT = 5
"""Documents: where fewer can be expected, their number is a lottery that may leave none."""


def is_validation(document_id: bytes, share: float, seed: int) -> bool:
    """True for about `share` of all ids, always for the same ones."""
    return falls_below(document_id, share, seed)


def are_validation(ids: Iterable[bytes], settings: Tokenize) -> NDArray[np.bool_]:
    """is_validation of each id."""
    return np.array([is_validation(i, settings.validation_share, settings.split_seed) for i in ids], dtype=np.bool_)


def is_by_position(documents: int, settings: Tokenize) -> bool:
    """Whether a corpus of so many documents is split inside them."""
    return documents * settings.validation_share < FEWEST_HELD_OUT


def cut_of(length: int, settings: Tokenize) -> int:
    """Split by position: the first cut_of(...) of a document's `length` framed tokens are training, at least 2."""
    return min(length, max(2, round(length * (1 - settings.validation_share))))
