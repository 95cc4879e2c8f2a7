import pickle

import pytest

from antimatter.corpus.ledger import LEDGER, Counts, LostDocuments, Removal, ledger_table
from antimatter.corpus.reports import flow_report, read_json, write_json
from antimatter.corpus.shards import read_shard, write_shard


def counts_of(kept: int, removed: int) -> Counts:
    counts = Counts()
    counts.arrived("wiki", kept + removed, 10 * (kept + removed))
    counts.kept("wiki", kept, 10 * kept)
    counts.removed("wiki", "too_short", removed)
    return counts


def test_a_removal_comes_back_from_disk_as_it_was(tmp_path):
    removal = Removal(
        id=b"i" * 16,
        source="wiki",
        reason="dedup.exact",
        row=7,
        kept_id=b"k" * 16,
        also_failed=("a", "b"),
        detail="item 4",
    )
    write_shard(tmp_path / "shard-00003.parquet", ledger_table("dedup", 3, [removal]))
    (row,) = read_shard(tmp_path / "shard-00003.parquet").to_pylist()
    assert row == {
        "id": b"i" * 16, "source": "wiki", "stage": "dedup", "reason": "dedup.exact", "value": None, "threshold": None,
        "shard": 3, "row": 7, "kept_id": b"k" * 16, "similarity": None, "also_failed": ["a", "b"], "detail": "item 4",
    }  # fmt: skip


def test_an_empty_ledger_has_all_columns(tmp_path):
    write_shard(tmp_path / "shard-00000.parquet", ledger_table("clean", 0, []))
    assert read_shard(tmp_path / "shard-00000.parquet").schema.equals(LEDGER)


def test_counts_add_up_over_shards_and_survive_json(tmp_path):
    shards = [counts_of(3, 1), counts_of(0, 2), Counts()]
    write_json(tmp_path / "counts.json", [shard.to_plain() for shard in shards])
    total = Counts.sum(read_json(tmp_path / "counts.json"))
    total.require_balance("filter")
    assert total == counts_of(3, 3)


def test_a_lost_document_is_named_by_stage_and_source():
    counts = counts_of(3, 1)
    counts.arrived("books", 1, 5)
    with pytest.raises(LostDocuments, match="stage filter does not balance: books: 1 in, 0 out, 0 removed"):
        counts.require_balance("filter")


def test_a_surplus_in_one_source_does_not_hide_a_loss_in_another():
    counts = Counts()
    counts.arrived("a", 1, 1)
    counts.kept("b", 1, 1)
    with pytest.raises(LostDocuments, match="a: 1 in, 0 out, 0 removed; b: 0 in, 1 out"):
        counts.require_balance("clean")


def test_losses_travel_home_from_worker_processes():
    assert str(pickle.loads(pickle.dumps(LostDocuments("lost")))) == "lost"


def test_a_report_gives_totals_shares_and_reasons_by_frequency():
    counts = counts_of(6, 1)
    counts.arrived("books", 3, 30)
    counts.removed("books", "language", 3)
    report = flow_report(counts, extra=1)
    assert (report["documents_in"], report["documents_out"], report["removed_documents_share"]) == (10, 6, 0.4)
    assert list(report["removed"]) == ["language", "too_short"]
    assert report["extra"] == 1
    assert report["sources"]["books"]["removed"] == {"language": 3}


def test_a_report_of_nothing_has_shares_of_zero():
    assert flow_report(Counts())["removed_documents_share"] == 0.0


def test_reports_hold_no_nan(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "r.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
