"""The stage in a project: its limits decide about the end, and never about what was measured."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from antimatter.corpus.alarm import TooMuchRemoved
from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.filter import gauge
from antimatter.filter.study.study import study_project
from antimatter.params import load
from antimatter.params.filter import Filter
from stages import filter as stage
from tests.documents import write_documents

GOOD = "The captain of the ship said that they have to be glad of the wind, and went to the helm with his lamp. " * 6
SHORT = "Too short to stay."


@pytest.fixture
def project(tmp_path, monkeypatch):
    """120 documents in two shards, a third of them too short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    texts = [SHORT if number % 3 == 0 else f"{GOOD} {number}" for number in range(120)]
    tables = write_documents(Path("data/cleaned/documents"), [texts[:70], texts[70:]])
    for index, table in enumerate(tables):
        write_shard(Path("data/cleaned/signals") / shard_name(index), pa.table({"id": table.column("id")}))
    Path("data/benchmarks").mkdir()
    Path("data/benchmarks/manifest.json").write_text(json.dumps({"benchmarks": []}))
    return tmp_path


def allow(share: float) -> None:
    Path("params.yaml").write_text(f"filter:\n  max_removed_share_per_source: {share}\n")


def test_a_stage_that_removes_too_much_publishes_nothing_but_what_it_measured_can_be_studied(project):
    allow(0.3)
    with pytest.raises(TooMuchRemoved, match=r"40 of 120 .* allows 30 %") as stopped:
        stage.main()
    assert not Path("data/filtered").exists() and not Path("reports/filter.json").exists()
    folder = Path(str(stopped.value).split("--from ")[1])
    study = study_project(load(Filter), folder=folder)
    assert {name: found.removed.documents for name, found in study.sources.items()} == {"test": 40}


def test_raising_the_limit_measures_nothing_again(project, monkeypatch):
    allow(0.3)
    with pytest.raises(TooMuchRemoved):
        stage.main()
    monkeypatch.setattr(gauge, "segment", lambda texts: pytest.fail("measured again"))
    allow(0.35)
    stage.main()
    assert read_json(Path("reports/filter.json"))["documents_out"] == 80


def test_a_limit_that_was_lowered_after_a_success_is_heeded(project):
    allow(0.5)
    stage.main()
    assert read_shard(Path("data/filtered/documents") / shard_name(1)).num_rows > 0
    allow(0.2)
    with pytest.raises(TooMuchRemoved, match="allows 20 %"):
        stage.main()


def test_the_study_says_when_the_signals_are_of_other_settings(project):
    allow(0.5)
    stage.main()
    assert study_project(load(Filter)).notes == []
    Path("params.yaml").write_text("filter:\n  language: {detector: fasttext}\n  decontamination: {ngram: 12}\n")
    (note,) = study_project(load(Filter)).notes
    assert "filter.language.detector, filter.decontamination.ngram" in note
