"""The count of repeated spans against its definition in plain Python."""

import random
import unicodedata
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.dedup import spans
from antimatter.dedup.shingles import plain_pieces
from tests.dedup.kept_documents import Document, cut, documents, files_below, prepare
from tests.dedup.test_windows import plain_spans
from tests.filter import nasty_documents

PASSAGE = " ".join(f"word{number}" for number in range(60))


def run(folder, shards, words):
    work = prepare(folder, shards)
    return spans.find_repeated(work, range(len(shards)), words=words)


def plain_count(found, size, most=20):
    """The report part by the definition; windows_compared, which only tells what was saved, is left out."""
    kept = sorted((d for d in found if d.is_kept), key=lambda d: d.place)
    pieces = [plain_pieces(unicodedata.normalize("NFC", d.text), "words") for d in kept]
    windows = [[tuple(p[start : start + size]) for start in range(len(p) - size + 1)] for p in pieces]
    times = Counter(window for of_text in windows for window in of_text)
    by_source, frequent = {}, {}
    for document, words, of_text in zip(kept, pieces, windows, strict=True):
        its = plain_spans([times[window] for window in of_text], size)
        by_source.setdefault(document.source, Counter()).update(
            documents=1,
            words=len(words),
            windows=len(of_text),
            documents_with_spans=bool(its),
            spans=len(its),
            words_covered=sum(end - begin for begin, end, _, _ in its),
        )
        for _, _, count, word in its:
            frequent.setdefault(of_text[word], {"times": count, "document": document.id.hex(), "word": word})
    return {
        "words": size,
        "windows": sum(times.values()),
        "different_windows": sum(count > 1 for count in times.values()),
        "by_source": {source: dict(by_source[source]) for source in sorted(by_source)},
        "frequent": sorted(frequent.values(), key=lambda row: -row["times"])[:most],
    }


def without_savings(report):
    return {name: value for name, value in report.items() if name != "windows_compared"}


def related_texts(count, seed):
    """Texts from few passages, of which some are changed."""
    draw = random.Random(seed)
    passages = [" ".join(draw.choice("abcdefgh") for _ in range(draw.randrange(4, 15))) for _ in range(8)]
    texts = []
    for _ in range(count):
        some = [draw.choice(passages) for _ in range(draw.randrange(4))] + [f"x{draw.randrange(90)}"] * draw.randrange(
            3
        )
        texts.append(". ".join(draw.sample(some, len(some))).replace("a", draw.choice("aA")))
    return texts


pytestmark = pytest.mark.usefixtures("one_worker")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.one_of(
        st.integers(0, 10**6).map(lambda seed: related_texts(25, seed)),
        st.lists(nasty_documents.documents(), max_size=8),
    ),
    words=st.integers(1, 9),
    partitions=st.integers(1, 3),
    block=st.sampled_from([1, 200, 1 << 20]),
    most=st.sampled_from([2, 20]),
)
def test_the_report_equals_the_definition(tmp_path_factory, monkeypatch, texts, words, partitions, block, most):
    monkeypatch.setattr(spans, "partitions_for", lambda size: partitions)
    monkeypatch.setattr(spans, "BLOCK_BYTES", block)
    monkeypatch.setattr(spans, "MOST_REPEATED", most)
    found = documents(texts)
    report = run(tmp_path_factory.mktemp("run"), cut(found, 3), words)
    assert without_savings(report) == plain_count(found, words, most)


def test_any_cut_and_order_of_the_shards_gives_the_same(tmp_path):
    found = documents(related_texts(60, seed=5))
    one = run(tmp_path / "1", cut(found, 2, seed=1), 6)
    assert one["frequent"]
    for number, shards in enumerate([3, 8]):
        assert run(tmp_path / str(shards), cut(found, shards, seed=number), 6) == one


def test_two_workers_write_the_same_bytes_as_one(tmp_path, monkeypatch):
    shards = cut(documents(related_texts(60, seed=6)), 4)
    one = run(tmp_path / "one", shards, 6)
    monkeypatch.setenv("ANTIMATTER_WORKERS", "2")
    assert run(tmp_path / "two", shards, 6) == one
    scratch = [files_below(tmp_path / name / "work" / "scratch") for name in ("one", "two")]
    assert scratch[0] == scratch[1]


def test_a_pass_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    shards = cut(documents(related_texts(40, seed=7)), 4)
    whole = run(tmp_path / "whole", shards, 6)
    steps = {"anchor_rows": 2, "merge_anchors": 0, "window_rows": 2, "merge_windows": 0, "count_spans": 2}
    done = []

    def failing_once(name, inner):
        def step(part, *rest, **arguments):
            done.append((name, part))
            if part == steps[name] and done.count((name, part)) == 1:
                raise RuntimeError(f"trouble in {name}")
            return inner(part, *rest, **arguments)

        return step

    for name in steps:
        monkeypatch.setattr(spans, name, failing_once(name, getattr(spans, name)))
    for name in steps:
        with pytest.raises(RuntimeError, match=f"trouble in {name}"):
            run(tmp_path / "again", shards, 6)
    assert run(tmp_path / "again", shards, 6) == whole
    expected = [(name, part) for name in steps for part in ([0, 0] if "merge" in name else [0, 1, 2, 2, 3])]
    assert sorted(done) == sorted(expected)


def test_a_passage_in_two_documents_is_two_spans_however_it_is_set(tmp_path):
    one, two = f"Before it. {PASSAGE}; after.", f"Elsewhere:\n\n{PASSAGE.upper().replace(' ', ', ')}!"
    report = run(tmp_path, [[Document(one, "a", "x")], [Document(two, "b", "y"), Document("Short.", "c", "y")]], 50)
    assert report["by_source"] == {
        "x": {"documents": 1, "words": 63, "windows": 14, "documents_with_spans": 1, "spans": 1, "words_covered": 60},
        "y": {"documents": 2, "words": 62, "windows": 12, "documents_with_spans": 1, "spans": 1, "words_covered": 60},
    }
    assert report["different_windows"] == 11
    first = min(Document(one, "a", "x"), Document(two, "b", "y"), key=lambda d: d.place)
    assert report["frequent"] == [{"times": 2, "document": first.id.hex(), "word": 2 if first.text == one else 1}]


def test_a_passage_may_repeat_inside_of_a_document_and_overlap_itself(tmp_path):
    report = run(tmp_path / "twice", [[Document(f"{PASSAGE} and {PASSAGE}", "a")]], 50)
    assert report["by_source"]["test"]["spans"] == 2
    assert report["by_source"]["test"]["words_covered"] == 120
    report = run(tmp_path / "overlap", [[Document("na " * 51, "a")]], 50)
    assert report["by_source"]["test"]["spans"] == 1
    assert report["frequent"][0]["times"] == 2


def test_what_is_not_kept_repeats_nothing(tmp_path):
    report = run(tmp_path, [[Document(PASSAGE, "a"), Document(PASSAGE + " more", "b", is_kept=False)]], 50)
    assert report["by_source"]["test"]["spans"] == 0
    assert report["frequent"] == []


def test_texts_without_repetitions_leave_few_windows_to_compare(tmp_path):
    texts = [" ".join(f"w{number}x{place}" for place in range(500)) for number in range(5)]
    report = run(tmp_path, [[Document(text, str(number)) for number, text in enumerate(texts)]], 50)
    assert (report["windows"], report["windows_compared"]) == (5 * 451, 0)
