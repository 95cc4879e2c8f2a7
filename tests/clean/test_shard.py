"""One shard through clean: edited, counted, nothing lost."""

import json

import pyarrow as pa

from antimatter.clean.shard import clean_shard, signal_names
from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import read_shard, shard_digest, shard_name, write_shard
from antimatter.params.clean import Clean
from tests.documents import document_table, write_documents

EVERY = ("line_ends", "ftfy", "invisible", "c4_lines", "spaces", "blank_lines", "pii")
SENTENCE = "The cat sat on the mat."


def clean(folder, settings=None, index=0, name="out"):
    """The result, and the tables of documents, removed and signals."""
    out = folder / name
    result = clean_shard(
        index, source=folder / "raw", output=out, scratch=folder / "scratch", settings=settings or Clean()
    )
    Counts.from_plain(result["counts"]).require_balance("clean")
    return result, *(read_shard(out / part / shard_name(index)) for part in ("documents", "removed", "signals"))


def test_a_document_that_is_empty_after_cleaning_goes_to_the_ledger(tmp_path):
    write_documents(tmp_path / "raw", [["kept Ã©", "\u3164\u00a0\n "]])
    result, documents, removed, signals = clean(tmp_path)
    assert documents.column("text").to_pylist() == ["kept é"]
    assert removed.select(["reason", "row", "stage"]).to_pylist() == [
        {"reason": "clean.empty", "row": 1, "stage": "clean"}
    ]
    assert signals.num_rows == 2, "signals speak of removed documents too"
    assert result["bytes"] == len("kept Ã©".encode()) + len("\u3164\u00a0\n ".encode())
    assert result["counts"]["test"]["bytes_out"] == len("kept é".encode())


def test_a_page_whose_lines_all_go_is_removed_as_empty(tmp_path):
    write_documents(tmp_path / "raw", [["Menu\nLogin", SENTENCE]])
    _, documents, removed, _ = clean(tmp_path, Clean(steps=("c4_lines",)))
    assert documents.column("text").to_pylist() == [SENTENCE]
    assert removed.column("reason").to_pylist() == ["clean.empty"]


def test_ids_and_origins_survive_every_edit(tmp_path):
    before = write_documents(tmp_path / "raw", [["  schÃ¶n  ", "two"]])[0]
    _, after, _, signals = clean(tmp_path)
    assert after.select(["id", "source", "origin"]).equals(before.select(["id", "source", "origin"]))
    assert signals.column("id").equals(before.column("id"))


def test_a_shard_may_lose_all_its_documents(tmp_path):
    write_documents(tmp_path / "raw", [[" ", "\n"]])
    assert clean(tmp_path)[1].num_rows == 0


def test_a_shard_without_documents_stays_one(tmp_path):
    write_documents(tmp_path / "raw", [[]])
    result, documents, _, signals = clean(tmp_path, Clean(steps=EVERY))
    assert (documents.num_rows, signals.num_rows, result["bytes"]) == (0, 0, 0)
    assert signals.schema.names == ["id", *signal_names(Clean(steps=EVERY))]


def test_an_unchanged_shard_keeps_its_digest(tmp_path):
    write_documents(tmp_path / "raw", [["one", "zwei “drei”"]])
    clean(tmp_path, Clean(steps=("spaces", "pii", "c4_lines")[:2]))
    digests = [shard_digest(tmp_path / folder / shard_name(0)) for folder in ("raw", "out/documents")]
    assert digests[0] == digests[1]


def test_signals_tell_what_each_step_did_to_each_document(tmp_path):
    write_documents(tmp_path / "raw", [[f"Ã©  x\n{SENTENCE}", f"{SENTENCE}\nWrite {{ to ann@mail.org or so."]])
    *_, signals = clean(tmp_path, Clean(steps=("ftfy", "c4_lines", "pii"), pii_kinds=("email",)))
    assert signals.drop_columns("id").to_pylist() == [
        {
            "ftfy.characters": 2,
            "c4_lines.characters": len("é  x\n"),
            "c4_lines.lines_in": 2,
            "c4_lines.lines_removed": 1,
            "c4_lines.words_in": 8,
            "c4_lines.words_removed": 2,
            "c4_lines.lorem_ipsum": False,
            "c4_lines.curly_brace": False,
            "pii.characters": 0,
            "pii.email": 0,
        },
        {
            "ftfy.characters": 0,
            "c4_lines.characters": 0,
            "c4_lines.lines_in": 2,
            "c4_lines.lines_removed": 0,
            "c4_lines.words_in": 12,
            "c4_lines.words_removed": 0,
            "c4_lines.lorem_ipsum": False,
            "c4_lines.curly_brace": True,
            "pii.characters": len("ann@mail.org"),
            "pii.email": 1,
        },
    ]


def test_steps_are_counted_per_source(tmp_path):
    table = pa.concat_tables([document_table(["Ã©", "“a”", "plain"], "wiki"), document_table(["x  y z\u00a0a"], "web")])
    write_shard(tmp_path / "raw" / shard_name(0), table)
    steps = clean(tmp_path)[0]["steps"]
    assert steps["ftfy"] == {"wiki": {"documents": 2, "characters": 4}}
    assert steps["spaces"] == {"web": {"documents": 1, "characters": 2}}
    assert steps["invisible"] == {}


def test_examples_wait_in_scratch_one_file_a_shard(tmp_path):
    write_documents(tmp_path / "raw", [["plain"], ["schÃ¶n"]])
    clean(tmp_path, index=0)
    clean(tmp_path, index=1)
    assert (tmp_path / "scratch" / "examples-00000.jsonl").read_text() == ""
    (row,) = map(json.loads, (tmp_path / "scratch" / "examples-00001.jsonl").read_text().splitlines())
    assert (row["step"], row["source"], row["before"], row["after"]) == ("ftfy", "test", "schÃ¶n", "schön")


def test_the_same_documents_give_the_same_bytes(tmp_path):
    write_documents(tmp_path / "raw", [[f"Ã©  {SENTENCE} “x” ann@mail.org\n\n\n\n{number}" for number in range(20)]])
    for name in ("one", "two"):
        clean(tmp_path, Clean(steps=EVERY), name=name)
    for part in ("documents", "removed", "signals"):
        one, two = (tmp_path / name / part / shard_name(0) for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
