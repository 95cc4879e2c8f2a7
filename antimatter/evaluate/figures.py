"""The figures of one set of targets, and the report of the evaluation: all of it, then source by source."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antimatter.evaluate import baselines
from antimatter.evaluate.windows import Selection

BASELINES = (
    "unigram_entropy: entropy of the scored tokens themselves (the specification's unigram; it falls with the number "
    "of tokens, so sources of few tokens look easy). unigram: token frequencies of the training text, add-one. "
    "bigram: interpolated Kneser-Ney (Chen and Goodman 1999) over pairs of the training text. All three score exactly "
    "the targets that the model is scored on; improvement = baseline - loss, nats per token."
)


def figures(
    model_N: NDArray[np.float64],
    unigram_N: NDArray[np.float64],
    bigram_N: NDArray[np.float64],
    ids_N: NDArray[np.int64],
    bytes_N: NDArray[np.int64],
) -> dict[str, float | int]:
    """Loss, perplexity and bits per byte of N >= 1 targets, beside the baselines.

    model_N, unigram_N, bigram_N: nats of each target. ids_N: the targets. bytes_N: UTF-8 bytes of each, all > 0.
    """
    loss, total_bytes = float(model_N.mean()), int(bytes_N.sum())
    entropy, unigram, bigram = baselines.entropy(ids_N), float(unigram_N.mean()), float(bigram_N.mean())
    return {
        "tokens": len(ids_N),
        "bytes": total_bytes,
        "loss": round(loss, 6),
        "perplexity": round(math.exp(min(loss, 700.0)), 6),
        "bits_per_byte": _bits_per_byte(model_N, total_bytes),
        "unigram_entropy": round(entropy, 6),
        "unigram_loss": round(unigram, 6),
        "unigram_bits_per_byte": _bits_per_byte(unigram_N, total_bytes),
        "bigram_loss": round(bigram, 6),
        "bigram_bits_per_byte": _bits_per_byte(bigram_N, total_bytes),
        "improvement_over_unigram_entropy": round(entropy - loss, 6),
        "improvement_over_unigram": round(unigram - loss, 6),
        "improvement_over_bigram": round(bigram - loss, 6),
    }


def per_source(
    selection: Selection, model_M: NDArray[np.float64], counts: baselines.Counts, token_bytes_V: NDArray[np.int64]
) -> dict[str, Any]:
    """{"validation": figures of all targets, "sources": {name: figures}, "unscored_sources": names without a target}.

    model_M: nats of every token of the selection, as scoring.losses gives them.
    """
    at = np.flatnonzero(selection.counted)
    ids, source = selection.ids[at], selection.source[at]
    columns = (
        model_M[at],
        baselines.unigram_losses(counts, ids),
        baselines.bigram_losses(counts, selection.ids[at - 1], ids),
        ids,
        token_bytes_V[ids],
    )
    sources = {}
    for index, name in enumerate(selection.sources):
        own = source == index
        if own.any():
            sources[name] = {"documents": int(selection.documents[index]), **figures(*(c[own] for c in columns))}
    return {
        "validation": {"documents": int(selection.documents.sum()), **figures(*columns)},
        "sources": sources,
        "unscored_sources": [name for name in selection.sources if name not in sources],
    }


def _bits_per_byte(nats_N: NDArray[np.float64], total_bytes: int) -> float:
    """Comparable between tokenizers, as perplexity is not (Gao et al. 2020, arXiv 2101.00027, section 3.1)."""
    return round(float(nats_N.sum()) / (math.log(2) * total_bytes), 6)
