"""The whole stage: sources in, shards, ledger, quarantine and report out."""

import hashlib
import json

import pytest

from antimatter.collect import drafts
from antimatter.collect.conversations import is_held_out
from antimatter.collect.errors import DamagedArchive, MissingSource, NoDocuments, SourceError, TooMuchRejected
from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import folder_digest, read_shard, shard_paths, verify_shard
from tests.collect.corpora import COMPRESSIONS, FORMATS, TEXTS, tarred, zipped

BINARY = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe"


def dialogues(count):
    def message(sender, text):
        return {"text": text, "timestamp": "", "sender": sender}

    return json.dumps(
        {
            f"id-{i}": {"messages": [[message("a", f"question {i}")], [message("b", f"answer {i}")]]}
            for i in range(count)
        }
    )


def everything(project):
    """One source of every shape, the user's folder among them, with something wrong in each."""
    (project.root / "input/mine.txt").write_bytes(b"My own text.")
    (project.root / "input/bad.txt").write_bytes(BINARY)
    (project.root / "input/lines.jsonl").write_bytes(b'{"text": "a line"}\n{broken\n{"text": "half \\ud800 pair"}\n')
    (project.root / "input/notes.pdf").write_bytes(b"%PDF")
    speeches = {f"s/{i:02d}.txt": f"Speech number {i}. " * 40 for i in range(20)}
    wiki = {f"Title {i}": {"title": f"Title {i}", "extract": "Text." * i} for i in range(10)}
    page = "<html><body><main><p>The main content of page {}.</p></main></body></html>"
    pages = {f"d/{name}.html": page.format(name) for name in ("a", "b", "genindex")}
    return [
        project.source("speeches", {**speeches, "s/21.txt": BINARY, "s/22.txt": "short"}, minimum_characters=100),
        project.source("wiki", {"w.json": json.dumps(wiki)}, format="wiki_summaries", members=["*.json"]),
        project.source("pages", pages, format="html", members=["*.html"], index_pages=["*/genindex.html"]),
        project.source("talk", {"t.json": dialogues(100)}, format="chitchat", members=["*.json"], held_out_share=0.2),
        {"name": "input", "kind": "files", "path": "input"},
    ]


def test_every_document_is_kept_or_in_the_ledger_with_its_reason(project):
    report = project.collect(*everything(project), shard_bytes=2000)
    removed = project.rows("removed")
    reasons = {source: flow["removed"] for source, flow in report["sources"].items()}
    held_out = sum(is_held_out(f"id-{i}", 0.2) for i in range(100))
    assert 5 < held_out < 40
    assert reasons == {
        "speeches": {"collect.too_short": 1, "collect.undecodable": 1},
        "wiki": {"collect.empty": 1},
        "pages": {"collect.index_page": 1},
        "talk": {"collect.held_out_conversation": held_out},
        "input": {"collect.undecodable": 2},
    }
    assert report["documents_in"] == len(project.rows()) + len(removed) == 22 + 10 + 3 + 100 + 5
    assert {row["stage"] for row in removed} == {"collect"}
    (short,) = [row for row in removed if row["reason"] == "collect.too_short"]
    assert (short["id"], short["value"], short["threshold"]) == (document_id("speeches", "s/22.txt"), 5, 100)
    assert report["ignored_files"] == {"input": {".pdf": 1}}
    assert report["surrogates_replaced"] == {"input": 1}
    assert project.texts()["lines.jsonl:27"] == "half \ufffd pair"


def test_what_cannot_be_decoded_is_kept_as_its_exact_bytes(project):
    project.collect(*everything(project), shard_bytes=2000)
    rows = {(row["source"], row["origin"]): row for row in project.rows("quarantine")}
    assert {key: (row["offset"], row["data"]) for key, row in rows.items()} == {
        ("speeches", "s/21.txt"): (0, BINARY),
        ("input", "bad.txt"): (0, BINARY),
        ("input", "lines.jsonl:19"): (19, b"{broken\n"),
    }
    assert all(row["error"] for row in rows.values())
    removed = {row["id"] for row in project.rows("removed") if row["reason"] == "collect.undecodable"}
    assert removed == {document_id(*key) for key in rows}


