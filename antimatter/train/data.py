"""Which tokens a step reads: a pure function of (seed, step), on any number of processes.

A sample is a window of T + 1 tokens; windows start every T tokens, so each token is a target once an epoch.

    epoch e            reads all N = (tokens - 1) // T windows in the order P(seed, e), a keyed permutation
    cursor c           counts samples since the start: epoch c // N, place c % N
    step s (from 1)    cursors [(s - 1) B, s B)      B = train.batch_tokens / T; see interventions.py
    rank r of W, micro-batch k, row i                place (k W + r) micro_batch + i of that step

No iterator, no random state: resuming, skipping and changing the number of processes need nothing but the numbers.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from antimatter.train.tokens import Split, TokensError

_ROUNDS = 6


def window_count(split: Split, length: int) -> int:
    """Windows of length + 1 tokens at stride `length`. Raises TokensError if there is not even one."""
    count = (split.tokens - 1) // length
    if count < 1:
        raise TokensError(
            f"{split.name} has {split.tokens} tokens, fewer than one sample of {length} + 1: "
            f"add text to input/ and run `dvc repro`, or lower train.sequence_length."
        )
    return count


def samples_of_step(seed: int, step: int, batch: int, windows: int) -> NDArray[np.int64]:
    """int64 [batch]: the window that each place of step `step` (from 1) reads in a run that was never disturbed."""
    return samples_at(seed, (step - 1) * batch, batch, windows)


def samples_at(seed: int, cursor: int, batch: int, windows: int) -> NDArray[np.int64]:
    """int64 [batch]: the windows at the cursors [cursor, cursor + batch)."""
    cursors = np.arange(cursor, cursor + batch, dtype=np.int64)
    samples = np.empty(batch, dtype=np.int64)
    for epoch in range(int(cursors[0]) // windows, int(cursors[-1]) // windows + 1):
        here = cursors // windows == epoch
        samples[here] = permuted(cursors[here] % windows, windows, seed, epoch)
    return samples


def permuted(index: NDArray[np.int64], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """P(seed, epoch)[index]: a bijection of [0, count), each value computed on its own.

    A Feistel network of six rounds over the smallest 2^(2h) >= count; a value outside [0, count) goes through again
    until it lies inside (cycle walking; Black and Rogaway 2002), fewer than four times on average.
    """
    half = max(1, -(-max(1, (count - 1).bit_length()) // 2))
    keys = round_keys(seed, epoch)
    value = _feistel(index.astype(np.uint64), half, keys)
    while (outside := value >= count).any():
        value[outside] = _feistel(value[outside], half, keys)
    return value.astype(np.int64)


def round_keys(seed: int, epoch: int) -> list[int]:
    """Six 64-bit keys."""
    data = b"".join(
        hashlib.blake2b(f"antimatter data order {seed} {epoch} {r}".encode(), digest_size=8).digest()
        for r in range(_ROUNDS)
    )
    return [int(key) for key in np.frombuffer(data, dtype="<u8")]


def _feistel(value: NDArray[np.uint64], half: int, keys: list[int]) -> NDArray[np.uint64]:
    shift, mask = np.uint64(half), np.uint64(2**half - 1)
    left, right = value >> shift, value & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ np.uint64(key)) & mask)
    return (left << shift) | right


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele et al. 2014): every input bit reaches every output bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def places_of_rank(rank: int, world: int, micro_batch: int, accumulation: int) -> NDArray[np.int64]:
    """int64 [accumulation, micro_batch]: the places of a step that `rank` computes."""
    k = np.arange(accumulation)[:, None]
    return (k * world + rank) * micro_batch + np.arange(micro_batch)[None, :]


def read_windows(split: Split, samples: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """int64 [len(samples), length + 1]: inputs are [:, :-1], targets [:, 1:]."""
    return np.stack([split.read(int(sample) * length, length + 1) for sample in samples])


def validation_windows(split: Split, sequences: int, length: int) -> tuple[NDArray[np.int64], int]:
    """(windows, their length): up to `sequences` windows, evenly spread, always the same ones.

    A split with fewer than length + 1 tokens gives one shorter window. Raises TokensError if nothing can be predicted.
    """
    if split.tokens < 2:
        raise TokensError(
            f"validation has {split.tokens} tokens, so nothing to predict: add text to input/ (5 % of the documents "
            f"are held out) and run `dvc repro`."
        )
    length = min(length, split.tokens - 1)
    available = window_count(split, length)
    count = min(sequences, available)
    return np.arange(count, dtype=np.int64) * available // count, length


def dropout_seed(seed: int, step: int, rank: int, micro_step: int) -> int:
    """63 bits for the dropout masks of one forward pass: a resumed run draws the masks that it would have drawn."""
    text = f"antimatter dropout {seed} {step} {rank} {micro_step}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
