"""Who stays: direct keepers, a total order, no chains."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup.assign import Verdict, exact_duplicates, near_duplicates, rank_order, resolve
from antimatter.dedup.verify import highest_possible, jaccard

number_sets = st.sets(st.integers(0, 30))


def hashes(values):
    return np.array(sorted(values), dtype=np.uint64)


@given(number_sets, number_sets)
def test_jaccard_is_intersection_over_union(left, right):
    expected = len(left & right) / len(left | right) if left and right else 0.0
    assert jaccard(hashes(left), hashes(right)) == expected
    assert expected <= highest_possible(len(left), len(right))


@given(st.lists(number_sets, min_size=1, max_size=10), st.floats(0.1, 1.0))
def test_every_removed_document_has_a_kept_keeper_that_matches_and_ranks_higher(sets, threshold):
    documents = [hashes(s) for s in sets]
    ranks = np.arange(len(sets))
    verdicts, _ = near_duplicates(
        np.zeros(len(sets), dtype=np.int64), ranks, lambda i, j: jaccard(documents[i], documents[j]), threshold
    )
    removed = {verdict.removed for verdict in verdicts}
    for verdict in verdicts:
        assert verdict.keeper not in removed
        assert verdict.keeper < verdict.removed
        assert jaccard(documents[verdict.keeper], documents[verdict.removed]) >= threshold
    kept = [i for i in range(len(sets)) if i not in removed]
    for position, i in enumerate(kept):  # what shares a bucket and matches does not stay twice
        assert all(jaccard(documents[i], documents[j]) < threshold for j in kept[position + 1 :])


def test_likeness_does_not_travel_along_a_chain():
    a, b, c = set(range(10)), set(range(2, 12)), set(range(4, 14))  # a~b and b~c at 8/12, a and c at 6/14
    documents = [hashes(s) for s in (a, b, c)]
    verdicts, _ = near_duplicates(
        np.zeros(3, np.int64), np.arange(3), lambda i, j: jaccard(documents[i], documents[j]), 0.6
    )
    assert [(v.removed, v.keeper) for v in verdicts] == [(1, 0)]  # c stays: b, which it resembles, is not kept


def test_the_longest_copy_ranks_first_then_the_digest_then_the_id():
    lengths = np.array([5, 9, 5, 5])
    digests = np.array([[1, 1], [9, 9], [1, 0], [1, 1]], dtype=np.uint64)
    ids = np.array([[0, 7], [0, 1], [0, 1], [0, 3]], dtype=np.uint64)
    assert rank_order(lengths, digests, ids).tolist() == [1, 2, 3, 0]


def test_of_exact_copies_the_best_ranked_stays():
    digests = np.array([[1, 1], [2, 2], [1, 1], [1, 1]], dtype=np.uint64)
    assert exact_duplicates(digests) == [Verdict(2, 0, 1.0, True), Verdict(3, 0, 1.0, True)]


def test_an_exact_copy_of_a_removed_document_gets_its_keeper():
    resolved = resolve([Verdict(5, 3, 1.0, True)], [Verdict(3, 1, 0.9, False)])
    assert resolved == [Verdict(3, 1, 0.9, False), Verdict(5, 1, 0.9, False)]
