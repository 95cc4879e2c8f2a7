"""The kernel finds the words that the definition finds; one that it has seen keeps its number."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.text.characters import STOP_WORDS
from antimatter.text.loose_words import loose_spans, loose_spans_of, loose_words_of
from antimatter.text.words import (
    ALL_CAPITALS,
    ALONE_KIND,
    HAS_LETTER,
    STOP_WORD_SHIFT,
    fold,
    segment,
    spans_of,
    word_hash,
    words_of,
)
from tests.filter.nasty_documents import FIXED, documents


def require_equal(texts: list[str]) -> None:
    """segment equals words_of, word by word."""
    found = segment(pa.array(texts, pa.string()))
    assert len(set(found.exact.tolist())) == len(found.exact)
    for d, text in enumerate(texts):
        ids = found.ids[found.starts[d] : found.starts[d + 1]]
        words = words_of(text)
        assert found.exact[ids].tolist() == [word_hash(word) for word in words]
        assert found.folded[ids].tolist() == [word_hash(fold(word)) for word in words]
        assert found.characters[ids].tolist() == list(map(len, words))
        for kind, word in zip(found.kinds[ids].tolist(), words, strict=True):
            assert bool(kind & HAS_LETTER) == any(map(str.isalpha, word))
            assert bool(kind & ALL_CAPITALS) == (any(map(str.isupper, word)) and not any(map(str.islower, word)))
            stop_word = STOP_WORDS.index(fold(word)) + 1 if fold(word) in STOP_WORDS else 0
            assert kind >> STOP_WORD_SHIFT == stop_word


@given(st.lists(st.one_of(documents(), st.text()), max_size=4))
def test_the_kernel_equals_its_definition(texts):
    require_equal(texts)


@given(st.lists(st.one_of(documents(), st.text()), max_size=4))
def test_the_kernel_equals_its_loose_definition(texts):
    found = segment(pa.array([*FIXED, *texts], pa.string()), loose=True)
    for d, text in enumerate([*FIXED, *texts]):
        ids = found.ids[found.starts[d] : found.starts[d + 1]]
        assert found.exact[ids].tolist() == [word_hash(word) for word in loose_words_of(text)]


@given(st.one_of(documents(), st.text(), st.sampled_from(FIXED)), st.data())
def test_the_places_of_loose_words_are_those_of_the_definition(text, data):
    expected = loose_spans_of(text)
    chosen = sorted(data.draw(st.sets(st.integers(0, max(0, len(expected) - 1)), max_size=8))) if expected else []
    assert loose_spans(text, np.array(chosen)).tolist() == [list(expected[word]) for word in chosen]


def test_loose_words_are_the_same_however_a_text_is_written():
    written = ["Don't re-start (now)!", "DON\u2019T re\u2011start\u2014now", "don t <b>re\u00ad</b>-sta\u200brt;now"]
    found = segment(pa.array(written), loose=True)
    first, second, third = (found.folded[found.ids[a:b]].tolist() for a, b in pairwise(found.starts))
    assert first == second == [word_hash(word) for word in ("don", "t", "re", "start", "now")]
    assert third != first, "tags are words: b"


def test_what_is_ignored_ends_no_word_of_a_script_without_spaces():
    with_joiner, without = (segment(pa.array([text]), loose=True) for text in ("\u0e01\u200b\u0e48", "\u0e01\u0e48"))
    assert with_joiner.folded.tolist() == without.folded.tolist() == [word_hash("\u0e01\u0e48")]


def test_words_of_scripts_without_spaces_are_marked():
    found = segment(pa.array(["\u6c34 a\u0e01\u0e48 1"]))
    assert [bool(kind & ALONE_KIND) for kind in found.kinds[found.ids]] == [True, False, True, False]


def test_fixed_nasty_texts():
    require_equal(list(FIXED))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('He said: "don\'t" -- (3 times!) ...', ["He", "said", "don't", "3", "times"]),
        ("well-known 3.5 a/b #tag _x_", ["well-known", "3.5", "a/b", "tag", "x"]),
        ("हिन्दी, है।", ["हिन्दी", "है"]),
        ("第3章です", ["第", "3", "章", "で", "す"]),
        ("ก่อน", ["ก่", "อ", "น"]),
        ("e\u0301te\u0301! \u0301x", ["e\u0301te\u0301", "x"]),
        ("a!\u0301 b", ["a", "b"]),
        ("", []),
        (" \u2028 ... \U0001f600 ", []),
    ],
)
def test_words_by_hand(text, words):
    assert words_of(text) == words
    assert [text[start:end] for start, end in spans_of(text)] == words
    require_equal([text])


def test_more_distinct_words_than_any_table_begins_with():
    text = " ".join(f"w{number}" for number in range(40_000))
    require_equal([text, text[: len(text) // 2]])


def test_a_text_is_not_glued_to_its_neighbour():
    found = segment(pa.array(["ab", "c", "", "abc"]))
    assert found.ids.tolist() == [0, 1, 2]
    assert found.starts.tolist() == [0, 1, 2, 2, 3]


def test_offsets_of_both_widths_and_slices_give_the_same():
    texts = ["one two", "three", "one"]
    wide, narrow = segment(pa.array(texts, pa.large_string())), segment(pa.array(["x y", *texts]).slice(1))
    assert all((one == other).all() for one, other in zip(wide, narrow, strict=True))
