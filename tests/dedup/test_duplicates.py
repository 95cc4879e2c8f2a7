"""Numbers that `antimatter duplicates` shows; what it prints is in tests/test_cli.py."""

from antimatter.dedup.duplicates import _number, jaccard_and_containment
from antimatter.params.dedup import Dedup


def test_containment_is_that_of_the_left_one_in_the_right_one():
    assert jaccard_and_containment("a b c", "a b", Dedup(shingle_words=1)) == (2 / 3, 2 / 3)
    assert jaccard_and_containment("a b", "a b c", Dedup(shingle_words=1)) == (2 / 3, 1.0)


def test_only_equal_sets_are_shown_as_one():
    assert [_number(value) for value in (1.0, 0.99996, 0.99994, None)] == ["1.0000", "0.9999+", "0.9999", ""]
