"""Where the loss comes from: how much of the context a target has before it, and how common it is in training text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from antimatter.evaluate.scoring import Scores
from antimatter.train.frequency import CLASSES, frequency_classes

POSITION = (
    "Mean loss of the targets by the number of tokens that their window holds before them, the one that begins the "
    "text included: 1, 2, 3 to 4, 5 to 8 and on by powers of two. Later windows of a long document begin in its "
    "middle, so the first places hold more than beginnings."
)
FREQUENCY = (
    "Mean loss of the targets by how often their token stands in the training text: vocabulary entries in the order of "
    "their counts, cut into ten classes of about a tenth of all occurrences each; 0 holds the most frequent, 9 the "
    "rarest. entries counts those that stand for text. An entry that fills several tenths leaves the later ones empty "
    "(loss null)."
)


def by_position(scores: Scores, context: int) -> list[dict[str, Any]]:
    """[{"from", "to", "tokens", "loss"}]: buckets without a target are left out, the last ends with the context.

    A target that sees s tokens lies in the bucket (2^(k-1), 2^k] with k = ceil(log2 s).
    """
    edges = 2 ** np.arange(max(1, int(context - 1).bit_length()) + 1)
    bucket_N = np.searchsorted(edges, scores.seen)  # the first edge that is at least s
    tokens, nats = np.bincount(bucket_N), np.bincount(bucket_N, scores.nats)
    return [
        {
            "from": int(edges[k - 1]) + 1 if k else 1,
            "to": min(int(edges[k]), context),
            "tokens": int(tokens[k]),
            "loss": float(nats[k] / tokens[k]),
        }
        for k in np.flatnonzero(tokens)
    ]


def by_frequency(
    scores: Scores, ids_N: NDArray[np.int64], token_counts_V: NDArray[np.int64], token_bytes_V: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """[{"class", "entries", "tokens", "loss"}] of all ten classes; ids_N: the targets."""
    class_V = frequency_classes(token_counts_V)
    entries = np.bincount(class_V[token_bytes_V > 0], minlength=CLASSES)
    class_N = class_V[ids_N]
    tokens, nats = np.bincount(class_N, minlength=CLASSES), np.bincount(class_N, scores.nats, minlength=CLASSES)
    return [
        {
            "class": k,
            "entries": int(entries[k]),
            "tokens": int(tokens[k]),
            "loss": float(nats[k] / tokens[k]) if tokens[k] else None,
        }
        for k in range(CLASSES)
    ]
