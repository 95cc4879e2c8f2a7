"""How much a text's first half helps with its second: does the model use what it has read?

    own      BOS | first half of the document   | second half      bits per byte of the second half
    other    BOS | first half of another one    | second half      the same targets

    coherence of a document = (nats after the other - nats after its own) / (ln 2 * UTF-8 bytes of the second half)

Both contexts have the same number of tokens (the last ones of a longer half), so that length alone gains nothing. The
other document stands for no context in particular, so the drop estimates how much the model's probability of the second
half depends on the first (their pointwise mutual information under the model). A model that ignores its context has 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antimatter.evaluate import intervals
from antimatter.evaluate.scoring import window_losses
from antimatter.evaluate.shuffling import derangement
from antimatter.evaluate.subject import Subject
from antimatter.evaluate.windows import excerpts
from antimatter.model.text import Text
from antimatter.params.evaluate import Evaluate
from antimatter.train.tokens import Tokens

LONGEST_HALF = 128
"""Tokens of our tokenizer; one number for all models, where their contexts hold both halves, so that they compare."""
SHORTEST_HALF = 16
"""Tokens: less gives no context worth the name (half of what the context holds, where that is less)."""
FEWEST = 2
UNIT = "bits per byte"

METHOD = (
    "The loss of the second half of a document after its own first half, against the loss of the same targets after "
    "the first half of another document (one random cycle, seed {seed}): mean drop over documents, in bits per UTF-8 "
    "byte of the second half; 0 for a model that ignores its context. The first {asked} validation documents, in the "
    "order of a hash of their ids, with {shortest} to {longest} tokens a half ({available} are long enough; of longer "
    "ones the beginning); both contexts are cut to the same number of tokens, the last ones, behind the token that "
    "begins a text, and fit into the model's context. Interval: 95 % percentile bootstrap over documents."
)


def measure(
    subject: Subject,
    tokens: Tokens,
    settings: Evaluate,
    decode: Callable[[Sequence[int]], str],
    has_own_ids: bool,
) -> tuple[dict[str, Any] | None, str]:
    """({"value", "interval", "documents", "unit"}, the method; or without figures why there are none)."""
    if not settings.coherence_documents:
        return None, "not asked for (evaluate.coherence_documents is 0)"
    longest = min(LONGEST_HALF, subject.context // 2)
    shortest = min(SHORTEST_HALF, longest)
    found = excerpts(tokens, 2 * shortest, 2 * longest, settings.coherence_documents)
    firsts, seconds, sizes = [], [], []
    reader = Text(lambda text: [], decode, 0, 0, ())  # `after` needs decoding alone
    for ids in found.ids:
        half = len(ids) // 2
        first, second = ids[:half].tolist(), ids[half : 2 * half].tolist()
        size = int(tokens.token_bytes[second].sum())
        if not has_own_ids:
            head, text = decode(first).rstrip("\ufffd"), reader.after(first, second).strip("\ufffd")
            first, second, size = subject.encode(head), subject.encode(text), len(text.encode())
        if first and size and 0 < len(second) <= subject.context // 2:  # a frugal tokenizer of ours, a wasteful other
            firsts.append(first)
            seconds.append(second)
            sizes.append(size)
    if len(seconds) < FEWEST:
        return None, (
            f"none: {len(seconds)} validation documents have two halves of {shortest} tokens that fit into the model's "
            f"context, {FEWEST} are needed"
        )
    values_K = drops(subject, firsts, seconds, np.array(sizes), derangement(len(seconds), settings.seed))
    interval = intervals.mean(values_K, settings.bootstrap_samples, settings.seed)
    method = METHOD.format(
        seed=settings.seed, asked=settings.coherence_documents, shortest=shortest, longest=longest,
        available=found.available,
    )  # fmt: skip
    return {
        "value": float(values_K.mean()),
        "interval": list(interval) if interval else None,
        "documents": len(values_K),
        "unit": UNIT,
    }, method


def drops(
    subject: Subject,
    firsts: Sequence[list[int]],
    seconds: Sequence[list[int]],
    sizes_K: NDArray[np.int64],
    others_K: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Bits per byte that each second half pays less after its own first half than after others_K's, float64 [K]."""
    rows: list[list[int]] = []
    for own, other in enumerate(others_K):
        room = subject.context - len(seconds[own])
        kept = min(len(firsts[own]), len(firsts[other]), room)
        rows += [[subject.bos, *firsts[which][-kept:], *seconds[own]] for which in (own, other)]
    lengths = [len(row) for row in rows]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    windows = np.stack([starts, np.array(lengths) - 1], axis=1)
    nats = window_losses(subject, np.concatenate([np.array(row, dtype=np.int64) for row in rows]), windows)
    paid = np.array([nats[end - len(seconds[row // 2]) : end].sum() for row, end in enumerate(ends)]).reshape(
        -1, 2
    )  # own, other
    return np.asarray((paid[:, 1] - paid[:, 0]) / (math.log(2) * sizes_K))
