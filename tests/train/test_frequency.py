import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antimatter.train.frequency import CLASSES, frequency_classes


def test_ten_classes_hold_a_tenth_of_the_occurrences_each():
    counts = np.random.default_rng(0).permutation(10_000_000 // np.arange(1, 50_001))  # Zipf's law: the worst case
    classes = frequency_classes(counts)
    shares = np.bincount(classes, counts, CLASSES) / counts.sum()
    assert shares.sum() == 1 and (abs(shares[2:] - 0.1) < 0.02).all()
    assert all(counts[classes == c].min() >= counts[classes == c + 1].max() for c in range(2, 9))


def test_a_token_that_fills_several_classes_leaves_the_next_ones_empty():
    classes = frequency_classes(np.array([1, 64, 15, 0, 20]))
    assert classes.tolist() == [9, 0, 8, 9, 6]
    assert classes.dtype == np.int8


def test_ties_stand_in_the_order_of_ids():
    assert frequency_classes(np.full(20, 7)).tolist() == [i // 2 for i in range(20)]


def test_without_any_occurrence_all_are_rare():
    assert frequency_classes(np.zeros(3, dtype=np.int64)).tolist() == [9, 9, 9]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40))
def test_a_more_frequent_token_is_never_in_a_rarer_class(counts):
    classes = frequency_classes(np.array(counts))
    assert all(
        classes[i] <= classes[j] for i in range(len(counts)) for j in range(len(counts)) if counts[i] > counts[j]
    )
    assert classes.min() >= 0 and classes.max() < CLASSES
    if any(counts):
        assert classes[int(np.argmax(counts))] == 0
    assert all(c == CLASSES - 1 for c, n in zip(classes, counts, strict=True) if n == 0)
