"""Shingle hashes against their definition in plain Python."""

import functools
import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup.shingles import BUFFER, MULTIPLIER, plain_pieces, plain_shingles, shingle_sets
from antimatter.text.words import word_hash
from tests.dedup.texts import NASTY

HOW = ["none", "spacing", "words"]
few_words = st.lists(st.sampled_from(["a", "b", "The", "the", "水", "ก่", "don't", "é", "\u00ad", "7", "—"])).map(
    " ".join
)
nasty = st.text(st.sampled_from("aB1 \n\t,.'-_\u00ad\u200d\u0301水章กก่นネ\u1680\u2028😀ßİΣς\u093f")) | few_words
anything = st.text(st.characters(codec="utf-8"))


def sets(values, how, size, kind="string"):
    found = shingle_sets(pa.array(values, kind), how, size)
    return [found.hashes[low:high].tolist() for low, high in itertools.pairwise(found.starts.tolist())]


@given(st.lists(nasty | anything | few_words), st.sampled_from(HOW), st.integers(1, 7))
def test_the_kernel_equals_the_definition(values, how, size):
    assert sets(values, how, size) == [sorted(plain_shingles(text, how, size)) for text in values]


@pytest.mark.parametrize("how", HOW)
def test_the_kernel_equals_the_definition_on_nasty_texts(how):
    assert sets(NASTY, how, 5, "large_string") == [sorted(plain_shingles(text, how, 5)) for text in NASTY]


@pytest.mark.parametrize("words", [BUFFER - 1, BUFFER, BUFFER + 1, BUFFER + 4, 2 * BUFFER, 2 * BUFFER + 3])
def test_shingles_go_on_where_the_buffer_of_pieces_ends(words):
    text = " ".join(f"w{number}" for number in range(words))
    assert sets(["x", text, "y z"], "words", 5)[1] == sorted(plain_shingles(text, "words", 5))
    alone = "水" * words
    assert sets([alone + " " + text], "spacing", 3)[0] == sorted(plain_shingles(alone + " " + text, "spacing", 3))


def test_a_shingle_is_the_polynomial_of_its_words():
    value = functools.reduce(lambda so_far, word: (so_far * MULTIPLIER + word_hash(word)) % 2**64, "abc", 0)
    assert sets(["A b, C"], "words", 3) == [[value]]


def test_the_order_of_words_counts_and_so_do_their_borders():
    assert len({sets([text], "words", 5)[0][0] for text in ("ab c", "a bc", "c ab", "abc")}) == 4


def test_a_short_document_is_one_shingle_and_one_without_words_has_none():
    texts = ["three short words", "", " \n", "...!", "one two three four five six"]
    assert [len(found) for found in sets(texts, "words", 5)] == [1, 0, 0, 0, 2]


def test_a_shingle_that_repeats_is_there_once():
    assert len(sets(["word " * 5000], "words", 5)[0]) == 1


def test_word_normalization_ignores_case_and_punctuation_but_not_numbers_or_marks():
    def same(left, right, how="words"):
        left, right = sets([left, right], how, 5)
        return left == right

    assert same("The Cat, the HAT!", "the cat the hat")
    assert same("don\u2019t re\u00adstart", "don't restart")
    assert not same("invoice 17", "invoice 18")
    assert not same("किताब", "कतब")
    assert same("a,  b\n", "a, b", "spacing")
    assert not same("a, b", "a b", "spacing")
    assert not same("A b", "a b", "spacing")
    assert not same("if x:\n  y", "if x:\n    y", "none")


def test_letters_of_scripts_without_spaces_are_pieces():
    assert plain_pieces("東京へ行く GPU3台", "words") == [*"東京へ行く", "gpu3", "台"]
