"""The kernels equal the plain definitions, on random, nasty and long texts."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.filter.policies import NUMBERS as JUDGED
from antimatter.filter.signals import ENTROPY, TEXT_SIGNALS, measure, measure_text
from tests.filter import oracle
from tests.filter.nasty_documents import FIXED, documents


def require_equal(texts: list[str]) -> None:
    """Every signal of every text is that of the oracle, bit for bit; the entropy, a sum of floats, nearly."""
    found = measure(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        expected = oracle.signals(text)
        assert set(found) == set(expected)
        for name, value in expected.items():
            near = pytest.approx(value, abs=2e-9) if name == ENTROPY else value
            assert found[name][row].item() == near, (name, text)


@settings(max_examples=300)
@given(st.lists(st.one_of(documents(), st.text()), min_size=1, max_size=4))
def test_the_kernels_equal_their_definitions(texts):
    require_equal(texts)


def test_fixed_nasty_texts():
    require_equal(list(FIXED))


@given(st.lists(st.sampled_from("abc"), max_size=120), st.integers(1, 4))
def test_repetition_with_few_words(letters, period):
    """Three words make n-grams of every length repeat, overlap and tie."""
    require_equal([" ".join(letters), " ".join(letters[:period] * 30), " ".join(letters + letters)])


@given(st.lists(st.sampled_from(["", " ", "\t", "one", "two ", " one", "one\ntwo", "\x0b"]), max_size=40))
def test_repeated_lines_and_paragraphs(lines):
    require_equal(["\n".join(lines)])


def test_a_text_with_more_repeated_places_than_a_chunk():
    words = [f"w{number * number % 30_011}" for number in range(45_000)]
    require_equal([" ".join(words + words)])


def test_a_table_of_lines_that_grows():
    require_equal(["\n".join(f"line {number % 700}" for number in range(1000))])


def test_no_text_gives_empty_columns():
    assert all(len(values) == 0 for values in measure(pa.array([], pa.string())).values())


def test_the_signals_of_a_text_do_not_depend_on_its_neighbours():
    texts = list(FIXED)
    together = measure(pa.array(texts, pa.large_string()))
    for row, text in enumerate(texts):
        assert {name: values[row].item() for name, values in together.items()} == measure_text(text)


def test_rules_may_judge_every_signal_of_the_text():
    assert set(TEXT_SIGNALS) <= set(JUDGED)
