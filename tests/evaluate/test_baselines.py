"""The counting models against their definitions, and counting on disk against counting in memory."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from antimatter.evaluate import baselines
from antimatter.train.tokens import Split

V = 12
documents = lists(lists(integers(3, V - 1), max_size=8), min_size=1, max_size=8)


def split_of(tmp_path, shards):
    files = []
    for index, ids in enumerate(shards):
        files.append(tmp_path / f"shard-{index}.bin")
        np.array(ids, dtype="<u2").tofile(files[-1])
    return Split(
        "train", tuple(files), tuple(np.cumsum([len(ids) for ids in shards]).tolist()), np.dtype("<u2"), 1 << 16
    )


def counts_of(sequences):
    pairs = Counter(pair for ids in sequences for pair in pairwise(ids) if pair[1] != 1)
    keys = sorted(pairs)
    packed = np.array([u << 32 | v for u, v in keys], dtype=np.uint64)
    return pairs, baselines.Counts(packed, np.array([pairs[key] for key in keys], dtype=np.int64), V)


def kneser_ney(pairs, u, v):
    """The definition, word for word."""
    once, twice = (sum(c == n for c in pairs.values()) for n in (1, 2))
    discount = once / (once + 2 * twice) if once and twice else 0.75
    followers, contexts = defaultdict(set), defaultdict(set)
    for before, after in pairs:
        followers[before].add(after)
        contexts[after].add(before)
    q = (max(len(contexts[v]) - discount, 0) + discount * sum(map(bool, contexts.values())) / V) / len(pairs)
    seen = sum(c for (before, _), c in pairs.items() if before == u)
    if not seen:
        return q
    return (max(pairs.get((u, v), 0) - discount, 0) + discount * len(followers[u]) * q) / seen


@given(documents)
def test_the_bigram_equals_its_definition(texts):
    pairs, counts = counts_of([[1, *ids, 2] for ids in texts])
    grid = [(u, v) for u in range(V) for v in range(V)]
    losses = baselines.bigram_losses(counts, *(np.array(column) for column in zip(*grid, strict=True)))
    for (u, v), nats in zip(grid, losses, strict=True):
        expected = kneser_ney(pairs, u, v)
        assert math.exp(-nats) == pytest.approx(expected, abs=1e-12)


@given(documents)
def test_both_baselines_are_distributions(texts):
    _, counts = counts_of([[1, *ids, 2] for ids in texts])
    everything = np.arange(V)
    assert np.exp(-baselines.unigram_losses(counts, everything)).sum() == pytest.approx(1)
    for previous in range(V):
        losses = baselines.bigram_losses(counts, np.full(V, previous), everything)
        assert np.exp(-losses).sum() == pytest.approx(1)


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_counting_in_blocks_over_shards_equals_counting_at_once(tmp_path, monkeypatch, block):
    monkeypatch.setattr(baselines, "BLOCK_TOKENS", block)
    random = np.random.default_rng(0)
    shards = [[t for _ in range(9) for t in (1, *random.integers(3, V, 7).tolist(), 2)] for _ in range(3)]
    found = baselines.count(split_of(tmp_path, [*shards, []]), V, budget=10**9)
    _, expected = counts_of(shards)
    assert found.pairs.tolist() == expected.pairs.tolist()
    assert found.pair_counts.tolist() == expected.pair_counts.tolist()


def test_a_budget_takes_the_same_share_of_every_shard(tmp_path):
    shards = [[1, *[3] * 98, 2], [1, *[4] * 38, 2]]
    found = baselines.count(split_of(tmp_path, shards), V, budget=70)
    assert found.targets == 49 + 19


def test_without_any_pair_the_bigram_is_uniform(tmp_path):
    found = baselines.count(split_of(tmp_path, [[1]]), V, budget=10)
    assert baselines.bigram_losses(found, np.array([1]), np.array([3])).tolist() == [math.log(V)]


def test_entropy_of_equally_frequent_tokens_is_the_logarithm_of_their_number():
    assert baselines.entropy(np.array([3, 4, 5, 6, 3, 4, 5, 6])) == pytest.approx(math.log(4))
