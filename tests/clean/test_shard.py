"""One shard through clean: edited, counted, nothing lost."""

from antimatter.clean.shard import clean_shard, clean_text
from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import read_shard, shard_name
from antimatter.params.clean import Clean
from tests.documents import write_documents


def test_a_text_tells_which_steps_changed_it():
    assert clean_text("schÃ¶n  ", Clean()) == ("schön", ["unicode", "whitespace"])
    assert clean_text("plain", Clean()) == ("plain", [])
    assert clean_text("schÃ¶n  ", Clean(repair_unicode=False, collapse_whitespace=False)) == ("schÃ¶n  ", [])


def test_a_document_that_is_empty_after_cleaning_goes_to_the_ledger(tmp_path):
    write_documents(tmp_path / "raw", [["kept Ã©", " \u00a0\n "]])
    result = clean_shard(0, source=tmp_path / "raw", output=tmp_path / "out", settings=Clean())
    kept = read_shard(tmp_path / "out/documents" / shard_name(0))
    removed = read_shard(tmp_path / "out/removed" / shard_name(0))
    assert kept.column("text").to_pylist() == ["kept é"]
    assert removed.select(["reason", "row", "stage"]).to_pylist() == [
        {"reason": "clean.empty", "row": 1, "stage": "clean"}
    ]
    Counts.from_plain(result["counts"]).require_balance("clean")
    assert result["edited"] == {"unicode": 1, "whitespace": 1}


def test_ids_and_origins_survive_every_edit(tmp_path):
    before = write_documents(tmp_path / "raw", [["  schÃ¶n  ", "two"]])[0]
    clean_shard(0, source=tmp_path / "raw", output=tmp_path / "out", settings=Clean())
    after = read_shard(tmp_path / "out/documents" / shard_name(0))
    assert after.select(["id", "source", "origin"]).equals(before.select(["id", "source", "origin"]))


def test_a_shard_may_lose_all_its_documents(tmp_path):
    write_documents(tmp_path / "raw", [[" ", "\n"]])
    result = clean_shard(0, source=tmp_path / "raw", output=tmp_path / "out", settings=Clean())
    assert read_shard(tmp_path / "out/documents" / shard_name(0)).num_rows == 0
    Counts.from_plain(result["counts"]).require_balance("clean")
