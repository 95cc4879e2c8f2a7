"""Training or validation, and the held-out documents that the training text has already seen.

A document's side is a keyed hash of its id: it depends on no other document and on no order. Held-out documents that
share more than a fifth of their 13-grams with training text would measure memory, so they are removed.
"""

import numpy as np
import xxhash
from numpy.typing import NDArray

from antimatter.dedup.shingles import Hashes, combine

FEWEST_HELD_OUT = 5
"""Where fewer documents than this can be expected to be held out, the split would be a lottery that may leave nothing:
every document is cut instead, its last part held out."""


def is_validation(document_id: bytes, share: float, seed: int) -> bool:
    """True for about `share` of all ids, always for the same ones."""
    return xxhash.xxh3_64_intdigest(document_id, seed=seed) < int(share * 2**64)


def ngrams(tokens: NDArray[np.unsignedinteger], size: int) -> Hashes:
    """64-bit hash of every run of `size` tokens, uint64 [tokens - size + 1]; empty for shorter input."""
    if len(tokens) < size:
        return np.empty(0, dtype=np.uint64)
    return combine(tokens.astype(np.uint64), size)


def overlap_share(grams: Hashes, seen: Hashes) -> float:
    """Share of a document's n-grams that occur in `seen` (sorted, distinct); 0 without n-grams."""
    if not len(grams) or not len(seen):
        return 0.0
    places = np.searchsorted(seen, grams)
    places[places == len(seen)] = 0
    return float((seen[places] == grams).mean())
