"""What 14 bands of 8 rows find, beside what there is: exact Jaccard over all pairs, by brute force."""

import itertools
from collections import defaultdict

import pytest

from antimatter.params.dedup import Dedup
from tests.dedup import oracle, texts
from tests.dedup.stage_runs import run
from tests.dedup.texts import documents_of

pytestmark = pytest.mark.usefixtures("one_worker")

SETTINGS = Dedup(bands=14, rows=8, threshold=0.8)
HUNDREDTHS = [*range(50, 80, 3), 78, 79, *range(80, 101)]
EACH = 24


def true_pairs(documents):
    """J of every two documents that share a shingle, by brute force."""
    sets = {d.id: oracle.shingles(d.text, SETTINGS) for d in documents}
    holders = defaultdict(list)
    for id, hashes in sets.items():
        for value in hashes:
            holders[value].append(id)
    meeting = {pair for ids in holders.values() for pair in itertools.combinations(sorted(ids), 2)}
    return {pair: oracle.jaccard(sets[pair[0]], sets[pair[1]]) for pair in meeting}


@pytest.fixture(scope="module")
def documents():
    """Planted pairs, left and right ones far apart."""
    planted = texts.pairs(HUNDREDTHS, EACH)
    return documents_of([pair.left for pair in planted] + [pair.right for pair in planted])


@pytest.fixture(scope="module")
def truth(documents):
    return true_pairs(documents)


@pytest.fixture
def removed(tmp_path, documents):
    written = run(tmp_path, [documents[:1000], documents[1000:]], SETTINGS)
    return {tuple(sorted((row["id"], row["kept_id"]))): row["similarity"] for rows in written.removed for row in rows}


def test_the_planted_pairs_are_all_there_is_and_as_alike_as_planned(truth):
    planned = sorted(share / 100 for share in HUNDREDTHS for _ in range(EACH))
    assert sorted(truth.values()) == planned


def test_what_is_found_is_true_and_most_of_what_is_true_is_found(truth, removed):
    assert all(truth[pair] == similarity >= 0.8 for pair, similarity in removed.items())  # precision 1
    for low, high, least in ((0.8, 0.85, 0.90), (0.85, 0.9, 0.97), (0.9, 1.0, 0.99), (1.0, 1.1, 1.0)):
        there = [pair for pair, similarity in truth.items() if low <= similarity < high]
        found = sum(pair in removed for pair in there)
        assert found >= least * len(there), (low, high, found, len(there))


def test_the_threshold_itself_belongs_to_the_duplicates(truth, removed):
    at = [pair for pair, similarity in truth.items() if similarity == 0.8]
    below = [pair for pair, similarity in truth.items() if similarity == 0.79]
    assert len(at) == len(below) == EACH
    assert sum(pair in removed for pair in at) >= EACH * 0.8  # 0.92 expected
    assert not any(pair in removed for pair in below)
