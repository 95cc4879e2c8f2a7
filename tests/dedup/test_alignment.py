"""Equal words in the same order: as many as there can be where it is exact, bounded where texts are long."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup import alignment
from antimatter.dedup.alignment import equal_runs

WORDS = st.lists(st.sampled_from("abcd"), max_size=40)


def longest(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, by the definition."""
    above = [0] * (len(right) + 1)
    for word in left:
        row = [0]
        for place, other in enumerate(right):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
        above = row
    return above[-1]


def require_equal_and_rising(left, right, runs) -> None:
    end_i = end_j = 0
    for i, j, n in runs:
        assert n > 0 and i >= end_i and j >= end_j
        assert left[i : i + n] == right[j : j + n]
        end_i, end_j = i + n, j + n
    assert end_i <= len(left) and end_j <= len(right)


@given(WORDS, WORDS)
def test_short_texts_share_as_many_words_as_there_can_be(left, right):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "ISLAND_WORDS", 0)
        runs = equal_runs(left, right)
    require_equal_and_rising(left, right, runs)
    assert sum(n for _, _, n in runs) == longest(left, right)


@given(WORDS, WORDS, st.integers(0, 60), st.integers(1, 9))
def test_where_the_table_would_be_too_large_runs_are_still_equal_and_rising(left, right, cells, slices):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "CELLS", cells)
        patch.setattr(alignment, "SLICE_WORDS", slices)
        require_equal_and_rising(left, right, equal_runs(left, right))
        require_equal_and_rising(left, left, equal_runs(left, left))


def test_a_long_text_is_cut_at_words_that_occur_once(monkeypatch):
    monkeypatch.setattr(alignment, "CELLS", 100)
    left = [str(n) for n in range(3000)]
    right = [word for word in left if int(word) % 100] + ["more"]
    runs = equal_runs(left, right)
    require_equal_and_rising(left, right, runs)
    assert sum(n for _, _, n in runs) == 2970


def test_chance_agreement_between_unlike_sentences_is_no_agreement():
    left = "one two three four the five six seven eight".split()
    right = "nine ten eleven twelve the dog cat mouse ant".split()
    assert equal_runs(left, right) == []
    assert equal_runs(["a", *left], ["a", *right]) == [(0, 0, 1)]


@pytest.mark.parametrize("alphabet", ["a", "ab"])
def test_long_texts_of_few_words_end(alphabet):
    numbers = random.Random(1)
    left, right = ([numbers.choice(alphabet) for _ in range(20_000)] for _ in range(2))
    require_equal_and_rising(left, right, equal_runs(left, right))
