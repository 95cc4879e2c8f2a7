"""Batches of texts of different lengths, for fine-tuning: few tokens of padding, any number of processes.

    order     the samples in the keyed order of the epoch (data.permuted), cut into pools
    pool      sorted by length; cut into as few batches as possible, and so that least is padded
    batch     at most batch_tokens tokens, padding included: one optimizer step; the batches in a keyed order
    places    rank r of W, micro-batch k, row i compute sample (k W + r) rows + i of the batch, as in data.py

A length is the number of a sample's targets, one less than its tokens. Pure functions of their arguments: an epoch is
known from its number, a step from its place in it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from antimatter.errors import AntiMatterError
from antimatter.train.data import permuted, places_of_rank

MULTIPLE = 8
"""Batches are padded to a multiple of this: matrix units like it, and fewer shapes are met."""
POOL_BATCHES = 50
"""About as many batches of a pool differ in nothing but chance; more would pad less and mix less."""
IGNORED = -1
"""The target where there is nothing to learn."""


class TooLong(AntiMatterError, ValueError):
    """A sample that no batch has room for."""


def batches_of_epoch(lengths: NDArray[np.int64], seed: int, epoch: int, batch_tokens: int) -> list[NDArray[np.int64]]:
    """The samples of each batch of an epoch, in the order in which they are trained; every sample once.

    No grouping of a pool has fewer batches, and of those with as few none pads less.

    lengths  int64 [n], at least 1 each
    Raises:  TooLong naming the first sample that does not fit into batch_tokens.
    """
    widths = padded_width(lengths)
    if len(too_long := np.flatnonzero(widths > batch_tokens)):
        first = int(too_long[0])
        more = f" ({len(too_long):,} samples are like it)" if len(too_long) > 1 else ""
        raise TooLong(
            f"sample {first} has {lengths[first]:,} tokens to learn, padded to {widths[first]:,}, more than a batch of "
            f"{batch_tokens:,}{more}: raise batch_tokens, or cut or remove the sample."
        )
    order = _shuffled(len(lengths), seed, epoch)
    batches = [batch for pool in _pools(order, widths, batch_tokens) for batch in _grouped(pool, widths, batch_tokens)]
    return [batches[place] for place in _shuffled(len(batches), seed ^ 1, epoch)]


def _shuffled(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    places = np.arange(count, dtype=np.int64)
    return permuted(places, count, seed, epoch) if count else places


def padded_width(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lengths rounded up to the multiple.

    >>> padded_width(np.array([1, 8, 9])).tolist()
    [8, 8, 16]
    """
    return -(-lengths // MULTIPLE) * MULTIPLE


def _pools(order: NDArray[np.int64], widths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """The order in pieces of about POOL_BATCHES batches."""
    pools = np.cumsum(widths[order]) // (POOL_BATCHES * batch_tokens)
    return iter(np.split(order, np.flatnonzero(np.diff(pools)) + 1)) if len(order) else iter(())


def _grouped(pool: NDArray[np.int64], widths: NDArray[np.int64], batch_tokens: int) -> list[NDArray[np.int64]]:
    """The pool in batches: fewest, then least padded.

    To exchange samples so that every batch holds neighbours in order of length makes no batch wider, so it is enough to
    look at those: best[i] is the cheapest way to group the i shortest, a batch costing more than all padding together.
    """
    sorted_pool = pool[np.argsort(widths[pool], kind="stable")]
    width = widths[sorted_pool]
    batch_cost = int(width.sum()) + len(pool) * int(width[-1])
    best, last = np.zeros(len(pool) + 1, dtype=np.int64), np.zeros(len(pool) + 1, dtype=np.int64)
    for i in range(1, len(pool) + 1):
        counts = np.arange(1, min(i, batch_tokens // width[i - 1]) + 1)
        costs = best[i - counts] + counts * width[i - 1]
        last[i] = counts[np.argmin(costs)]
        best[i] = costs.min() + batch_cost
    batches, end = [], len(pool)
    while end:
        batches.append(sorted_pool[end - last[end] : end])
        end -= int(last[end])
    return batches


def parts_of_rank(
    batch: NDArray[np.int64], lengths: NDArray[np.int64], rank: int, world: int, micro_tokens: int
) -> NDArray[np.int64]:
    """int64 [A, rows]: the samples of a batch that `rank` computes, by micro-batch; -1 where none is left.

    A micro-batch has as many rows as fit into micro_tokens (at least one). A and rows are the same on all ranks, which
    must meet in every pass.
    """
    rows = min(max(1, micro_tokens // int(padded_width(lengths[batch]).max())), -(-len(batch) // world))
    accumulation = -(-len(batch) // (world * rows))
    filled = np.full(accumulation * world * rows, -1, dtype=np.int64)
    filled[: len(batch)] = batch
    return filled[places_of_rank(rank, world, rows, accumulation)]


def padded(
    sequences: Sequence[NDArray[np.int64]], pad: int, learnt: Sequence[NDArray[np.bool_]] | None = None
) -> tuple[Tensor, Tensor]:
    """int64 [B, T] inputs and targets of sequences of ids; T is the longest, rounded up.

    Inputs go on with `pad`, targets with IGNORED: a causal model never sees padding before a target. An empty sequence
    is a row of padding.

    learnt   for each token of each sequence whether it counts as a target (None: all do)
    """
    longest = max((len(ids) - 1 for ids in sequences), default=0)
    shape = (len(sequences), int(padded_width(np.array(max(1, longest)))))
    inputs, targets = np.full(shape, pad, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)
    for row, ids in enumerate(sequences):
        count = max(0, len(ids) - 1)
        inputs[row, :count] = ids[:count]
        targets[row, :count] = ids[1:] if learnt is None else np.where(learnt[row][1:], ids[1:], IGNORED)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def padding_share(batches: Sequence[NDArray[np.int64]], lengths: NDArray[np.int64]) -> float:
    """How much of the tokens that a model computes for these batches is padding."""
    computed = sum(len(batch) * int(padded_width(lengths[batch]).max()) for batch in batches)
    return 1 - sum(int(lengths[batch].sum()) for batch in batches) / computed if computed else 0.0
