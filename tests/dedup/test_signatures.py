"""Signatures and bands against datasketch and plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.dedup.bands import buckets, find_probability, s_curve
from antimatter.dedup.shingles import Shingles, plain_shingles, shingle_sets
from antimatter.dedup.signatures import EMPTY, band_keys, permutations, signatures, sketch
from antimatter.dedup.verify import agreements
from tests.dedup.texts import NASTY, related_texts

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=40, unique=True)


def theirs(shingles, count, seed):
    found = MinHash(num_perm=count, seed=seed, scheme="affine64", hashfunc=int)
    found.update_batch(shingles)
    return found


def in_one(documents):
    starts = np.cumsum([0] + [len(document) for document in documents])
    flat = [value for document in documents for value in document]
    return Shingles(starts, np.array(flat, dtype=np.uint64))


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (16, 7), (112, 1), (4096, 2**32 - 1)])
def test_permutations_are_those_that_datasketch_draws(count, seed):
    drawn = permutations(count, seed)
    assert np.array_equal(np.array(drawn), MinHash(num_perm=count, seed=seed, scheme="affine64").permutations)


@settings(max_examples=30)
@given(st.lists(hashes, min_size=1, max_size=5))
def test_signatures_are_datasketchs_own(documents):
    ours = signatures(in_one(documents), permutations(16, 7))
    assert ours.tolist() == [theirs(document, 16, 7).hashvalues.tolist() for document in documents]


def test_signatures_of_thousands_of_documents_are_datasketchs_own_given_the_same_hashes():
    texts = [*related_texts(2500, seed=5), *NASTY]
    drawn = permutations(112, 1)
    ours = signatures(shingle_sets(pa.array(texts), "words", 5), drawn)
    made = MinHash(num_perm=112, seed=1, scheme="affine64", hashfunc=int)
    for text, row in zip(texts, ours, strict=True):
        other = MinHash(num_perm=112, hashfunc=int, scheme="affine64", permutations=made.permutations)
        other.update_batch(sorted(plain_shingles(text, "words", 5)))
        assert np.array_equal(row, other.hashvalues)
    assert (ours == EMPTY).all(axis=1).any(), "a text without words is among them"


def test_the_share_of_agreements_is_datasketchs_estimate():
    left, right = range(100), range(20, 120)
    signed = signatures(in_one([left, right]), permutations(112, 3))
    assert agreements(*signed) / 112 == theirs(left, 112, 3).jaccard(theirs(right, 112, 3))


@given(st.lists(st.sampled_from(NASTY), max_size=6), st.sampled_from(["none", "spacing", "words"]), st.integers(1, 6))
def test_a_sketch_is_the_band_keys_of_the_signatures(texts, how, size):
    drawn, salts = permutations(12, 1), np.arange(len(texts), dtype=np.uint64)
    array = pa.array(texts, pa.string())
    made = sketch(array, how, size, drawn, 4, salts)
    shingles = shingle_sets(array, how, size)
    assert np.array_equal(made.keys, band_keys(signatures(shingles, drawn), 4, salts))
    assert ((made.pieces > 0) == (np.diff(shingles.starts) > 0)).all()
    assert (made.pieces >= np.diff(shingles.starts)).all(), "room for so many shingles is enough"


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=12), st.integers(0, 1))
def test_two_documents_share_a_key_exactly_when_they_agree_on_all_rows_of_that_band(rows, of_two_sources):
    salts = np.arange(len(rows), dtype=np.uint64) % np.uint64(2) * np.uint64(of_two_sources)
    keys = band_keys(np.array(rows, dtype=np.uint64), 3, salts)
    for i, left in enumerate(rows):
        for j, right in enumerate(rows):
            for band in range(3):
                agree = left[2 * band : 2 * band + 2] == right[2 * band : 2 * band + 2] and salts[i] == salts[j]
                assert (keys[i, band] == keys[j, band]) == agree
    assert len(np.unique(keys[0])) == 3  # equal rows in different bands do not meet


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=40, unique=True))
def test_buckets_are_the_groups_of_at_least_two(pairs):
    keys = np.array([key for key, _ in pairs], dtype=np.uint64)
    bucket, member = buckets(keys, np.array([document for _, document in pairs], dtype=np.int64))
    found = [sorted(member[bucket == number].tolist()) for number in range(bucket[-1] + 1 if len(bucket) else 0)]
    groups = {key: sorted(document for other, document in pairs if other == key) for key, _ in pairs}
    assert sorted(found) == sorted(group for group in groups.values() if len(group) >= 2)
    assert (np.diff(bucket) >= 0).all()


def test_the_s_curve_of_fourteen_bands_of_eight_rows():
    assert round(find_probability(0.8, 14, 8), 2) == 0.92
    assert round(find_probability(0.6, 14, 8), 2) == 0.21
    assert find_probability(1.0, 14, 8) == 1
    assert s_curve(14, 8)["0.50"] == round(1 - (1 - 0.5**8) ** 14, 4)
