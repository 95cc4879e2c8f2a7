"""Who stays: direct keepers, a total order, no chains. Every pair of these tests shares a bucket."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.dedup.assign import BINS, STATISTICS, Leaders, Verdicts, meet, rank_order
from antimatter.dedup.candidates import Candidates
from antimatter.dedup.shingles import Shingles
from antimatter.dedup.signatures import permutations, signatures
from antimatter.dedup.verify import (
    common,
    highest_possible,
    jaccard,
    least_agreements,
    shared_bands,
)

number_sets = st.sets(st.integers(0, 30), min_size=1)
PERMUTATIONS = permutations(8, 1)


def hashes(values):
    return np.array(sorted(values), dtype=np.uint64)


def judged(sets, memberships=None, *, threshold=0.6, least=0, most=1000, at_once=1000):
    """Verdicts on sets in rank order; memberships (rank, bucket), or all in one bucket."""
    sizes = np.array([len(found) for found in sets], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.concatenate([hashes(found) for found in sets])
    files = Candidates(offsets, sizes, flat, signatures(Shingles(offsets, flat), PERMUTATIONS))
    rows = np.array(sorted(memberships or [(rank, 0) for rank in range(len(sets))]), dtype=np.int64)
    verdicts = Verdicts.none_yet(len(sets))
    with tempfile.TemporaryDirectory() as folder:
        leaders = Leaders(Path(folder), int(rows[:, 1].max()) + 1, len(rows))
        firsts = [0, *(np.flatnonzero(np.diff(rows[:, 0])) + 1).tolist()]
        bounds = [*firsts[::at_once], len(rows)]
        for low, high in itertools.pairwise(bounds):
            meet(
                rows[low:high, 0], rows[low:high, 1], leaders, files, verdicts,
                threshold=threshold, least=least, most=most, rows=2,
            )  # fmt: skip
    return verdicts


@given(number_sets, number_sets)
def test_jaccard_is_intersection_over_union(left, right):
    expected = len(left & right) / len(left | right)
    assert jaccard(hashes(left), hashes(right)) == expected
    assert common(hashes(left), hashes(right)) == len(left & right)
    assert expected <= highest_possible(len(left), len(right))


def test_nothing_is_like_nothing():
    assert jaccard(hashes([]), hashes([])) == jaccard(hashes([]), hashes([1])) == 0
    assert highest_possible(0, 0) == 0


@given(st.lists(st.integers(0, 1), min_size=12, max_size=12), st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_bands_are_shared_where_all_their_rows_agree(same, rows):
    left, right = np.zeros(12, dtype=np.uint64), 1 - np.array(same, dtype=np.uint64)
    bands = [same[first : first + rows] for first in range(0, 12, rows)]
    assert shared_bands(left, right, rows) == sum(all(band) for band in bands)


@given(st.lists(number_sets, min_size=1, max_size=10), st.floats(0.1, 1.0), st.integers(1, 3))
@settings(deadline=None, max_examples=50)
def test_every_removed_document_has_a_kept_keeper_that_matches_best_and_ranks_higher(sets, threshold, at_once):
    verdicts = judged(sets, threshold=threshold, at_once=at_once)
    kept = [rank for rank in range(len(sets)) if verdicts.keeper[rank] < 0]
    for rank, found in enumerate(sets):
        before = [(len(sets[other] & found) / len(sets[other] | found), -other) for other in kept if other < rank]
        best = max(before, default=(0.0, 0))
        if rank in kept:
            assert best[0] < threshold  # what shares a bucket and matches does not stay twice
        else:
            assert (verdicts.similarity[rank], -verdicts.keeper[rank]) == best
            assert verdicts.containment[rank] == len(sets[-best[1]] & found) / len(found)


def test_likeness_does_not_travel_along_a_chain():
    a, b, c = set(range(10)), set(range(2, 12)), set(range(4, 14))  # a~b and b~c at 8/12, a and c at 6/14
    verdicts = judged([a, b, c])
    assert verdicts.keeper.tolist() == [-1, 0, -1]  # c stays: b, which it resembles, is not kept


def test_a_cluster_is_what_verified_pairs_connect_though_its_ends_differ():
    a, b, c, d = set(range(10)), set(range(6, 16)), set(range(3, 13)), {99}
    verdicts = judged([a, b, c, d], threshold=0.5)  # c resembles both a and b, which do not resemble each other
    assert verdicts.keeper.tolist() == [-1, -1, 0, -1]
    assert verdicts.clusters().tolist() == [0, 0, 0, 3]


def test_who_shares_no_bucket_is_not_compared():
    verdicts = judged([{1, 2}, {1, 2}, {1, 2}], [(0, 0), (1, 1), (2, 1)])
    assert verdicts.keeper.tolist() == [-1, -1, 1]


def test_a_pair_is_met_once_however_many_buckets_it_shares():
    verdicts = judged([{1, 2}, {1, 2}], [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)])
    assert dict(zip(STATISTICS, verdicts.statistics.tolist(), strict=True)) == {
        "met": 1, "skipped_by_size": 0, "skipped_by_signature": 0, "compared": 1, "duplicates": 1, "left_out": 0,
    }  # fmt: skip
    assert verdicts.bands.tolist() == [0, 4], "by their signatures, which agree in all"


def test_of_a_hot_bucket_the_last_leaders_are_met_and_the_rest_is_counted():
    sets = [{10 * rank, 10 * rank + 1} for rank in range(5)] + [{0, 1}, {40, 41}]  # five leaders, two copies
    verdicts = judged(sets, most=2)
    assert verdicts.keeper.tolist() == [-1, -1, -1, -1, -1, -1, 4]
    assert verdicts.statistics[STATISTICS.index("left_out")] == 0 + 0 + 0 + 1 + 2 + 3 + 4
    assert judged(sets, most=5).keeper.tolist() == [-1, -1, -1, -1, -1, 0, 4]


def test_what_cannot_reach_the_threshold_is_not_compared():
    verdicts = judged([set(range(10)), set(range(5))], threshold=0.6)
    assert dict(zip(STATISTICS, verdicts.statistics.tolist(), strict=True))["skipped_by_size"] == 1
    verdicts = judged([set(range(10)), set(range(100, 110))], least=1)
    assert dict(zip(STATISTICS, verdicts.statistics.tolist(), strict=True))["skipped_by_signature"] == 1


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("count", [1, 20, 112, 250])
def test_signatures_hide_a_pair_at_the_threshold_once_in_a_million(threshold, count):
    from fractions import Fraction
    from math import comb

    chance, least = Fraction(threshold), least_agreements(threshold, count)

    def fewer_than(places):
        return sum(comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(places))

    assert fewer_than(least) < Fraction(1, 10**6) <= fewer_than(least + 1)


def test_identical_sets_agree_in_every_place():
    assert least_agreements(1.0, 112) == 112


def test_the_first_difference_decides_then_the_digest_then_the_id():
    longest, best = -np.array([5.0, 9, 5, 5, 5]), np.array([0.0, 0, 0, 0, 1])
    digests = np.array([[1, 1], [9, 9], [1, 0], [1, 1], [0, 0]], dtype=np.uint64)
    ids = np.array([[0, 7], [0, 1], [0, 1], [0, 3], [0, 0]], dtype=np.uint64)
    assert rank_order([longest, best], digests, ids).tolist() == [1, 2, 3, 0, 4]
    assert rank_order([best, longest], digests, ids).tolist() == [1, 2, 3, 0, 4]
    assert rank_order([], digests, ids).tolist() == [4, 2, 3, 0, 1]


def test_pairs_are_binned_and_the_estimate_is_judged_by_its_sign():
    verdicts = judged([set(range(20)), set(range(1, 21)), set(range(20))], threshold=1.0)
    assert {place: pairs for place, pairs in enumerate(verdicts.similarities.tolist()) if pairs} == {18: 2, BINS: 1}
    error = 2 * (verdicts.estimate[1] - 19 / 21)
    assert verdicts.errors.tolist() == pytest.approx([error, abs(error)])
    assert error
