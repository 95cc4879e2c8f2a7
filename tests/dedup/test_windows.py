"""Windows, anchors and covered spans against their definitions in plain Python."""

import functools
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antimatter.dedup.shingles import MULTIPLIER, plain_pieces
from antimatter.dedup.windows import covered, find_windows
from antimatter.text.words import word_hash
from tests.filter.nasty_documents import FIXED, documents

FEW_WORDS = st.lists(st.sampled_from(["a", "b", "A.", "c d", "我们", "-"]), max_size=40).map(" ".join)
TEXTS = st.one_of(FEW_WORDS, documents(), st.sampled_from([text for text in FIXED if len(text) < 2_500]))


def plain_hashes(words: list[int], size: int) -> list[int]:
    """Of every run of `size` words."""
    runs = [words[start : start + size] for start in range(len(words) - size + 1)]
    return [functools.reduce(lambda value, word: (value * MULTIPLIER + word) % 2**64, run, 0) for run in runs]


def plain_anchors(words: list[int], size: int) -> list[tuple[int, int]]:
    """(place, hash) of the anchor of every window."""
    parts = plain_hashes(words, (size + 1) // 2)
    width = size - (size + 1) // 2 + 1
    return [min((parts[place], place) for place in range(start, start + width))[::-1]
            for start in range(len(words) - size + 1)]  # fmt: skip


def plain_spans(counts: list[int], size: int) -> list[tuple[int, int, int, int]]:
    """(first word, behind the last, occurrences of the most frequent window, its number) in one document."""
    is_covered = {word for place, count in enumerate(counts) if count > 1 for word in range(place, place + size)}
    spans = []
    for word in sorted(is_covered):
        if word - 1 not in is_covered:
            spans.append([word, word])
        spans[-1][1] = word + 1
    found = []
    for begin, end in spans:
        inside = range(begin, end - size + 1)
        best = max(inside, key=lambda place: (counts[place], -place))
        found.append((begin, end, counts[best], best))
    return found


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4), size=st.sampled_from([1, 2, 3, 4, 5, 8, 50]))
@example(texts=["a " * 300, "我" * 200], size=50)
@example(texts=["a b " * 10], size=4)  # equal parts: the leftmost one
def test_the_kernel_equals_the_definition(texts, size):
    found = find_windows(pa.array(["before", *texts], pa.string())[1:], size)
    words = [[word_hash(piece) for piece in plain_pieces(text, "words")] for text in texts]
    assert found.words.tolist() == [len(of_text) for of_text in words]
    hashes = [plain_hashes(of_text, size) for of_text in words]
    assert np.diff(found.starts).tolist() == [len(of_text) for of_text in hashes]
    assert found.hashes.tolist() == [value for of_text in hashes for value in of_text]
    anchors = [(number, *anchor) for number, of_text in enumerate(words) for anchor in plain_anchors(of_text, size)]
    groups = [(key[-1], len(list(group))) for key, group in itertools.groupby(anchors)]
    assert list(zip(found.anchors.tolist(), np.diff(found.firsts).tolist(), strict=True)) == groups
    assert found.firsts[-1] == len(found.hashes)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(FEW_WORDS, min_size=1, max_size=5), size=st.integers(1, 6))
@example(texts=["a " * 7], size=6)  # two equal windows that overlap
def test_every_window_that_occurs_twice_has_an_anchor_that_stands_at_two_places(texts, size):
    found = find_windows(pa.array(texts), size)
    anchor = np.repeat(found.anchors, np.diff(found.firsts))
    windows, times = np.unique(found.hashes, return_counts=True)
    repeated = np.isin(found.hashes, windows[times > 1])
    anchors, places = np.unique(found.anchors, return_counts=True)
    assert np.isin(anchor[repeated], anchors[places > 1]).all()


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.lists(st.integers(0, 4), max_size=15), max_size=5), size=st.integers(1, 4))
def test_spans_are_runs_of_covered_words(counts, size):
    starts = np.cumsum([0, *map(len, counts)]).astype(np.int64)
    spans = covered(starts, np.array([c for of_text in counts for c in of_text], dtype=np.uint32), size)
    rows = zip(*(column.tolist() for column in spans), strict=True)
    assert list(rows) == [
        (number, begin, end, most, best + starts[number])
        for number, of_text in enumerate(counts)
        for begin, end, most, best in plain_spans(of_text, size)
    ]


def test_a_window_is_known_whatever_stands_between_its_words():
    found = find_windows(pa.array(["One, two: three!", "ONE\n two\u2014three four"]), 3)
    assert found.starts.tolist() == [0, 1, 3]
    assert found.hashes[0] == found.hashes[1] != found.hashes[2]


@pytest.mark.parametrize("texts", [[], [""], ["a b", ""]])
def test_texts_of_few_words_have_no_windows(texts):
    found = find_windows(pa.array(texts, pa.string()), 3)
    assert (len(found.hashes), len(found.anchors), found.firsts.tolist()) == (0, 0, [0])
    assert len(covered(found.starts, np.empty(0, np.uint32), 3).documents) == 0
