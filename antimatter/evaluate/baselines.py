"""What counting alone achieves: the frequencies of tokens, and of pairs of neighbours, in the training text.

A language model that does not clearly beat the bigram has learned little more than a table of pairs. Both predict the
same targets as the model: everything after a BOS, the EOS included, but never a BOS.

    unigram   p(v)   = (c(v) + 1) / (N + V)                                               add-one over the vocabulary
    bigram    p(v|u) = (max(c(uv) - D, 0) + D N1+(u.) q(v)) / c(u)                        interpolated Kneser-Ney
              q(v)   = (max(N1+(.v) - D, 0) + D N1+(.) / V) / N1+(..)                     N1+ counts distinct pairs
              D      = n1 / (n1 + 2 n2): pairs seen once, twice                          p(v|u) = q(v) after an unseen u

Sources: Kneser and Ney 1995; Chen and Goodman 1999 (Computer Speech and Language 13), sections 2.7 and 3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antimatter.train.tokens import Split

BLOCK_TOKENS = 1 << 23
"""Tokens whose pairs are sorted at a time: 64 MB of packed pairs."""

Pairs = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""(previous << 32 | next, sorted and distinct; how often each was seen)."""


@dataclass(frozen=True)
class Counts:
    """Everything that the two baselines know. P distinct pairs, V vocabulary."""

    pairs: NDArray[np.uint64]
    """[P], previous << 32 | next, sorted."""
    pair_counts: NDArray[np.int64]
    """[P]"""
    vocabulary_size: int

    @property
    def targets(self) -> int:
        """Neighbours counted: N of the unigram."""
        return int(self.pair_counts.sum())


def count(split: Split, vocabulary_size: int, budget: int, bos: int | None = 1) -> Counts:
    """Pairs of neighbours in the first part of every shard, the same share of each, about `budget` tokens in all.

    bos  what documents begin with; None where they only end with something
    """
    share = min(1.0, budget / max(1, split.tokens))
    total: Pairs = (np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))
    for ids in _blocks(split, share):
        previous, following = ids[:-1], ids[1:]
        inside = following != (-1 if bos is None else bos)  # the neighbour of an EOS is another document's BOS
        packed = (previous[inside].astype(np.uint64) << np.uint64(32)) | following[inside].astype(np.uint64)
        total = _merge(total, np.unique(packed, return_counts=True))
    return Counts(*total, vocabulary_size)


def unigram_losses(counts: Counts, following_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """-ln p(v) for each target, float64 [N], nats."""
    seen_V = np.bincount(_following(counts), weights=counts.pair_counts, minlength=counts.vocabulary_size)
    probability_V = (seen_V + 1) / (counts.targets + counts.vocabulary_size)
    return np.asarray(-np.log(probability_V[following_N]))


def bigram_losses(counts: Counts, previous_N: NDArray[np.int64], following_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """-ln p(v|u) for each target v after u, float64 [N], nats; interpolated Kneser-Ney as above."""
    if not len(counts.pairs):
        return np.full(len(following_N), math.log(counts.vocabulary_size))
    size, discount = counts.vocabulary_size, discount_of(counts)
    before = (counts.pairs >> np.uint64(32)).astype(np.int64)
    seen_V = np.bincount(before, weights=counts.pair_counts, minlength=size)  # c(u)
    followers_V = np.bincount(before, minlength=size)  # N1+(u.)
    contexts_V = np.bincount(_following(counts), minlength=size)  # N1+(.v)
    spread = discount * np.count_nonzero(contexts_V) / size
    continuation_V = (np.maximum(contexts_V - discount, 0) + spread) / len(counts.pairs)  # q(v)

    packed_N = (previous_N.astype(np.uint64) << np.uint64(32)) | following_N.astype(np.uint64)
    place_N = np.minimum(np.searchsorted(counts.pairs, packed_N), len(counts.pairs) - 1)
    pair_N = np.where(counts.pairs[place_N] == packed_N, counts.pair_counts[place_N], 0)
    context_N = seen_V[previous_N]
    back_off_N = discount * followers_V[previous_N] * continuation_V[following_N]
    interpolated_N = (np.maximum(pair_N - discount, 0) + back_off_N) / np.maximum(context_N, 1)
    return np.asarray(-np.log(np.where(context_N > 0, interpolated_N, continuation_V[following_N])))


def discount_of(counts: Counts) -> float:
    """n1 / (n1 + 2 n2); 0.75 where the text is too small to tell (no pair seen once, or none seen twice)."""
    once, twice = int((counts.pair_counts == 1).sum()), int((counts.pair_counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.75


def entropy(ids_N: NDArray[np.int64]) -> float:
    """Entropy of the frequencies of these very tokens, nats: no unigram, however trained, can score them lower."""
    frequency = np.unique(ids_N, return_counts=True)[1] / len(ids_N)
    return float(-(frequency * np.log(frequency)).sum())


def _following(counts: Counts) -> NDArray[np.int64]:
    return (counts.pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _blocks(split: Split, share: float) -> Iterator[NDArray[np.integer]]:
    """The first `share` of every shard in blocks that overlap by one token, so that no pair is lost or seen twice."""
    width = split.dtype.itemsize
    for path in split.files:
        tokens = math.ceil(path.stat().st_size // width * share)
        for start in range(0, max(0, tokens - 1), BLOCK_TOKENS):
            here = min(BLOCK_TOKENS + 1, tokens - start)
            yield np.fromfile(path, dtype=split.dtype, count=here, offset=start * width)


def _merge(one: Pairs, other: Pairs) -> Pairs:
    """Two sorted tables of pairs as one, the counts of equal pairs added."""
    pairs, counts = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.argsort(pairs, kind="stable")
    pairs, counts = pairs[order], counts[order]
    starts = np.flatnonzero(np.diff(pairs, prepend=pairs[:1] + np.uint64(1)) != 0)
    return (pairs[starts], np.add.reduceat(counts, starts)) if len(pairs) else (pairs, counts)
