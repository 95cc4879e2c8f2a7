"""What the report of dedup says, and what of it is said at once."""

import itertools

import pytest

from antimatter.corpus.alarm import TooMuchRemoved
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.dedup import corpus
from antimatter.dedup.corpus import deduplicate
from antimatter.dedup.summary import notes
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup, Lines
from stages import dedup as stage
from tests.dedup.texts import letters, pages
from tests.documents import document_table

WORDS = [f"word{number}" for number in range(2000)]
PROSE = [" ".join(WORDS[start : start + 100]) for start in range(0, 1000, 100)]


pytestmark = pytest.mark.usefixtures("one_worker")


@pytest.fixture
def found(tmp_path):
    """Five texts thrice and near copies of two of them from other sources, beside pages of one template."""
    shards = [
        document_table([*PROSE[:5] * 3, *PROSE[5:]], "books"),
        document_table([f"{PROSE[0]} more", f"{PROSE[1]} more", *[f"{PROSE[9]} and {n}" for n in range(9)]], "web"),
        document_table(pages(120, seed=1, frame=150, own=30), "forms"),
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
    assert templated["documents"] == 120
    assert templated["share"] == round(templated["met"] / 120, 4) > 0.1
    assert report["candidates"]["left_out"] > 0
    first, second = notes(report)
    assert first.startswith("forms looks templated")
    assert "buckets that hold more kept documents than dedup.leaders_per_bucket" in second


def test_hot_buckets_are_those_beyond_the_cap_the_hottest_first(found):
    report = found[1]
    counts = [row["kept_documents"] for row in report["hottest_buckets"]]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 2
    assert len(counts) == min(10, report["candidates"]["buckets_over_cap"])
    forms = document_table(pages(120, seed=1, frame=150, own=30), "forms").column("id").to_pylist()
    assert {row["one_of_them"] for row in report["hottest_buckets"]} <= {identity.hex() for identity in forms}


def test_a_template_is_seen_though_its_pages_are_too_different_to_be_compared(tmp_path):
    write_shard(tmp_path / "in" / shard_name(0), document_table(letters(600, seed=1), "letters"))
    work = Workspace("dedup", Dedup(), tmp_path / "work", [], tmp_path / "report.json")
    report = deduplicate(work, tmp_path / "in", None, Dedup())
    assert report["candidates"]["skipped_by_signature"] > 0.9 * report["candidates"]["met"] > 0
    assert [row["source"] for row in report["templated_sources"]] == ["letters"]


def test_a_source_of_few_documents_is_no_template(tmp_path):
    write_shard(tmp_path / "in" / shard_name(0), document_table(pages(20, seed=1, frame=150, own=30), "few"))
    work = Workspace("dedup", Dedup(), tmp_path / "work", [], tmp_path / "report.json")
    report = deduplicate(work, tmp_path / "in", None, Dedup())
    assert report["candidates"]["met"] > 0
    assert report["templated_sources"] == []


def test_too_many_documents_for_datasketch_name_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "MOST_DOCUMENTS", 1)
    settings = Dedup(index="datasketch")
    write_shard(tmp_path / "in" / shard_name(0), document_table(PROSE[:2], "books"))
    work = Workspace("dedup", settings, tmp_path / "work", [], tmp_path / "report.json")
    with pytest.raises(corpus.TooManyDocuments, match="to bands in params"):
        deduplicate(work, tmp_path / "in", None, settings)


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
    assert "The largest clusters in it" in message
    assert f"antimatter duplicates ID --from {work.output}" in message


def test_below_the_limit_nothing_is_raised(found):
    stage.require_limit(found[0], 0.9)


def test_a_stop_for_lines_says_which_parameters_cut_them(tmp_path):
    frame = "This is a frame.\nIt says many things.\nAll of them twice.\n"
    texts = [frame + " ".join(WORDS[start : start + 15]) for start in range(0, 1800, 15)]
    write_shard(tmp_path / "in" / shard_name(0), document_table(texts, "chat"))
    settings = Dedup(lines=Lines(unit="line", min_sentences=3))
    work = Workspace("dedup", settings, tmp_path / "work", [], tmp_path / "report.json")
    work.report(deduplicate(work, tmp_path / "in", None, settings))
    with pytest.raises(TooMuchRemoved, match=r"dedup\.lines: see dedup\.lines\.min_sentences") as caught:
        stage.require_limit(work, 0.6)
    assert "largest clusters" not in str(caught.value), "there are none"
