"""Counting what an edit took."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.edits import common_start, lost_characters

texts = st.text(alphabet="ab漢é", max_size=12)


@given(texts, texts, texts, texts)
def test_lost_characters_are_the_difference_of_two_bags(start, before, after, end):
    before, after = start + before + end, start + after + end
    assert lost_characters(before, after) == max((Counter(before) - Counter(after)).total(), before != after)


@given(texts, texts)
def test_the_common_start_is_the_longest(one, other):
    length = common_start(one, other)
    assert one[:length] == other[:length]
    assert length in (len(one), len(other)) or one[length] != other[length]


@pytest.mark.parametrize("kinds", [1, 20_000])
def test_many_kinds_of_characters_cost_no_more_than_few(kinds):
    han = "".join(chr(0x4E00 + number % kinds) for number in range(500_000))
    assert lost_characters(f"x{han}x", f"y{han}y") == 2
    assert lost_characters(f"x{han}x{han}", f"{han}{han}") == 2