def test_documents_have_one_id_each_and_sound_shards(project):
    project.collect(*everything(project), shard_bytes=2000)
    rows = project.rows()
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["id"] == document_id(row["source"], row["origin"]) for row in rows)
    assert all(row["language"] is None and row["language_score"] is None for row in rows)
    assert [row["source"] for row in rows] == sorted((row["source"] for row in rows), key=ORDER.index)
    for path in (project.root / "data/raw").rglob("shard-*.parquet"):
        verify_shard(path)


ORDER = ["speeches", "wiki", "pages", "talk", "input"]


def test_one_worker_and_two_give_equal_bytes(project, monkeypatch):
    sources = [{**source, "max_documents": 6} for source in everything(project)]
    digests = []
    for workers in ("1", "2"):
        monkeypatch.setenv("ANTIMATTER_WORKERS", workers)
        monkeypatch.setenv("ANTIMATTER_FRESH", "1")
        report = project.collect(*sources, shard_bytes=2000)
        digests.append(folder_digest(project.root / "data/raw"))
    assert digests[0] == digests[1]
    assert all(flow["documents_out"] <= 6 for flow in report["sources"].values())
    assert report["removed"]["collect.budget"] > 20


@pytest.mark.parametrize("budget", [{"max_documents": 7}, {"max_bytes": 5000}])
def test_a_budget_takes_from_all_over_a_source_and_accounts_for_the_rest(project, budget):
    members = {f"s/{i:02d}.txt": "x" * 500 for i in range(40)}
    report = project.collect(project.source("speeches", members, **budget), shard_bytes=5000)
    taken = sorted(project.texts())
    flow = report["sources"]["speeches"]
    assert (len(taken), flow["removed"]["collect.budget"]) == ((7, 33) if "max_documents" in budget else (8, 32))
    assert taken[0] < "s/10.txt" and taken[-1] >= "s/30.txt"


def test_a_budget_does_not_depend_on_the_source_before_it(project):
    members = {f"s/{i:02d}.txt": "x" * 500 for i in range(40)}
    speeches = project.source("speeches", members, max_documents=7)
    project.collect(speeches, shard_bytes=5000)
    alone = project.texts()
    project.collect(project.source("letters", {"a.txt": "Dear friend."}), speeches, shard_bytes=5000)
    assert alone.items() < project.texts().items()


def test_an_empty_input_folder_is_fine_while_another_source_delivers(project, user_input, capsys):
    report = project.collect(project.source("speeches", {"a.txt": "Fellow citizens."}), user_input)
    assert report["documents_out"] == 1
    assert "warning" not in capsys.readouterr().err


def test_the_users_own_text_is_a_whole_corpus_and_needs_no_network(project, user_input):
    (project.root / "input/mine.txt").write_text("My own text.")
    project.collect(user_input)
    assert project.texts() == {"mine.txt": "My own text."}


def test_nothing_at_all_is_an_error_that_says_what_to_do(project, user_input):
    with pytest.raises(NoDocuments, match="Put your own text into input/"):
        project.collect(user_input)
    with pytest.raises(NoDocuments, match=r"1 documents were read and all left out \(collect\.too_short 1\)"):
        project.collect(project.source("speeches", {"a.txt": "short"}, minimum_characters=10))


