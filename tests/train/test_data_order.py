import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.train.data import (
    dropout_seed,
    permuted,
    places_of_rank,
    read_windows,
    round_keys,
    samples_at,
    samples_of_step,
    validation_windows,
    window_count,
)
from antimatter.train.tokens import TokensError, open_tokens

MASK = 2**64 - 1


def plain_mix(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def plain_permuted(index: int, count: int, seed: int, epoch: int) -> int:
    """The definition, one number at a time."""
    half = 1
    while 4**half < count:
        half += 1
    while True:
        left, right = index >> half, index & (2**half - 1)
        for key in round_keys(seed, epoch):
            left, right = right, left ^ (plain_mix(right ^ key) & (2**half - 1))
        index = left << half | right
        if index < count:
            return index


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 700), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 1000))
def test_an_epoch_reads_every_window_once(count, seed, epoch):
    assert sorted(permuted(np.arange(count), count, seed, epoch)) == list(range(count))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.integers(1, 2**40), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 9))
def test_the_permutation_equals_its_definition(data, count, seed, epoch):
    index = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=5))
    expected = [plain_permuted(i, count, seed, epoch) for i in index]
    assert permuted(np.array(index), count, seed, epoch).tolist() == expected


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [tuple(permuted(np.arange(50), 50, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)]
    assert len(set(orders)) == 4


def test_steps_walk_through_the_epochs_without_a_gap():
    read = np.concatenate([samples_of_step(5, step, 8, 21) for step in range(1, 22)])
    for epoch in range(8):
        order = permuted(np.arange(21), 21, 5, epoch)
        assert read[21 * epoch : 21 * (epoch + 1)].tolist() == order.tolist()


@settings(max_examples=40)
@given(cursor=st.integers(0, 500), batch=st.integers(1, 60), seed=st.integers(0, 99))
def test_the_samples_at_a_cursor_do_not_depend_on_where_steps_begin(cursor, batch, seed):
    one_by_one = [permuted(np.array([c % 21]), 21, seed, c // 21)[0] for c in range(cursor, cursor + batch)]
    assert samples_at(seed, cursor, batch, 21).tolist() == one_by_one


def test_an_undisturbed_step_begins_where_the_one_before_ended():
    assert samples_of_step(5, 3, 8, 21).tolist() == samples_at(5, 16, 8, 21).tolist()


def test_a_batch_larger_than_the_corpus_reads_it_more_than_once():
    assert sorted(samples_of_step(5, 1, 9, 3)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("world", "micro_batch"), [(1, 24), (1, 2), (2, 3), (4, 6), (3, 1), (24, 1)])
def test_ranks_and_micro_batches_share_a_step_out_without_changing_it(world, micro_batch):
    accumulation = 24 // (world * micro_batch)
    places = [places_of_rank(rank, world, micro_batch, accumulation) for rank in range(world)]
    assert sorted(np.concatenate([p.ravel() for p in places])) == list(range(24))
    for rank in range(world):
        for k in range(accumulation):
            for i in range(micro_batch):
                assert places[rank][k, i] == (k * world + rank) * micro_batch + i


def test_windows_equal_the_joined_tokens_cut_by_hand(write_tokens):
    shards = [np.arange(8, 30), np.arange(8, 11), np.arange(12, 40)]
    split = open_tokens(write_tokens(train=shards)).train
    joined = np.concatenate(shards)
    assert window_count(split, 5) == (len(joined) - 1) // 5
    samples = np.array([9, 0, 4, 5])
    expected = [joined[s * 5 : s * 5 + 6].tolist() for s in samples]
    assert read_windows(split, samples, 5).tolist() == expected


def test_validation_windows_are_spread_evenly_and_never_twice(write_tokens):
    split = open_tokens(write_tokens(validation=[np.arange(8, 40).repeat(10)])).validation
    windows, length = validation_windows(split, 4, 16)
    assert (windows.tolist(), length) == ([0, 4, 9, 14], 16)
    assert validation_windows(split, 1000, 16)[0].tolist() == list(range(19))


def test_a_short_validation_split_gives_one_shorter_window(write_tokens):
    split = open_tokens(write_tokens(validation=[np.array([1, 9, 10, 2])])).validation
    windows, length = validation_windows(split, 128, 16)
    assert (windows.tolist(), length) == ([0], 3)


def test_an_empty_split_is_an_error_that_says_what_to_do(write_tokens):
    tokens = open_tokens(write_tokens(train=[np.arange(8, 20)], validation=[]))
    with pytest.raises(TokensError, match=r"validation has 0 tokens.*add text"):
        validation_windows(tokens.validation, 128, 16)
    with pytest.raises(TokensError, match="train has 12 tokens, fewer than one sample"):
        window_count(tokens.train, 16)


def test_each_forward_pass_has_a_dropout_seed_of_its_own():
    seeds = {dropout_seed(1, step, rank, k) for step in range(5) for rank in range(4) for k in range(3)}
    assert len(seeds) == 60 and all(0 <= seed < 2**63 for seed in seeds)
