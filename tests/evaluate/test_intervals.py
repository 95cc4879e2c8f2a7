"""Whole documents are drawn anew: the kernel against its definition, and the interval against the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, tuples

from antimatter.evaluate import intervals

documents = lists(tuples(floats(0, 1000), integers(1, 500)), min_size=2, max_size=12)


def one_by_one(nats, units, samples, seed):
    """The definition: draw K documents K times, add up, divide; the percentiles of all samples."""
    random, ratios = np.random.default_rng(seed), []
    for _ in range(samples):
        drawn = [int(random.integers(0, len(nats))) for _ in nats]
        ratios.append(sum(nats[d] for d in drawn) / sum(units[d] for d in drawn))
    return [float(np.percentile(ratios, percent)) for percent in (2.5, 97.5)]


@given(documents, integers(0, 2**32))
def test_the_interval_equals_its_definition(pairs, seed):
    nats, units = ([pair[column] for pair in pairs] for column in (0, 1))
    found = intervals.ratio(np.array(nats), np.array(units), 30, seed)
    assert found == pytest.approx(one_by_one(nats, units, 30, seed), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("draws", [1, 7, 64, 1000])
def test_blocks_bound_the_memory_and_change_nothing(monkeypatch, draws):
    values = np.random.default_rng(0).random((7, 2))
    whole = intervals.resampled_sums(values, 50, seed=1)
    monkeypatch.setattr(intervals, "BLOCK_DRAWS", draws)
    assert intervals.resampled_sums(values, 50, seed=1).tobytes() == whole.tobytes()


def covered(draw, estimate, truth, rounds=300):
    """Share of random sets of documents whose interval holds the truth."""
    random = np.random.default_rng(5)
    hits = 0
    for number in range(rounds):
        low, high = estimate(*draw(random), 200, number)
        hits += low <= truth <= high
    return hits / rounds


def test_the_interval_covers_the_truth_in_about_95_of_100_samples():
    def sixty_documents(random):
        units = random.integers(20, 200, size=60)
        hardness = random.normal(3.0, 1.0, size=60)  # of a whole document: all its tokens share it
        return units * hardness, units

    assert 0.91 <= covered(sixty_documents, intervals.ratio, truth=3.0) <= 0.98


def test_with_tokens_as_the_unit_the_interval_would_be_too_narrow():
    def tokens_of_documents(random):
        hardness = np.repeat(random.normal(3.0, 1.0, size=20), 50)
        return hardness, np.ones(1000, dtype=np.int64)

    assert covered(tokens_of_documents, intervals.ratio, truth=3.0, rounds=100) < 0.5


def test_the_interval_of_a_mean_covers_it_too():
    def drops(random):
        return (random.exponential(2.0, size=80),)

    assert 0.89 <= covered(drops, intervals.mean, truth=2.0) <= 0.98


def test_one_document_or_no_samples_give_no_interval():
    one, two = np.ones(1), np.ones(2)
    assert intervals.ratio(one, one.astype(int), 100, 0) is None
    assert intervals.mean(two, 0, 0) is None
    assert intervals.mean(two, 10, 0) == (1.0, 1.0)


def test_the_seed_decides():
    values = np.random.default_rng(0).random(30)
    assert intervals.mean(values, 100, 1) == intervals.mean(values, 100, 1)
    assert intervals.mean(values, 100, 1) != intervals.mean(values, 100, 2)
