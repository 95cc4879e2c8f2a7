"""Training or validation: a keyed hash of a document's id, so its side depends on no other document and on no order.

Where that would hold out too few documents, every document is cut instead and its last part held out.
"""

from collections.abc import Iterable

import numpy as np
import xxhash
from numpy.typing import NDArray

from antimatter.params.tokenize import Tokenize

FEWEST_HELD_OUT = 5
"""Where fewer documents than this can be expected to be held out, the split would be a lottery that may leave nothing:
every document is cut instead, its last part held out."""


def is_validation(document_id: bytes, share: float, seed: int) -> bool:
    """True for about `share` of all ids, always for the same ones."""
    return xxhash.xxh3_64_intdigest(document_id, seed=seed) < int(share * 2**64)


def are_validation(ids: Iterable[bytes], settings: Tokenize) -> NDArray[np.bool_]:
    """is_validation of each id."""
    return np.array([is_validation(i, settings.validation_share, settings.split_seed) for i in ids], dtype=np.bool_)


def is_by_position(documents: int, settings: Tokenize) -> bool:
    """Whether a corpus of so many documents is split inside them."""
    return documents * settings.validation_share < FEWEST_HELD_OUT


def cut_of(length: int, settings: Tokenize) -> int:
    """Split by position: the first cut_of(...) of a document's `length` framed tokens are training, at least 2."""
    return min(length, max(2, round(length * (1 - settings.validation_share))))
