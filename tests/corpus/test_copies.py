"""Who left for whom is read back from what dedup wrote; what it never saw is said to be so."""

import shutil

import pyarrow as pa
import pytest

from antimatter.corpus import copies
from antimatter.corpus.history import UnknownDocument
from antimatter.corpus.ledger import LEDGER
from antimatter.corpus.shards import MissingData, write_shard
from tests.corpus.made_copies import CUT, LEFT, REMOVED, TEXTS, identity, write_data, write_lines

KEPT = identity("wiki:kept.txt")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    return tmp_path


def test_a_removed_document_names_the_one_that_it_left_for(project):
    found = copies.removal(identity("wiki:near.txt"))
    assert (found.kept_id, found.reason, found.similarity, found.containment) == (KEPT, "dedup.near", 0.81, 0.84)
    assert (found.estimated_similarity, found.bands, found.cluster_size) == (0.79, 3, 4)
    assert copies.removal(KEPT) is None


def test_what_left_for_a_document_comes_least_similar_first_from_all_shards(project):
    assert [row.id for row in copies.left_for(KEPT)] == [identity(name) for name in LEFT]
    assert copies.left_for(identity("web:alone.txt")) == []


def test_texts_are_those_that_dedup_read_removed_ones_too(project):
    found = copies.documents([identity("wiki:near.txt"), KEPT, b"\0" * 16])
    assert {document.text for document in found.values()} == {TEXTS["wiki:near.txt"], TEXTS["wiki:kept.txt"]}
    assert copies.places([KEPT]) == {KEPT: "wiki:kept.txt"}


def test_a_cluster_is_counted_over_all_shards_and_documents_alone_are_none(project):
    (cluster,) = copies.clusters()
    assert (cluster.id, cluster.size, cluster.removed, cluster.sources) == (KEPT, 4, 3, ("web", "wiki"))


def test_a_document_tells_what_it_stands_for(project):
    assert copies.standing(KEPT).stands_for == 4
    assert copies.standing(identity("web:alone.txt")).nearest_id == KEPT
    assert copies.standing(b"\0" * 16) is None


def test_names_are_those_of_explain(project):
    for name in (KEPT.hex(), KEPT.hex()[:8].upper(), "wiki:kept.txt"):
        assert copies.identify(name) == KEPT
    with pytest.raises(UnknownDocument, match="no document wiki:none"):
        copies.identify("wiki:none.txt")


def test_a_document_removed_before_dedup_names_the_stage(project):
    with pytest.raises(copies.NotCompared, match=r"stage filter removed it \(gopher_quality.words\)"):
        copies.identify("wiki:short.txt")


def test_a_document_that_a_later_stage_removed_did_reach_dedup(project):
    gone = {"id": KEPT, "source": "wiki", "stage": "tokenize", "reason": "no_tokens", "shard": 0, "row": 0}
    table = pa.Table.from_pylist([{**gone, "also_failed": []}], schema=LEDGER)
    write_shard(project / "data/tokens/removed/shard-00000.parquet", table)
    assert copies.identify("wiki:kept.txt") == KEPT


def test_what_the_pass_over_lines_cut_is_told_if_there_was_one(project):
    assert copies.standing(KEPT).lines_units is None
    write_lines(project)
    found = copies.standing(KEPT)
    assert (found.lines_units, found.lines_units_removed, found.lines_characters_removed) == CUT["wiki:kept.txt"]
    assert copies.removal(identity("web:empty lines.txt")).kept_id is None


def test_a_document_that_dedup_has_not_read_says_what_to_run(project):
    for part in ("documents", "removed"):
        for path in (project / "data/deduplicated" / part).glob("*.parquet"):
            write_shard(path, pa.Table.from_pylist([], schema=REMOVED))
    with pytest.raises(copies.NotCompared, match="dvc repro dedup"):
        copies.identify("wiki:kept.txt")


def test_before_dedup_has_run_the_error_says_so(project):
    shutil.rmtree(project / "data/deduplicated")
    for call in (lambda: copies.identify("wiki:kept.txt"), lambda: copies.clusters()):
        with pytest.raises(MissingData, match="dvc repro dedup"):
            call()
    assert copies.standing(KEPT) is None


def test_the_output_of_a_stage_that_stopped_can_be_looked_at(project):
    stopped = project / "work/dedup/0123/out"
    stopped.parent.mkdir(parents=True)
    (project / "data/deduplicated").rename(stopped)
    assert copies.identify("wiki:kept.txt", stopped) == KEPT
    assert copies.removal(identity("wiki:near.txt"), stopped).kept_id == KEPT
    assert copies.standing(KEPT, stopped).stands_for == 4
    assert len(copies.clusters(stopped)) == 1


def test_a_folder_that_dedup_did_not_write_is_refused_without_advice_to_run_it(project):
    (project / "data/deduplicated/removed").rename(project / "elsewhere")
    for folder in (project / "nowhere", project / "data/filtered", project / "data/deduplicated"):
        for call in (copies.identify, copies.clusters):
            with pytest.raises(copies.NotCompared, match="removed/ and signals/") as caught:
                call(*(["wiki:kept.txt"] if call is copies.identify else []), folder)
            assert "dvc repro" not in str(caught.value) and str(folder) in str(caught.value)
