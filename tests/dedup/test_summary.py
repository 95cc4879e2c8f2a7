"""What the report of dedup says, and what of it is said at once."""

import itertools

import pytest

from antimatter.corpus.alarm import TooMuchRemoved
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.dedup.corpus import deduplicate
from antimatter.dedup.summary import explain_losses, notes
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup
from stages import dedup as stage
from tests.dedup.texts import pages
from tests.documents import document_table

WORDS = [f"word{number}" for number in range(2000)]
PROSE = [" ".join(WORDS[start : start + 100]) for start in range(0, 1000, 100)]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def found(tmp_path):
    """Five texts thrice and near copies of two of them from other sources, beside pages of one template."""
    shards = [
        document_table([*PROSE[:5] * 3, *PROSE[5:]], "books"),
        document_table([f"{PROSE[0]} more", f"{PROSE[1]} more", *[f"{PROSE[9]} and {n}" for n in range(9)]], "web"),
        document_table(pages(30, seed=1, frame=150, own=30), "forms"),
    ]
    for index, table in enumerate(shards):
        write_shard(tmp_path / "in" / shard_name(index), table)
    settings = Dedup(leaders_per_bucket=2)
    work = Workspace("dedup", settings, tmp_path / "work", [], tmp_path / "report.json")
    report = deduplicate(work, tmp_path / "in", None, settings)
    work.report(report)
    return work, report


def test_clusters_are_counted_by_size_and_the_largest_named_with_their_sources(found):
    clusters = found[1]["clusters"]
    assert clusters["count"] == 6
    assert clusters["largest"] == 10
    assert clusters["sizes"] == {"3": 3, "4-7": 2, "8-15": 1}
    assert [row["size"] for row in clusters["top"]] == [10, 4, 4, 3, 3, 3]
    assert [row["removed"] for row in clusters["top"]] == [9, 3, 3, 2, 2, 2]
    assert clusters["top"][0]["sources"] == {"books": 1, "web": 9}


def test_who_left_for_whose_document_is_counted_by_source(found):
    told = [(row["removed_from"], row["kept_in"], row["documents"]) for row in found[1]["between_sources"]]
    assert told == [("web", "web", 8), ("books", "web", 7), ("books", "books", 6)], "the most first"


def test_a_template_and_what_a_cap_left_out_are_said_at_once(found):
    report = found[1]
    (templated,) = report["templated_sources"]
    assert templated["source"] == "forms"
    assert templated["documents"] == 30
    assert templated["share"] == round(templated["met"] / 30, 4) > 0.1
    assert report["candidates"]["left_out"] > 0
    first, second = notes(report)
    assert first.startswith("forms looks templated")
    assert "comparisons were left out" in second
    assert report["hottest_buckets"][0]["kept_documents"] > 2


def test_pairs_are_counted_by_similarity(found):
    report = found[1]
    candidates = report["candidates"]
    assert sum(report["similarities"].values()) == candidates["compared"]
    at_threshold = sum(pairs for name, pairs in report["similarities"].items() if float(name) >= 0.8)
    assert at_threshold == candidates["duplicates"]
    skipped = candidates["skipped_by_size"] + candidates["skipped_by_signature"]
    assert candidates["met"] == candidates["compared"] + skipped


def test_the_report_is_of_numbers_and_ids_alone(found):
    told = str(found[1])
    assert not any(" ".join(pair) in told for pair in itertools.pairwise(WORDS))


def test_a_stop_names_the_largest_clusters_and_where_to_look(found):
    work, report = found
    with pytest.raises(TooMuchRemoved) as caught:
        many = {**report["sources"]["books"], "documents_in": 200, "documents_out": 10, "removed": {"dedup.near": 190}}
        work.report({**report, "sources": {**report["sources"], "books": many}})
        stage.require_limit(work, 0.6)
    message = str(caught.value)
    assert report["clusters"]["top"][0]["cluster"] in message
    assert "forms looks templated" in message
    assert f"antimatter duplicates ID --from {work.output}" in message
    assert explain_losses(report) in message


def test_below_the_limit_nothing_is_raised(found):
    stage.require_limit(found[0], 0.9)
