"""95 % intervals by drawing whole documents anew, with replacement (percentile bootstrap).

Documents are the unit, not tokens: tokens of one document share its subject and its style, so that a rare word which
is hard once is hard ten times. Drawn one by one they would pretend to be independent, and the interval be too narrow.

    sample s    K documents drawn from K, with replacement
    ratio       sum of nats of those drawn / sum of their bytes (or tokens): a long document weighs what it weighs
    interval    from the 2.5th to the 97.5th percentile of the samples

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. The interval tells how much another
choice of documents of the same kind would change the figure, not how another training run would.
"""

import numpy as np
from numpy.typing import NDArray

BLOCK_DRAWS = 1 << 22
"""Draws held at a time: 32 MB of indices and as many of counts, however many documents and samples there are."""
PERCENTILES = (2.5, 97.5)

METHOD = (
    "95 % percentile bootstrap over whole documents ({samples} samples, seed {seed}): documents are drawn with "
    "replacement, nats and bytes (or tokens) of those drawn are added up, then divided once; perplexity is the "
    "exponential of the loss. The unit is the document, because the tokens of one document are not independent. "
    "It holds for other text of this kind, not for another training run. null: fewer than two documents, whose "
    "spread nobody can tell, or evaluate.bootstrap_samples is 0."
)

Interval = tuple[float, float]


def resampled_sums(values_KC: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """The column sums of K rows drawn from K with replacement, float64 [samples, C]; C columns share every draw."""
    K = len(values_KC)
    random = np.random.default_rng(seed)
    rows = max(1, BLOCK_DRAWS // max(1, K))
    blocks = []
    for start in range(0, samples, rows):
        block = min(rows, samples - start)
        drawn = random.integers(0, K, size=(block, K)) + np.arange(block)[:, None] * K
        times_SK = np.bincount(drawn.ravel(), minlength=block * K).reshape(block, K)
        blocks.append(np.einsum("sk,kc->sc", times_SK, values_KC))  # no BLAS: equal on any number of threads
    return np.concatenate(blocks) if blocks else np.empty((0, values_KC.shape[1]))


def ratio(nats_K: NDArray[np.float64], units_K: NDArray[np.int64], samples: int, seed: int) -> Interval | None:
    """The interval of sum(nats) / sum(units) over K documents, each with units > 0; None: see METHOD."""
    if len(nats_K) < 2 or not samples:
        return None
    sums_S2 = resampled_sums(np.stack([nats_K, units_K], axis=1).astype(np.float64), samples, seed)
    low, high = np.percentile(sums_S2[:, 0] / sums_S2[:, 1], PERCENTILES)
    return float(low), float(high)


def mean(values_K: NDArray[np.float64], samples: int, seed: int) -> Interval | None:
    """The interval of the mean of one value a document; None: see METHOD."""
    return ratio(values_K, np.ones(len(values_K), dtype=np.int64), samples, seed)
