"""The whole stage: sources in, shards, ledger, quarantine and report out."""

import hashlib
import json

import pytest

from antimatter.collect import archives, files
from antimatter.collect.conversations import is_held_out
from antimatter.collect.errors import DamagedArchive, MissingSource, NoDocuments, SourceError
from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import folder_digest, verify_shard


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
    (project.root / "input/bad.txt").write_bytes(b"caf\xe9")
    (project.root / "input/lines.jsonl").write_bytes(b'{"text": "a line"}\n{broken\n{"text": "half \\ud800 pair"}\n')
    (project.root / "input/notes.pdf").write_bytes(b"%PDF")
    speeches = {f"s/{i:02d}.txt": f"Speech number {i}. " * 40 for i in range(20)}
    wiki = {f"Title {i}": {"title": f"Title {i}", "extract": "Text." * i} for i in range(10)}
    page = "<html><body><main><p>The main content of page {}.</p></main></body></html>"
    pages = {f"d/{name}.html": page.format(name) for name in ("a", "b", "genindex")}
    return [
        project.source("speeches", {**speeches, "s/21.txt": b"\xff\xfe", "s/22.txt": "short"}, minimum_characters=100),
        project.source("wiki", {"w.json": json.dumps(wiki)}, parser="wiki_summaries", members=["*.json"]),
        project.source("pages", pages, parser="html_main", members=["*.html"], index_pages=["*/genindex.html"]),
        project.source("talk", {"t.json": dialogues(100)}, parser="chitchat", members=["*.json"], held_out_share=0.2),
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
        ("speeches", "s/21.txt"): (0, b"\xff\xfe"),
        ("input", "bad.txt"): (0, b"caf\xe9"),
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
    source = {"name": "speeches", "kind": "package", **fields, "parser": "plain_text", "members": ["*.txt"]}
    with pytest.raises(DamagedArchive, match=r"speeches-1\.0-py3-none-any\.whl is no readable zip file"):
        project.collect(source)


def test_an_id_that_stands_twice_is_an_error(project):
    """Member a#b, and entry b of member a: the one way in which two origins can be equal."""
    content = {"a": json.dumps({"b": {"title": "b", "extract": "text"}}), "a#b": b"\xff"}
    with pytest.raises(SourceError, match="1 ids stand for more than one document"):
        project.collect(project.source("wiki", content, parser="wiki_summaries", members=["a*"]))


def warnings_of(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]


def test_text_of_the_user_that_cannot_be_read_is_one_warning_with_what_to_do(project, user_input, capsys):
    (project.root / "input/mine.txt").write_text("My own text.")
    (project.root / "input/latin.txt").write_bytes(b"caf\xe9")
    (project.root / "input/web.jsonl").write_bytes(b'{"content": "x"}\n' * 2)
    report = project.collect(user_input, project.source("speeches", {"a.txt": "Fellow citizens."}))
    (line,) = warnings_of(capsys)
    assert line.startswith("warning: source input: 3 of 4 documents gave no text (collect.undecodable 3). ")
    assert "text_field" in line and "'text'" in line and "iconv" in line and "data/raw/quarantine" in line
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


def test_a_wheel_that_does_not_fit_its_parser_is_a_warning(project, capsys):
    report = project.collect(
        project.source("wiki", {"w.txt": "no JSON"}, parser="wiki_summaries"),
        project.source("speeches", {"a.txt": "Fellow citizens."}),
    )
    (line,) = warnings_of(capsys)
    assert "source wiki: 1 of 1" in line and "parser wiki_summaries" in line
    assert len(report["warnings"]) == 1


def test_documents_of_absurd_size_are_in_the_ledger_and_on_the_console(project, user_input, monkeypatch, capsys):
    monkeypatch.setattr(files, "LARGEST_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(archives, "LARGEST_MEMBER_BYTES", 200)
    (project.root / "input/large.txt").write_text("x" * 101)
    report = project.collect(user_input, project.source("speeches", {"a.txt": "x" * 201, "b.txt": "Fellow citizens."}))
    rows = [(row["source"], row["reason"], row["value"], row["threshold"]) for row in project.rows("removed")]
    assert rows == [("input", "collect.too_large", 101, 100), ("speeches", "collect.too_large", 201, 200)]
    assert list(project.texts()) == ["b.txt"]
    assert report["removed"] == {"collect.too_large": 2}
    first, second = warnings_of(capsys)
    assert "source input: 1 of 1" in first and "split it" in first
    assert "source speeches: 1 of 2" in second


def test_without_the_input_folder_the_error_says_to_create_it(project):
    (project.root / "input").rmdir()
    with pytest.raises(MissingSource, match=r"there is no folder input/.*mkdir input.*leave it empty"):
        project.collect(project.source("speeches", {"a.txt": "Fellow citizens."}))
