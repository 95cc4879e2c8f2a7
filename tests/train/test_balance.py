import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.params.train import Balance, Train
from antimatter.train.balance import ABSORB_EVERY, TokenBalance, balanced, ramp

TRAIN = Train(steps=1000, warmup_steps=40, token_balance=Balance(mode="class_balanced"))
DYNAMIC = dataclasses.replace(TRAIN, token_balance=Balance(mode="dynamic"))
ZIPF = 10_000_000 // np.arange(1, 2001)


def test_the_ramp_is_0_in_warm_up_full_at_a_tenth_and_0_again_at_the_end():
    assert [ramp(TRAIN, step) for step in (1, 40, 100, 500, 800, 1000)] == [0, 0, 1, 1, 1, 0]
    assert ramp(TRAIN, 70) == pytest.approx(0.5)
    assert ramp(TRAIN, 900) == pytest.approx(0.5)
    long = dataclasses.replace(TRAIN, warmup_steps=300)
    assert (ramp(long, 300), ramp(long, 301)) == (0, 1)


@given(
    counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=60).filter(any), strength=st.floats(0.01, 1.0),
    effective=st.floats(1e2, 1e9), lowest=st.floats(0.01, 1.0), highest=st.floats(1.0, 100.0),
)  # fmt: skip
def test_the_mean_weight_of_a_training_target_is_1_after_clipping(counts, strength, effective, lowest, highest):
    limits = Balance(mode="class_balanced", effective_number=effective, lowest=lowest, highest=highest)
    counts = np.array(counts, dtype=np.float64)
    weights = balanced(counts, strength, limits)
    assert (counts / counts.sum()) @ weights == pytest.approx(1, abs=1e-9)
    assert weights.min() >= lowest and weights.max() <= highest
    assert (weights[counts == 0] == highest).all()
    order = np.argsort(counts)
    assert (np.diff(weights[order]) <= 0).all()  # the rarer, the heavier


def test_where_nothing_is_clipped_weights_are_effective_numbers_to_the_power_of_the_strength():
    counts, effective = np.array([10.0, 1_000.0, 100_000.0, 3_000_000.0]), 1.0e5
    weights = balanced(counts, 0.5, Balance(effective_number=effective, lowest=0.01, highest=100.0))
    b = 1 - 1 / effective
    expected = ((1 - b) / (1 - b**counts)) ** 0.5
    expected /= counts / counts.sum() @ expected
    assert weights == pytest.approx(expected, rel=1e-6)


def test_counts_beyond_the_effective_number_weigh_alike():
    weights = balanced(np.array([5.0, 1e7, 1e9]), 1.0, Balance(effective_number=1e5))
    assert weights[1] == pytest.approx(weights[2], rel=1e-9)
    assert weights[0] > 2 * weights[1]


def test_weights_follow_the_ramp_and_stay_the_same_array_while_it_is_level():
    balance = TokenBalance(TRAIN, ZIPF)
    assert balance.weights(40) is None and balance.weights(1000) is None
    half, full = balance.weights(70), balance.weights(100)
    assert full.dtype == np.float32
    assert 0 < np.ptp(half) < np.ptp(full) <= 2.5
    assert balance.weights(101) is balance.weights(800)
    assert np.array_equal(balance.weights(70), half)


def test_off_and_a_strength_of_0_weigh_nothing():
    for settings in (Balance(), Balance(mode="class_balanced", strength=0.0)):
        balance = TokenBalance(dataclasses.replace(TRAIN, token_balance=settings), ZIPF)
        balance.absorb(ZIPF)
        assert balance.weights(500) is None and balance.state() == {}


def test_balancing_needs_occurrences():
    with pytest.raises(ValueError, match="occurrences"):
        TokenBalance(TRAIN, np.zeros(5, dtype=np.int64))
    assert TokenBalance(Train(steps=10), np.zeros(5, dtype=np.int64)).weights(5) is None


def test_dynamic_begins_with_the_first_counts_and_then_moves_slowly():
    balance = TokenBalance(DYNAMIC, ZIPF)
    assert balance.weights(500) is None
    balance.absorb(ZIPF // 100)
    first = balance.weights(500)
    fixed = TokenBalance(TRAIN, (ZIPF // 100) * ZIPF.sum() // (ZIPF // 100).sum()).weights(500)
    assert first == pytest.approx(fixed, rel=1e-3)  # the same shares mean the same weights, in either mode

    shares, kept = ZIPF // 100 / (ZIPF // 100).sum(), 0.999**ABSORB_EVERY
    later = ZIPF[::-1] // 7  # another number of targets: shares count
    balance.absorb(later)
    average = (kept * shares + (1 - kept) * later / later.sum()) * ZIPF.sum()
    assert balance.state()["counts"] == pytest.approx(average)
    assert balance.weights(500) == pytest.approx(balanced(average, 0.5, Balance()), rel=1e-5)
    assert balance.weights(500)[-1] < first[-1]  # the rarest has become common


def test_class_balanced_never_listens():
    balance = TokenBalance(TRAIN, ZIPF)
    before = balance.weights(500)
    balance.absorb(ZIPF[::-1].copy())
    assert np.array_equal(balance.weights(500), before) and balance.state() == {}


def test_a_restored_balance_goes_on_to_the_bit():
    whole, parts = TokenBalance(DYNAMIC, ZIPF), TokenBalance(DYNAMIC, ZIPF)
    random = np.random.default_rng(0)
    for _ in range(4):
        counts = random.integers(0, 100, len(ZIPF))
        whole.absorb(counts)
        parts.absorb(counts)
        restored = TokenBalance(DYNAMIC, ZIPF)
        restored.restore(parts.state())
        parts = restored
    assert whole.weights(600).tobytes() == parts.weights(600).tobytes()


def test_going_back_to_a_state_without_counts_forgets_them():
    balance = TokenBalance(DYNAMIC, ZIPF)
    fresh = balance.state()
    balance.absorb(ZIPF)
    kept = balance.state()
    balance.restore(fresh)
    assert balance.weights(500) is None
    balance.restore(kept)
    balance.absorb(ZIPF[::-1].copy())
    assert np.array_equal(kept["counts"], ZIPF)  # a state does not move
