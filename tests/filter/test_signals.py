"""Signals on hand-made documents, with values computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.filter.signals import measure, words_of


def test_a_word_holds_a_letter_or_digit_and_loses_the_punctuation_around_it():
    assert words_of('He said: "don\'t" -- (3 times!) ...') == ["He", "said", "don't", "3", "times"]


def test_marks_stay_with_their_word():
    assert words_of("हिन्दी, है।") == ["हिन्दी", "है"]


def test_an_empty_text_has_zero_of_everything():
    assert set(measure("").values()) == {0}
    assert measure(" \n ... --")["mean_word_length"] == 0


def test_ratios_by_hand():
    text = "# one two... three\n- four five\n\n\u2022 six\u2026\nseven 8"
    found = measure(text)
    assert found["words"] == 8  # one two three four five six seven 8
    assert found["mean_word_length"] == pytest.approx((3 + 3 + 5 + 4 + 4 + 3 + 5 + 1) / 8)
    assert found["hash_to_word_ratio"] == pytest.approx(1 / 8)
    assert found["ellipsis_to_word_ratio"] == pytest.approx(2 / 8)
    assert found["bullet_line_share"] == pytest.approx(2 / 4)  # the blank line is no line
    assert found["ellipsis_line_share"] == pytest.approx(1 / 4)
    assert found["alphabetic_word_share"] == pytest.approx(7 / 8)


def test_stop_words_are_distinct_and_of_any_case():
    assert measure("The the THE of")["stop_words"] == 2


@given(st.text())
def test_shares_lie_between_zero_and_one(text):
    found = measure(text)
    assert all(0 <= found[name] <= 1 for name in found if name.endswith("_share"))
    assert found["words"] == len(words_of(text))
    assert all(word for word in words_of(text))
