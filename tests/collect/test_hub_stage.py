"""Hub datasets through the whole stage, against a hub on the loopback."""

import os

import pytest

from antimatter.collect import hub_requests
from antimatter.collect.errors import NoDocuments, SourceError, TooMuchRejected
from antimatter.corpus.shards import folder_digest
from tests.collect.corpora import COMPRESSIONS, FORMATS
from tests.collect.hub_server import DATASET, REVISION, Hub, serve


def texts(number, count=40):
    return [f"Document {index} of file {number}. " * 30 for index in range(count)]


FILES = {
    **{f"en/part-{n:03d}.json.gz": COMPRESSIONS[".gz"](FORMATS["a.jsonl"](texts(n))) for n in range(6)},
    **{f"pq/part-{n:03d}.parquet": FORMATS["a.parquet"](texts(n)) for n in range(2)},
    "README.md": b"# A corpus",
}
LINES = {"name": "web", "kind": "hub", "dataset": DATASET, "revision": REVISION, "members": ["en/*.json.gz"]}
ROWS = {**LINES, "name": "rows", "members": ["pq/*.parquet"]}


@pytest.fixture
def hub(project, monkeypatch):
    for name in [name for name in os.environ if name.startswith("HF_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(hub_requests, "wait_for", lambda *_: None)
    with serve(Hub(files=dict(FILES))) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        yield started


def test_lines_and_rows_of_a_dataset_arrive_and_the_report_says_whence(project, hub):
    report = project.collect(LINES, ROWS)
    assert (report["documents_out"], report["removed"]) == (8 * 40, {})
    assert project.texts()["en/part-003.json.gz:7"] == texts(3)[7]
    assert report["provenance"][0]["revision"] == REVISION


def test_a_bad_day_of_the_network_changes_nothing(project, hub, monkeypatch):
    project.collect(LINES, ROWS)
    calm = folder_digest(project.root / "data/raw")
    monkeypatch.setenv("ANTIMATTER_WORK", str(project.work / "second"))
    monkeypatch.setattr(hub_requests, "_TIMEOUT_SECONDS", 2.0)
    hub.fail("/tree/", 429, times=2, Retry_After="1")
    hub.misbehave("en/part-001", times=2, cut_after=50)
    hub.fail("en/part-002", 503, times=3)
    project.collect(LINES, ROWS)
    assert folder_digest(project.root / "data/raw") == calm


def test_a_budget_fetches_no_more_files_than_it_needs(project, hub):
    size = sum(len(text) for text in texts(0))
    report = project.collect({**LINES, "max_bytes": 2 * size})
    fetched = {asked.path for asked in hub.downloads()}
    assert len(fetched) == 3  # two, and 10 % to spare
    assert 1.8 * size <= report["bytes_out"] <= 2 * size


def test_a_parquet_file_that_is_truncated_on_the_hub_itself_is_told(project, hub):
    whole = hub.files["pq/part-001.parquet"]
    hub.files["pq/part-001.parquet"] = whole[: len(whole) // 2]
    with pytest.raises(TooMuchRejected, match=r"pq/part-001\.parquet: it is no readable Parquet file"):
        project.collect(ROWS, max_rejected_share=0.01)
    report = project.collect(ROWS, max_rejected_share=1.0)
    assert (report["documents_out"], report["removed"]) == (40, {"collect.unreadable_file": 1})


def test_a_revision_that_is_not_there_is_an_error_and_never_skipped(project, hub, user_input):
    (project.root / "input/mine.txt").write_text("My own text.")
    with pytest.raises(SourceError, match="has no revision"):
        project.collect({**LINES, "revision": "f" * 40}, user_input, on_missing="skip")


def test_without_a_network_a_dataset_is_missing_and_what_was_fetched_needs_none(project, hub, monkeypatch):
    project.collect(LINES)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTIMATTER_FRESH", "1")
    assert project.collect(LINES)["documents_out"] == 240
    with pytest.raises(NoDocuments, match=r"rows.*cannot be reached"):
        project.collect(ROWS)
