"""Training or validation, and the held-out documents that the training text has already seen.

A document's side is a keyed hash of its id: it depends on no other document and on no order. Held-out documents that
share more than a fifth of their 13-grams with training text would measure memory, so they are removed.
"""

import numpy as np
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
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
    runs = len(tokens) - size + 1
    mixed = np.zeros(runs, dtype=np.uint64)
    for position in range(size):
        mixed = _mix(mixed * _MULTIPLIER + tokens[position : position + runs].astype(np.uint64))
    return mixed


def _mix(values: Hashes) -> Hashes:
    """MurmurHash3's finalizer, elementwise."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def overlap_share(grams: Hashes, seen: Hashes) -> float:
    """Share of a document's n-grams that occur in `seen` (sorted, distinct); 0 without n-grams."""
    if not len(grams) or not len(seen):
        return 0.0
    places = np.searchsorted(seen, grams)
    places[places == len(seen)] = 0
    return float((seen[places] == grams).mean())