def test_a_corrupt_archive_with_the_right_digest_names_itself(project):
    path = project.index / "speeches-1.0-py3-none-any.whl"
    fields = project.wheel("speeches", {"a.txt": "x"})
    path.write_bytes(b"PK not a zip")
    fields["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    project.cache(path, fields["sha256"])
    source = {"name": "speeches", "kind": "package", **fields, "format": "text", "members": ["*.txt"]}
    with pytest.raises(DamagedArchive, match=r"speeches-1\.0-py3-none-any\.whl is no readable zip file"):
        project.collect(source)


def test_an_id_that_stands_twice_is_an_error(project):
    """Member a#b, and entry b of member a: the one way in which two origins can be equal."""
    content = {"a": json.dumps({"b": {"title": "b", "extract": "text"}}), "a#b": b"\xff"}
    with pytest.raises(SourceError, match="1 ids stand for more than one document"):
        project.collect(project.source("wiki", content, format="wiki_summaries", members=["a*"]))


def warnings_of(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]


def test_text_of_the_user_that_cannot_be_read_is_one_warning_with_what_to_do(project, user_input, capsys):
    (project.root / "input/mine.txt").write_text("My own text.")
    (project.root / "input/image.txt").write_bytes(BINARY)
    (project.root / "input/web.jsonl").write_bytes(b'{"content": "x"}\n' * 2)
    report = project.collect(user_input, project.source("speeches", {"a.txt": "Fellow citizens."}))
    (line,) = warnings_of(capsys)
    assert line.startswith("warning: source input: 3 of 4 documents gave no text (collect.undecodable 3). ")
    assert "text_field" in line and "'text'" in line and "`encoding:`" in line and "data/raw/quarantine" in line
    assert report["warnings"] == [line.removeprefix("warning: ")]


def test_a_source_of_empty_texts_is_warned_of_even_if_nothing_is_left(project, user_input, capsys):
    (project.root / "input/a.jsonl").write_bytes(b'{"text": " "}\n' * 3)
    with pytest.raises(NoDocuments, match=r"3 documents were read and all left out \(collect\.empty 3\)"):
        project.collect(user_input)
    (line,) = warnings_of(capsys)
    assert "3 of 3" in line and "text_field" in line


def test_losses_that_the_user_asked_for_are_no_warning(project, capsys):
    members = {f"{index}.txt": "x" * 10 * (1 + index // 8) for index in range(10)}
    settings = {"minimum_characters": 15, "max_documents": 1, "index_pages": ["0.txt"]}
    assert project.collect(project.source("speeches", members, **settings))["warnings"] == []
    assert warnings_of(capsys) == []


def test_a_wheel_that_does_not_fit_its_format_is_a_warning(project, capsys):
    report = project.collect(
        project.source("wiki", {"w.txt": "no JSON"}, format="wiki_summaries"),
        project.source("speeches", {"a.txt": "Fellow citizens."}),
    )
    (line,) = warnings_of(capsys)
    assert "source wiki: 1 of 1" in line and "`format`" in line
    assert len(report["warnings"]) == 1


def test_documents_of_absurd_size_are_in_the_ledger_and_on_the_console(project, user_input, monkeypatch, capsys):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    (project.root / "input/large.txt").write_text("x" * 101)
    report = project.collect(user_input, project.source("speeches", {"a.txt": "x" * 201, "b.txt": "Fellow citizens."}))
    rows = [(row["source"], row["reason"], row["value"], row["threshold"]) for row in project.rows("removed")]
    assert rows == [("input", "collect.too_large", 101, 100), ("speeches", "collect.too_large", 201, 100)]
    assert list(project.texts()) == ["b.txt"]
    assert report["removed"] == {"collect.too_large": 2}
    first, second = warnings_of(capsys)
    assert "source input: 1 of 1" in first and "split it" in first
    assert "source speeches: 1 of 2" in second


def test_without_the_input_folder_the_error_says_to_create_it(project):
    (project.root / "input").rmdir()
    with pytest.raises(MissingSource, match=r"there is no folder input/.*mkdir input.*leave it empty"):
        project.collect(project.source("speeches", {"a.txt": "Fellow citizens."}))


def test_more_bad_input_than_allowed_fails_at_the_end_and_keeps_what_was_read(project, user_input):
    lines = [json.dumps({"text": f"document {index}"}) for index in range(98)]
    (project.root / "input/a.jsonl").write_text("\n".join([*lines, '{"body": "x"}', "{broken"]))
    with pytest.raises(TooMuchRejected) as told:
        project.collect(user_input, max_rejected_share=0.01)
    words = str(told.value)
    assert "source input: 2 of 100" in words and "a.jsonl:" in words and "it has body" in words
    assert "text_field" in words and "raising collect.max_rejected_share" in words
    assert not (project.root / "data/raw").exists()
    (work,) = (path for path in (project.work / "collect").iterdir() if path.is_dir())
    assert str(work / "out") in words
    assert [row["reason"] for row in read_rows(work / "out/removed")] == ["collect.undecodable"] * 2
    assert [row["data"] for row in read_rows(work / "out/quarantine")] == [b'{"body": "x"}\n', b"{broken"]

    report = project.collect(user_input, max_rejected_share=0.05)
    assert (report["documents_in"], report["documents_out"]) == (100, 98)


def test_raising_the_limit_does_not_read_again(project, user_input, monkeypatch):
    (project.root / "input/a.jsonl").write_text('{"text": "good"}\n{broken\n')
    with pytest.raises(TooMuchRejected):
        project.collect(user_input, max_rejected_share=0.01)
    monkeypatch.setattr("antimatter.collect.parts.read_pieces", lambda *_: pytest.fail("read again"))
    assert project.collect(user_input, max_rejected_share=0.9)["documents_out"] == 1


def test_one_unreadable_file_is_judged_by_its_bytes_too(project, user_input):
    (project.root / "input/good.jsonl").write_text('{"text": "good"}\n' * 1000)
    (project.root / "input/bad.parquet").write_bytes(b"PAR1" + b"x" * 5000)
    with pytest.raises(TooMuchRejected, match=r"source input: 1 of 1001 \(\d\d\.\d% by number or bytes\)"):
        project.collect(user_input, max_rejected_share=0.01)
    report = project.collect(user_input, max_rejected_share=0.9)
    assert report["removed"] == {"collect.unreadable_file": 1}
    assert [(row["origin"], row["data"]) for row in project.rows("quarantine")] == [("bad.parquet", b"")]


def test_what_the_limits_of_the_user_leave_out_is_not_rejected(project):
    members = {f"{index}.txt": "x" * index for index in range(10)}
    project.collect(project.source("speeches", members, minimum_characters=5), max_rejected_share=0.0)


def mixture(folder):
    """Every format, compression and container, some of it broken."""
    for name, make in FORMATS.items():
        (folder / name).write_bytes(make(TEXTS))
        for suffix in (".gz", ".zst"):
            (folder / (name + suffix)).write_bytes(COMPRESSIONS[suffix](make(TEXTS)))
    (folder / "x.zip").write_bytes(zipped({f"in/{name}": make(TEXTS) for name, make in FORMATS.items()}))
    (folder / "x.tar").write_bytes(tarred({f"in/{name}": make(TEXTS) for name, make in FORMATS.items()}))
    (folder / "large.jsonl.gz").write_bytes(COMPRESSIONS[".gz"](FORMATS["a.jsonl"](TEXTS * 20)))
    (folder / "cut.jsonl.gz").write_bytes(COMPRESSIONS[".gz"](FORMATS["a.jsonl"](TEXTS))[:100])
    (folder / "evil.zip").write_bytes(zipped({"../a.txt": b"x"}))
    (folder / "notes.pdf").write_bytes(b"%PDF")


def test_any_mixture_gives_equal_bytes_with_one_worker_and_two_and_loses_nothing(project, user_input, monkeypatch):
    mixture(project.root / "input")
    digests = []
    for workers in ("1", "2"):
        monkeypatch.setenv("ANTIMATTER_WORKERS", workers)
        monkeypatch.setenv("ANTIMATTER_FRESH", "1")
        report = project.collect({**user_input, "separator": "<|end|>"}, shard_bytes=10_000)
        digests.append(folder_digest(project.root / "data/raw"))
    assert digests[0] == digests[1]
    assert report["documents_out"] == 25 * (len(FORMATS) * 5 + 20)
    assert report["removed"] == {"collect.refused_archive": 1, "collect.unreadable_file": 1}
    assert report["ignored_files"] == {"input": {".pdf": 1}}
    assert report["shards"] == len(list((project.root / "data/raw/documents").glob("*.parquet")))
    assert {row["text"] for row in project.rows()} == set(TEXTS)


def test_a_compressed_file_fills_as_many_shards_as_its_text_needs(project, user_input, monkeypatch):
    monkeypatch.setattr("antimatter.collect.filling._BATCH_BYTES", 10_000)
    texts = [f"{index:06d} " * 100 for index in range(2000)]
    (project.root / "input/a.jsonl.gz").write_bytes(COMPRESSIONS[".gz"](FORMATS["a.jsonl"](texts)))
    (project.root / "input/b.txt").write_text("the next file")
    report = project.collect(user_input, shard_bytes=100_000)
    assert 10 <= report["shards"] <= 16
    assert [row["text"] for row in project.rows()] == [*texts, "the next file"]


def test_the_mix_is_reported_with_weights_and_what_falls_short_is_told(project, capsys):
    large = project.source("large", {f"{i}.txt": "x" * 100 for i in range(100)}, weight=3, licence="CC0")
    small = project.source("small", {f"{i}.txt": "x" * 100 for i in range(3)}, weight=1)
    report = project.collect(large, small, target_bytes=4000)
    assert report["composition"] == [
        {"source": "large", "licence": "CC0", "documents": 30, "bytes": 3000, "share": 0.909091, "budget_bytes": 3000},
        {"source": "small", "licence": "", "documents": 3, "bytes": 300, "share": 0.090909, "budget_bytes": 1000},
    ]
    (line,) = warnings_of(capsys)
    assert "source small" in line and "its weight asks for" in line


def test_other_encodings_are_counted(project, user_input):
    text = "Die Größe der Straße, süße Äpfel und die Übung am späten Abend."
    (project.root / "input/a.txt").write_bytes(text.encode("latin-1"))
    (project.root / "input/b.txt").write_bytes(text.encode())
    report = project.collect(user_input)
    assert report["encodings"] == {"input": {"windows-1252": 1}}
    assert set(project.texts().values()) == {text}


def test_files_outside_of_input_are_read_where_they_are(project, tmp_path):
    (tmp_path / "elsewhere/2024").mkdir(parents=True)
    (tmp_path / "elsewhere/2024/a.jsonl").write_text('{"text": "from elsewhere"}\n')
    source = {"name": "mine", "kind": "files", "path": str(tmp_path / "elsewhere/**/*.jsonl"), "version": "1"}
    report = project.collect(source)
    assert project.texts() == {"2024/a.jsonl:0": "from elsewhere"}
    assert report["provenance"] == [{"source": "mine", "licence": "", "path": source["path"], "version": "1"}]


def test_a_limit_that_is_lowered_after_a_success_is_applied(project, user_input):
    (project.root / "input/a.jsonl").write_text('{"text": "good"}\n{broken\n')
    project.collect(user_input, max_rejected_share=1.0)
    with pytest.raises(TooMuchRejected, match=r"source input: \d"):
        project.collect(user_input, max_rejected_share=0.01)


def test_two_sources_may_not_read_the_same_file(project, user_input):
    (project.root / "input/web").mkdir()
    (project.root / "input/web/a.txt").write_text("x")
    with pytest.raises(SourceError, match="sources input and web both read"):
        project.collect(user_input, {"name": "web", "kind": "files", "path": "input/web"})


def test_a_linked_folder_is_no_source_because_nobody_sees_it_change(project, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.txt").write_text("x")
    (project.root / "input/link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(SourceError, match="is a link, behind which DVC sees no change"):
        project.collect({"name": "mine", "kind": "files", "path": "input/link"})


def test_a_budget_smaller_than_documents_gives_some_and_says_why_not_more(project, capsys):
    members = {f"{i:02d}.txt": "x" * 900 for i in range(40)}
    report = project.collect(project.source("books", members, max_bytes=10_000), shard_bytes=2000)
    assert report["documents_out"] == 20 and report["bytes_out"] == 18_000  # a share of 500 rounds up to one of 900
    source = project.source("books", members, max_bytes=4000)
    other = project.source("other", {"a.txt": "some text"})
    report = project.collect(source, other, shard_bytes=2000)
    (line,) = warnings_of(capsys)[-1:]
    assert "larger than a part's share" in line and "raise collect.shard_bytes" in line


def test_members_that_match_nothing_are_told(project, user_input, capsys):
    (project.root / "input/a.zip").write_bytes(zipped({"x.txt": b"x"}))
    other = project.source("other", {"a.txt": "some text"})
    project.collect({**user_input, "members": ["*.jsonl"]}, other)
    (line,) = warnings_of(capsys)
    assert "nothing in it matches its `members` (*.jsonl)" in line


def read_rows(folder):
    return [row for path in shard_paths(folder) for row in read_shard(path).to_pylist()]
