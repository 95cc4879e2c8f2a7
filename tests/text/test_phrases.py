"""The search for phrases against its definition: tuples of folded words, compared one by one."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.text import phrases
from antimatter.text.words import fold, segment, word_hash, words_of

FEW_WORDS = st.lists(st.sampled_from(["a", "A", "b", "Δ", "don't"]), max_size=30)


def built(*listed: str, owners: list[int] | None = None) -> phrases.Phrases:
    words = segment(pa.array(listed, pa.string()))
    numbers = np.array(range(len(listed)) if owners is None else owners, dtype=np.int32)
    part = phrases.keyed(words.folded[words.ids], words.starts[:-1], np.diff(words.starts), numbers)
    return phrases.build([part])


def found(index: phrases.Phrases, *texts: str) -> list[tuple[int, ...]]:
    matches = phrases.search(index, segment(pa.array(texts, pa.string())))
    return list(zip(*(column.tolist() for column in matches), strict=True))


def plain_search(listed, texts) -> list[tuple[int, ...]]:
    owners: dict[tuple[str, ...], int] = {}
    for owner, phrase in enumerate(listed):
        owners.setdefault(tuple(map(fold, words_of(phrase))), owner)
    rows = []
    for document, text in enumerate(texts):
        words = [fold(word) for word in words_of(text)]
        for position in range(len(words)):
            for length in sorted({len(phrase) for phrase in owners}):
                phrase = tuple(words[position : position + length])
                if len(phrase) == length and phrase in owners:
                    rows.append((document, position, length, owners[phrase]))
    return rows


def plain_key(hashes: list[int]) -> int:
    if len(hashes) == 1:
        return hashes[0]
    power = 1 << (len(hashes) - 1).bit_length() - 1
    value = plain_key(hashes[:power]) * 0x9E3779B97F4A7C15 + plain_key(hashes[-power:]) + len(hashes) & 2**64 - 1
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * multiplier & 2**64 - 1
    return value ^ value >> 33


def test_a_phrase_is_found_whatever_its_case_and_the_punctuation_around_its_words():
    index = built("cat sat", "the cat sat on")
    assert found(index, "The cat sat -- on a mat.") == [(0, 0, 4, 1), (0, 1, 2, 0)]


def test_no_match_reaches_from_one_document_into_the_next():
    assert found(built("cat sat"), "the cat", "sat", "cat", "", "cat sat") == [(4, 0, 2, 0)]


def test_of_equal_phrases_the_first_one_owns_the_match():
    assert found(built("Cat sat", "cat SAT", owners=[7, 3]), "cat sat") == [(0, 0, 2, 7)]


def test_a_phrase_of_owners_in_several_groups_is_a_match_of_the_first_of_each():
    words = segment(pa.array(["cat sat", "Cat sat", "a cat"]))
    parts = []
    for group, owners in ((0, [5, 4, 6]), (2, [7, 8, 9])):
        numbers = np.array(owners, dtype=np.int32)
        parts.append(
            phrases.keyed(words.folded[words.ids], words.starts[:-1], np.diff(words.starts), numbers, group=group)
        )
    index = phrases.build(parts)
    assert found(index, "a cat sat") == [(0, 0, 2, 6), (0, 0, 2, 9), (0, 1, 2, 5), (0, 1, 2, 7)]
    assert found(phrases.build([part._replace(group=0) for part in parts]), "cat sat") == [(0, 0, 2, 5)]


def test_the_order_of_words_and_their_borders_count():
    assert found(built("ab c"), "a bc", "c ab", "abc", "ab  c") == [(3, 0, 2, 0)]


def test_an_empty_list_and_empty_texts_match_nothing():
    assert found(built(), "a b") == []
    assert found(built("a"), "", " ") == []
    assert found(built("a")) == []


def test_a_phrase_without_words_is_refused():
    with pytest.raises(ValueError, match="must hold a word"):
        built("a", "!")


def test_a_text_of_one_phrase_over_and_over_matches_at_every_place_in_linear_time():
    index = built(" ".join(["ha"] * 13), " ".join(["ha"] * 8), "ha")
    matches = phrases.search(index, segment(pa.array(["ha " * 200_000])))
    assert phrases.count(matches, 1).tolist() == [200_000 - 12 + 200_000 - 7 + 200_000]
    assert matches.positions.tolist() == sorted(matches.positions.tolist())


def test_matches_across_the_borders_of_blocks_are_found():
    words = [f"w{i}" for i in range(10_000)]
    listed = [" ".join(words[start : start + length]) for start in range(4080, 4110) for length in (1, 5, 13)]
    assert found(built(*listed), " ".join(words)) == plain_search(listed, [" ".join(words)])


@given(st.lists(FEW_WORDS.filter(bool), max_size=8), st.lists(FEW_WORDS, max_size=4))
def test_the_search_equals_its_definition_on_texts_of_few_words(listed, texts):
    listed, texts = [" ".join(words) for words in listed], [", ".join(words) for words in texts]
    assert found(built(*listed), *texts) == plain_search(listed, texts)


@given(st.lists(st.text(), max_size=5), st.data())
def test_the_search_equals_its_definition_on_any_text(texts, data):
    listed = []
    for text in texts:
        words = words_of(text)
        start = data.draw(st.integers(0, len(words)))
        cut = words[start : start + data.draw(st.integers(0, 6))]
        if cut and words_of(" ".join(cut)) == cut:
            listed.append(" ".join(cut))
    assert found(built(*listed), *texts) == plain_search(listed, texts)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40))
def test_a_key_is_built_as_defined(hashes):
    one = np.array(hashes, dtype=np.uint64), np.zeros(1, np.int64), np.array([len(hashes)]), np.zeros(1, np.int32)
    every = phrases.build([phrases.keyed(*one)])
    assert every.keys.tolist() == [plain_key(hashes)]


def test_sequences_that_defeat_polynomials_mod_two_to_the_64_have_different_keys():
    """Thue-Morse: the two texts of 4,096 words have equal polynomial hashes for every odd base."""
    bits = [bin(i).count("1") % 2 for i in range(4096)]
    one, other = (" ".join("ab"[bit ^ flip] for bit in bits) for flip in (0, 1))
    assert found(built(one), other) == []
    assert found(built(one), one) == [(0, 0, 4096, 0)]


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 1000])
def test_lists_of_any_size_find_all_their_words_and_nothing_else(size):
    listed = [f"w{i}" for i in range(size)]
    index = built(*listed)
    assert [row[3] for row in found(index, " ".join(listed))] == list(range(size))
    assert found(index, " ".join(f"x{i}" for i in range(2000))) == []
    assert index.keys.tolist() == sorted(word_hash(word) for word in listed)
