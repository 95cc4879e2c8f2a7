import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antimatter.train import lengths as module
from antimatter.train.data import permuted
from antimatter.train.lengths import (
    IGNORED,
    TooLong,
    batches_of_epoch,
    padded,
    padded_width,
    padding_share,
    parts_of_rank,
)

some_lengths = st.lists(st.integers(1, 100), max_size=60).map(lambda values: np.array(values, dtype=np.int64))


def size(batch, lengths):
    return len(batch) * int(padded_width(lengths[batch]).max())


def in_the_order_that_comes(order, lengths, batch_tokens):
    """Batches without sorting: each takes samples until the next one does not fit."""
    batches = []
    for sample in order:
        if batches and size(np.array([*batches[-1], sample]), lengths) <= batch_tokens:
            batches[-1].append(sample)
        else:
            batches.append([sample])
    return [np.array(batch) for batch in batches]


def all_groupings(samples):
    """Every way to part a list into groups."""
    if not samples:
        yield []
        return
    first, rest = samples[0], samples[1:]
    for groups in all_groupings(rest):
        yield [[first], *groups]
        for place in range(len(groups)):
            yield [*groups[:place], [first, *groups[place]], *groups[place + 1 :]]


@given(lengths=some_lengths, seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 9))
def test_every_sample_is_in_one_batch_and_every_batch_has_room(lengths, seed, epoch):
    batches = batches_of_epoch(lengths, seed, epoch, 104)
    assert sorted(sample for batch in batches for sample in batch) == list(range(len(lengths)))
    assert all(size(batch, lengths) <= 104 for batch in batches)


@given(values=st.lists(st.integers(1, 40), min_size=1, max_size=7))
def test_no_grouping_has_fewer_batches_and_none_with_as_few_pads_less(values):
    lengths = np.array(values)

    def cost(batches):
        return len(batches), sum(size(np.array(batch), lengths) for batch in batches)

    fitting = [
        groups
        for groups in all_groupings(list(range(len(values))))
        if all(size(np.array(group), lengths) <= 48 for group in groups)
    ]
    assert cost(batches_of_epoch(lengths, 1, 0, 48)) == min(map(cost, fitting))


@given(lengths=some_lengths.filter(len), seed=st.integers(0, 99))
def test_sorting_is_never_worse_than_batches_in_the_order_that_comes(lengths, seed):
    order = permuted(np.arange(len(lengths)), len(lengths), seed, 0)
    plain, batches = in_the_order_that_comes(order, lengths, 104), batches_of_epoch(lengths, seed, 0, 104)
    assert len(batches) <= len(plain)
    if len(batches) == len(plain):
        assert padding_share(batches, lengths) <= padding_share(plain, lengths)


def test_lengths_as_conversations_have_them_lose_little_to_padding_instead_of_half():
    lengths = np.clip(np.random.default_rng(0).lognormal(5, 1, 4000), 1, 2048).astype(np.int64)
    order = permuted(np.arange(4000), 4000, 1, 0)
    assert padding_share(in_the_order_that_comes(order, lengths, 8192), lengths) > 0.5
    assert padding_share(batches_of_epoch(lengths, 1, 0, 8192), lengths) < 0.06


def test_many_pools_still_hold_every_sample_once(monkeypatch):
    monkeypatch.setattr(module, "POOL_BATCHES", 2)
    lengths = np.random.default_rng(1).integers(1, 100, 500)
    batches = batches_of_epoch(lengths, 5, 3, 200)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert len(batches) < len(in_the_order_that_comes(range(500), lengths, 200))


def test_epochs_and_seeds_have_batches_of_their_own_and_repeat_them():
    lengths = np.random.default_rng(2).integers(1, 100, 300)

    def told(seed, epoch):
        return sorted(batch.tolist() for batch in batches_of_epoch(lengths, seed, epoch, 200))

    assert told(1, 0) == told(1, 0)
    assert len({str(told(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_batches_of_short_and_of_long_samples_come_mixed():
    lengths = np.arange(1, 401)  # one pool
    widest = [int(lengths[batch].max()) for batch in batches_of_epoch(lengths, 1, 0, 3200)]
    assert len(widest) > 20 and widest not in (sorted(widest), sorted(widest, reverse=True))


def test_a_sample_longer_than_a_batch_is_an_error_that_names_it():
    with pytest.raises(
        TooLong, match=r"sample 1 has 97 tokens to learn, padded to 104, .* of 100 \(2 samples are like it"
    ):
        batches_of_epoch(np.array([96, 97, 5, 200]), 1, 0, 100)


def test_no_samples_make_no_batches():
    assert batches_of_epoch(np.array([], dtype=np.int64), 1, 0, 96) == []


@given(lengths=some_lengths.filter(len), world=st.integers(1, 5), micro_tokens=st.integers(1, 700))
def test_the_ranks_compute_every_sample_of_a_batch_once_in_equal_numbers_of_passes(lengths, world, micro_tokens):
    batch = np.arange(len(lengths))[::-1]
    parts = [parts_of_rank(batch, lengths, rank, world, micro_tokens) for rank in range(world)]
    assert len({part.shape for part in parts}) == 1
    accumulation, rows = parts[0].shape
    computed = [parts[rank][k, i] for k in range(accumulation) for rank in range(world) for i in range(rows)]
    assert [sample for sample in computed if sample >= 0] == batch.tolist()
    assert rows <= -(-len(lengths) // world)
    assert rows == 1 or rows * int(padded_width(lengths).max()) <= micro_tokens


def test_inputs_end_with_padding_where_targets_are_ignored():
    sequences = [np.array([1, 11, 12, 2]), np.arange(10, 20), np.array([], dtype=np.int64)]
    inputs, targets = padded(sequences, pad=0)
    assert inputs.tolist() == [[1, 11, 12] + [0] * 13, [*range(10, 19)] + [0] * 7, [0] * 16]
    assert targets.tolist() == [[11, 12, 2] + [-1] * 13, [*range(11, 20)] + [-1] * 7, [-1] * 16]
    assert inputs.dtype == targets.dtype == torch.int64


def test_only_what_shall_be_learnt_is_a_target():
    answer = [np.array([False, False, True, True])]
    assert padded([np.array([1, 11, 12, 2])], 0, answer)[1][0, :3].tolist() == [IGNORED, 12, 2]


@given(sequences=st.lists(st.lists(st.integers(0, 9), max_size=30), min_size=1, max_size=6))
def test_a_padded_batch_holds_each_sequence_and_is_as_wide_as_its_longest_rounded_up(sequences):
    inputs, targets = padded([np.array(ids, dtype=np.int64) for ids in sequences], pad=99)
    longest = max(1, *(len(ids) - 1 for ids in sequences))
    assert inputs.shape == targets.shape == (len(sequences), -(-longest // 8) * 8)
    for ids, row, wanted in zip(sequences, inputs.tolist(), targets.tolist(), strict=True):
        assert [token for token in row if token != 99] == ids[:-1]
        assert [token for token in wanted if token != IGNORED] == ids[1:]
