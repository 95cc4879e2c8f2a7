"""Shingle hashes against their definition in plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup.shingles import MULTIPLIER, combine, content_digest, fmix64, normalize, shingle_hashes

MASK = 2**64 - 1


def plain_fmix64(value):
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def plain_shingle(words):
    mixed = 0
    for word in words:
        mixed = plain_fmix64((mixed * MULTIPLIER + word) & MASK)
    return mixed


@given(st.lists(st.integers(0, MASK), min_size=1, max_size=30), st.integers(1, 7))
def test_every_run_of_words_is_hashed_as_defined(words, size):
    size = min(size, len(words))
    expected = [plain_shingle(words[i : i + size]) for i in range(len(words) - size + 1)]
    assert combine(np.array(words, dtype=np.uint64), size).tolist() == expected


@given(st.integers(0, MASK))
def test_fmix64_is_murmurs_finalizer(value):
    assert int(fmix64(np.array([value], dtype=np.uint64))[0]) == plain_fmix64(value)


def test_the_order_of_words_counts_and_so_do_their_borders():
    assert len({shingle_hashes(text, 5)[0] for text in ("ab c", "a bc", "c ab", "abc")}) == 4


def test_a_short_document_is_one_shingle_and_an_empty_one_none():
    assert len(shingle_hashes("three short words", 5)) == 1
    assert len(shingle_hashes("", 5)) == 0
    assert len(shingle_hashes("one two three four five six", 5)) == 2


def test_word_normalization_ignores_case_and_punctuation_but_not_numbers_or_marks():
    assert normalize("The Cat, the HAT!", "words") == normalize("the cat the hat", "words")
    assert normalize("invoice 17", "words") != normalize("invoice 18", "words")
    assert normalize("किताब", "words") != normalize("कतब", "words")
    assert normalize("e\u0301", "words") == normalize("é", "words")
    assert normalize("A,  b", "spacing") == "A, b"
    assert normalize("A,  b", "none") == "A,  b"


@given(st.text(), st.text())
def test_content_digests_agree_exactly_when_texts_agree_up_to_whitespace(left, right):
    import unicodedata

    def canonical(text):
        return " ".join(unicodedata.normalize("NFC", text).split())

    assert (content_digest(left) == content_digest(right)) == (canonical(left) == canonical(right))
