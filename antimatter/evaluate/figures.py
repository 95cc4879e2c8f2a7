"""The figures of a set of documents: loss, perplexity and bits per byte with their intervals, beside the baselines."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antimatter.evaluate import baselines, intervals
from antimatter.evaluate.scoring import Scores
from antimatter.evaluate.windows import Selection

BASELINES = (
    "unigram_entropy: entropy of the scored tokens themselves (the specification's unigram; it falls with the number "
    "of tokens, so sources of few tokens look easy). unigram: token frequencies of the training text, add-one. "
    "bigram: interpolated Kneser-Ney (Chen and Goodman 1999) over pairs of the training text. All three score exactly "
    "the targets that the model is scored on; improvement = baseline - loss, nats per token."
)
_LARGEST_EXPONENT = 700.0
"""exp of more is no float."""


@dataclass(frozen=True)
class Baseline:
    """What counting pays for the same N targets."""

    ids: NDArray[np.int64]
    """[N], the targets."""
    unigram: NDArray[np.float64]
    """[N], nats"""
    bigram: NDArray[np.float64]
    """[N], nats"""


def baseline(selection: Selection, counts: baselines.Counts) -> Baseline:
    """What counting pays for the targets of the selection, in their order."""
    at = np.flatnonzero(selection.counted)
    ids = selection.ids[at]
    bigram = baselines.bigram_losses(counts, selection.ids[at - 1], ids)
    return Baseline(ids, baselines.unigram_losses(counts, ids), bigram)


def per_source(scores: Scores, counting: Baseline | None, samples: int, seed: int) -> dict[str, Any]:
    """{"validation": figures of all targets, "sources": {name: figures}, "unscored_sources": names without a target}.

    counting: None for a model with another tokenizer than the tokens'. samples, seed: of the intervals.
    """
    targets = scores.of_documents()[1]
    sources = {}
    for index, name in enumerate(scores.sources):
        own = scores.source_of == index
        if targets[own].any():
            sources[name] = figures(scores, own, counting, samples, seed)
    everything = np.ones(len(scores.bytes), dtype=bool)
    return {
        "validation": figures(scores, everything, counting, samples, seed),
        "sources": sources,
        "unscored_sources": [name for name in scores.sources if name not in sources],
    }


def figures(
    scores: Scores, wanted_K: NDArray[np.bool_], counting: Baseline | None, samples: int, seed: int
) -> dict[str, Any]:
    """Figures of the documents where wanted_K holds; they have at least one target together."""
    nats_K, targets_K = scores.of_documents()
    nats, tokens, size = (
        float(nats_K[wanted_K].sum()),
        int(targets_K[wanted_K].sum()),
        int(scores.bytes[wanted_K].sum()),
    )
    loss = nats / tokens
    found = {
        "documents": int(wanted_K.sum()),
        "tokens": tokens,
        "bytes": size,
        "loss": loss,
        "perplexity": perplexity(loss),
        "bits_per_byte": bits_per_byte(nats, size),
    }
    if counting is not None:
        found |= _beside(loss, size, counting, wanted_K[scores.document])
    scored = wanted_K & (targets_K > 0)  # a document of control tokens alone has nothing to divide by
    return found | {"interval": _interval(nats_K[scored], targets_K[scored], scores.bytes[scored], samples, seed)}


def bits_per_byte(nats: float, size: int) -> float:
    """Comparable between tokenizers, as perplexity is not (Gao et al. 2020, arXiv 2101.00027, section 3.1)."""
    return nats / (math.log(2) * size)


def perplexity(loss: float) -> float:
    """exp(loss), or the largest that can be written."""
    return math.exp(min(loss, _LARGEST_EXPONENT))


def _beside(loss: float, size: int, counting: Baseline, chosen_N: NDArray[np.bool_]) -> dict[str, float]:
    unigram_N, bigram_N = counting.unigram[chosen_N], counting.bigram[chosen_N]
    entropy = baselines.entropy(counting.ids[chosen_N])
    unigram, bigram = float(unigram_N.mean()), float(bigram_N.mean())
    return {
        "unigram_entropy": entropy,
        "unigram_loss": unigram,
        "unigram_bits_per_byte": bits_per_byte(float(unigram_N.sum()), size),
        "bigram_loss": bigram,
        "bigram_bits_per_byte": bits_per_byte(float(bigram_N.sum()), size),
        "improvement_over_unigram_entropy": entropy - loss,
        "improvement_over_unigram": unigram - loss,
        "improvement_over_bigram": bigram - loss,
    }


def _interval(
    nats_K: NDArray[np.float64], targets_K: NDArray[np.int64], bytes_K: NDArray[np.int64], samples: int, seed: int
) -> dict[str, list[float]] | None:
    per_token = intervals.ratio(nats_K, targets_K, samples, seed)
    per_byte = intervals.ratio(nats_K, bytes_K, samples, seed)  # the same draws
    if per_token is None or per_byte is None:
        return None
    return {
        "bits_per_byte": [nats / math.log(2) for nats in per_byte],
        "loss": list(per_token),
        "perplexity": [perplexity(loss) for loss in per_token],
    }
