"""Signatures and bands against datasketch and plain Python."""

import numpy as np
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.dedup.bands import band_keys, buckets, find_probability
from antimatter.dedup.signatures import signatures

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=40, unique=True)


@settings(max_examples=30)
@given(st.lists(hashes, min_size=1, max_size=5))
def test_signatures_are_datasketchs_own(documents):
    ours = signatures([np.array(sorted(d), dtype=np.uint64) for d in documents], 16, 7)
    for row, document in zip(ours, documents, strict=True):
        theirs = MinHash(num_perm=16, seed=7, scheme="affine64", hashfunc=int)
        for value in document:
            theirs.update(value)
        assert row.tolist() == theirs.hashvalues.tolist()


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=12))
def test_two_documents_share_a_key_exactly_when_they_agree_on_all_rows_of_that_band(rows):
    keys = band_keys(np.array(rows, dtype=np.uint64), bands=3, rows=2)
    for i, left in enumerate(rows):
        for j, right in enumerate(rows):
            for band in range(3):
                agree = left[2 * band : 2 * band + 2] == right[2 * band : 2 * band + 2]
                assert (keys[i, band] == keys[j, band]) == agree
    assert len(np.unique(keys[0])) == 3  # equal rows in different bands do not meet


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=40, unique=True))
def test_buckets_are_the_groups_of_at_least_two_in_rank_order(pairs):
    keys = np.array([k for k, _ in pairs], dtype=np.uint64)
    ranks = np.array([r for _, r in pairs], dtype=np.int64)
    bucket, member = buckets(keys, ranks)
    found = [sorted(member[bucket == b].tolist()) for b in np.unique(bucket)]
    groups = {k: sorted(r for key, r in pairs if key == k) for k, _ in pairs}
    assert sorted(found) == sorted(group for group in groups.values() if len(group) >= 2)
    assert all(member[bucket == b].tolist() == sorted(member[bucket == b].tolist()) for b in np.unique(bucket))


def test_the_s_curve_of_fourteen_bands_of_eight_rows():
    assert round(find_probability(0.8, 14, 8), 2) == 0.92
    assert round(find_probability(0.6, 14, 8), 2) == 0.21
    assert find_probability(1.0, 14, 8) == 1
