"""Documents that share a template but not their content: none may leave with default settings.

Each set says how alike its documents are, by brute force over all pairs: below 0.8, some far above 0.5, which is more
than unverified bands forgive. At the end the contrast: what is above 0.8 for all its differences leaves.
"""

import itertools

import pytest

from antimatter.params.dedup import Dedup
from tests.dedup import oracle, texts
from tests.dedup.stage_runs import run
from tests.dedup.texts import documents_of

pytestmark = pytest.mark.usefixtures("one_worker")

COUNT = 40


def similarities(made):
    sets = [oracle.shingles(text, Dedup()) for text in made]
    return [oracle.jaccard(left, right) for left, right in itertools.combinations(sets, 2)]


TEMPLATES = {
    # forms and letters that differ in figures alone
    "a figure in every phrase": (texts.forms(COUNT, 1), 0.0, 0.02),
    "twelve figures in 180 words": (texts.letters(COUNT, 2), 0.49, 0.51),
    "five figures in 180 words": (texts.letters(COUNT, 3, own=5), 0.75, 0.77),
    # pages of one site that differ in their prose
    "half frame, half prose": (texts.pages(COUNT, 4, frame=100, own=100), 0.3, 0.4),
    "three quarters frame": (texts.pages(COUNT, 5), 0.5, 0.6),
    "nine tenths frame": (texts.pages(COUNT, 6, frame=180, own=20), 0.76, 0.8),
    # the same letters; vowel signs, tones, harakat, diacritics alone differ
    "Devanagari, every word": (texts.marked("Devanagari", COUNT, 7), 0.0, 0.01),
    "Devanagari, every 24th word": (texts.marked("Devanagari", COUNT, 8, every=24), 0.65, 0.78),
    "Thai, every word": (texts.marked("Thai", COUNT, 9), 0.0, 0.01),
    "Thai, every 12th word": (texts.marked("Thai", COUNT, 10, every=12), 0.6, 0.8),
    "Arabic, every word": (texts.marked("Arabic", COUNT, 11), 0.0, 0.01),
    "Arabic, every 24th word": (texts.marked("Arabic", COUNT, 12, every=24), 0.65, 0.78),
    "Latin, every word": (texts.marked("Latin", COUNT, 13), 0.0, 0.01),
    "Latin, every 24th word": (texts.marked("Latin", COUNT, 14, every=24), 0.65, 0.78),
}
"""name: (documents, least J, largest J of two of them)"""


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_documents_of_each_template_are_as_alike_as_stated(name):
    made, least, largest = TEMPLATES[name]
    found = similarities(made)
    assert least <= min(found) <= max(found) < min(largest, 0.8)


def test_not_one_document_leaves_for_another_of_its_template(tmp_path):
    shards = [documents_of(made, sources=(name,)) for name, (made, _, _) in TEMPLATES.items()]
    written = run(tmp_path, shards, Dedup())
    assert sum(map(len, written.removed)) == 0
    assert sum(map(len, written.documents)) == COUNT * len(TEMPLATES)
    assert {row["stands_for"] for rows in written.signals for row in rows} == {1}


def test_verification_spared_some_of_them_not_chance(tmp_path):
    made, _, _ = TEMPLATES["nine tenths frame"]
    written = run(tmp_path, [documents_of(made)], Dedup())
    near = [row["nearest_similarity"] for row in written.signals[0] if row["nearest_id"] is not None]
    assert len(near) > COUNT // 2
    assert max(near) < 0.8


ALIKE = {
    "one figure in 180 words": texts.letters(COUNT, 15, own=1),
    "a frame around four words": texts.pages(COUNT, 16, frame=180, own=4),
    "Devanagari, one word in 120": texts.marked("Devanagari", COUNT, 17, every=120),
    "Thai, one word in 120": texts.marked("Thai", COUNT, 18, every=120),
    "Arabic, one word in 120": texts.marked("Arabic", COUNT, 19, every=120),
    "Latin, one word in 120": texts.marked("Latin", COUNT, 20, every=120),
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_above_the_threshold_leaves_whatever_the_difference(tmp_path, name):
    made = ALIKE[name]
    assert min(similarities(made)) > 0.88
    written = run(tmp_path, [documents_of(made)], Dedup())
    assert len(written.documents[0]) == 1
    assert len(written.removed[0]) == COUNT - 1
    assert all(row["similarity"] > 0.88 for row in written.removed[0])
